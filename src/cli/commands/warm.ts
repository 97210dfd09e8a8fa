import { setTimeout as pause } from 'node:timers/promises';
import type { Command } from 'commander';
import { silentLogger } from '../../base/logging.js';
import { loadOptional } from '../../base/optional-package.js';
import type { WarmUpReport } from '../../services/warm-up.service.js';
import { EXIT, NotFoundError, WrongSettingError } from '../exit-codes.js';
import { iso } from '../quantities.js';
import { runSession, type Session } from '../session.js';
import { parseSince, type Since } from '../since.js';

interface Options {
  readonly json?: boolean;
  readonly user?: string;
  readonly ahead?: Since;
  readonly at?: string;
  readonly tz?: string;
}

/** Instances with one schedule begin so far apart, and the later ones find everything warm. */
const JITTER_MS = 5_000;
/** A timer reaches no further. */
const LONGEST_PAUSE_MS = 2 ** 31 - 1;

export function addWarm(program: Command): void {
  program
    .command('warm')
    .description("measure the exchanges' clocks that will have ended by then, so that nobody has to wait")
    .option('--user <id>', "only the clocks that this user's connectors go by")
    .option(
      '--ahead <span>',
      'how long they are to be good from now on, up to a day (default: 1h)',
      parseSince,
    )
    .option('--at <cron>', 'again and again, at these times, until Ctrl-C')
    .option('--tz <zone>', "of these times (default: UTC; 'Europe/Berlin', …)")
    .addHelpText(
      'after',
      '\nTwo public requests a clock, however many connectors go by it; no API key is needed. A clock that is\ngood for long enough is left alone. Exit 1: a clock could not be measured.\n\nExamples:\n  connector-state warm --ahead 30m\n  connector-state warm --at "55 7,15,23 * * *"      five minutes before the funding times',
    )
    .action((options: Options) => runSession(options.json === true, session => run(session, options)));
}

async function run(session: Session, options: Options): Promise<void> {
  const { open, out, signal } = session;
  if (options.ahead && 'atMs' in options.ahead) {
    throw new WrongSettingError('--ahead must be a span like 30m or 4h, not a time');
  }
  const aheadMs = options.ahead?.agoMs;
  const next = options.at === undefined ? undefined : await scheduleOf(options.at, options.tz ?? 'UTC');
  const state = await open();
  const { WarmUpService } = await import('../../services/warm-up.service.js');
  const service = new WarmUpService({ cache: state.cache });
  const once = async () => {
    const refs = await refsIn(state.databaseUrl, options.user);
    return service.warm(refs, aheadMs === undefined ? {} : { aheadMs });
  };
  if (!next) {
    const report = await once();
    if (report.connectors === 0) throw new NotFoundError('no connector is known whose clock could be warmed');
    out.data(report, () => inWords(report));
    if (report.clocks.some(({ outcome }) => outcome === 'failed')) process.exitCode = EXIT.failed;
    return;
  }
  while (!signal.aborted) {
    const atMs = next();
    out.message(`warming at ${iso(atMs)}; Ctrl-C ends it`);
    if (!(await until(atMs + Math.random() * JITTER_MS, signal))) return;
    out.message(inWords(await once()));
  }
}

async function until(atMs: number, signal: AbortSignal): Promise<boolean> {
  while (Date.now() < atMs && !signal.aborted) {
    await pause(Math.min(atMs - Date.now(), LONGEST_PAUSE_MS), undefined, { signal }).catch(() => undefined);
  }
  return !signal.aborted;
}

/** @returns when it fires next */
async function scheduleOf(expression: string, timezone: string): Promise<() => number> {
  const { Cron } = await loadOptional('connector-state warm --at', () => import('croner'));
  const nextRun = () => {
    try {
      return new Cron(expression, { timezone }).nextRun();
    } catch (error) {
      const problem = error instanceof Error ? error.message : String(error);
      throw new WrongSettingError(`--at "${expression}" in ${timezone} is no schedule: ${problem}`);
    }
  };
  const next = () => {
    const at = nextRun();
    if (at) return at.getTime();
    throw new WrongSettingError(`--at "${expression}" never fires again`);
  };
  next();
  return next;
}

/** One connector a clock: who was looked after last. */
async function refsIn(databaseUrl: string, userId: string | undefined) {
  const { createPool } = await import('../../postgres/pool.js');
  const { connectorOfEachClock } = await import('../../read-model/clock-queries.js');
  const pool = createPool({ connectionString: databaseUrl, max: 1, log: silentLogger });
  try {
    return await connectorOfEachClock(pool, userId);
  } finally {
    await pool.end();
  }
}

function inWords({ clocks, isStored }: WarmUpReport): string {
  const lines = clocks.map(({ exchange, environment, scope, outcome, problem }) => {
    const name = `${exchange} ${environment}${scope === 'default' ? '' : ` (${scope})`}`;
    return `${name}: ${outcome}${problem === undefined ? '' : `, ${problem}`}`;
  });
  return [...lines, ...(isStored ? [] : ['What was measured is not stored yet.'])].join('\n');
}
