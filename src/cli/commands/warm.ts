import { setTimeout as pause } from 'node:timers/promises';
import { type Command, InvalidArgumentError } from 'commander';
import type { ConnectorRef } from '../../events/connector.js';
import type { FundingTime } from '../../services/funding-times.js';
import type { WarmedClock, WarmUpReport, WarmUpService } from '../../services/warm-up.service.js';
import { EXIT, NotFoundError, WrongSettingError } from '../exit-codes.js';
import { iso } from '../quantities.js';
import { runSession, type Session } from '../session.js';
import { parseSince, type Since } from '../since.js';
import { type Schedule, scheduleOf } from '../warm-schedule.js';

interface Options {
  readonly json?: boolean;
  readonly user?: string;
  readonly ahead?: Since;
  readonly at?: string;
  readonly tz?: string;
  readonly funding?: boolean;
  readonly lead?: Since;
  readonly symbols?: string;
  readonly share?: number;
}

/** Instances with one schedule begin so far apart, and the later ones find everything warm. */
const JITTER_MS = 5_000;
/** A timer reaches no further. */
const LONGEST_PAUSE_MS = 2 ** 31 - 1;
const DEFAULT_LEAD_MS = 5 * 60_000;
const DEFAULT_AHEAD_MS = 3_600_000;
/** Fundings so close to each other are warmed for at once. */
const TOGETHER_MS = 60_000;

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
    .option('--at <cron>', 'again and again, at these times, until Ctrl-C; or once, at this moment')
    .option('--tz <zone>', "of these times (default: UTC; 'Europe/Berlin', …)")
    .option('--funding', 'again and again, before the exchanges pay funding, until Ctrl-C')
    .option('--lead <span>', 'how long before (default: 5m)', parseSince)
    .option('--symbols <list>', 'whose funding counts: BTCUSDT,ETHUSDT (default: all contracts)')
    .option(
      '--share <0-0.5>',
      "of an exchange's request limit that is used at most (default: 0.1)",
      parseShare,
    )
    .addHelpText(
      'after',
      '\nTwo public requests a clock, however many connectors go by it; no API key is needed. A clock that is\ngood for long enough is left alone, one instance at a time is at it, and an exchange that says it is\nenough is left alone for as long as it says. Exit 1: a clock could not be measured.\n\nExamples:\n  connector-state warm --ahead 30m\n  connector-state warm --at "55 7,15,23 * * *"      five minutes before funding\n  connector-state warm --funding --symbols BTCUSDT  as the exchanges say',
    )
    .action((options: Options) => runSession(options.json === true, session => run(session, options)));
}

async function run(session: Session, options: Options): Promise<void> {
  const { open, out, signal } = session;
  const aheadMs = spanOf('--ahead', options.ahead) ?? DEFAULT_AHEAD_MS;
  const leadMs = spanOf('--lead', options.lead) ?? DEFAULT_LEAD_MS;
  check(options, leadMs, aheadMs);
  const { at, tz = 'UTC' } = options;
  const schedule = at === undefined ? undefined : await scheduleOf(at, tz, Date.now());
  const state = await open();
  const { WarmUpService } = await import('../../services/warm-up.service.js');
  const { cache, databaseUrl } = state;
  const service = new WarmUpService({ cache, databaseUrl, share: options.share });
  const known = () => service.connectors({ userId: options.user });
  const warm = (refs: readonly ConnectorRef[]) =>
    service.warm(refs, {
      aheadMs,
      signal,
      onProgress: (clock, done, total) => {
        if (total > 1) out.message(`${done} of ${total}: ${lineOf(clock)}`);
      },
    });
  if (options.funding) {
    const symbols = options.symbols?.split(',').filter(symbol => symbol !== '');
    return beforeFundings({ session, service, known, warm, leadMs, symbols });
  }
  if (schedule) return atTimes({ session, schedule, warm: async () => warm(await known()) });
  const report = await warm(await known());
  if (report.connectors === 0) throw new NotFoundError('no connector is known whose clock could be warmed');
  out.data(report, () => inWords(report));
  if (report.clocks.some(({ outcome }) => outcome === 'failed')) process.exitCode = EXIT.failed;
}

function check({ at, tz, funding, lead, symbols }: Options, leadMs: number, aheadMs: number): void {
  if (funding && at !== undefined) throw new WrongSettingError('give either --at or --funding');
  if (!funding && (lead || symbols !== undefined))
    throw new WrongSettingError('--lead and --symbols go with --funding');
  if (at === undefined && tz !== undefined) throw new WrongSettingError('--tz goes with --at');
  if (funding && leadMs >= aheadMs)
    throw new WrongSettingError(
      '--lead must be shorter than --ahead: clocks are to be good when funding is paid',
    );
}

async function atTimes(of: {
  readonly session: Session;
  readonly schedule: Schedule;
  readonly warm: () => Promise<WarmUpReport>;
}): Promise<void> {
  const { session, schedule, warm } = of;
  const { out, signal } = session;
  if (schedule.warning !== undefined) out.message(schedule.warning);
  let afterMs = Date.now();
  for (let atMs = schedule.next(afterMs); atMs !== undefined; atMs = schedule.next(afterMs)) {
    out.message(`warming at ${iso(atMs)}; Ctrl-C ends it`);
    if (!(await until(atMs + Math.random() * JITTER_MS, signal))) return;
    await insist(session, warm, schedule.next(Math.max(atMs, Date.now())) ?? Number.POSITIVE_INFINITY);
    afterMs = Math.max(atMs, Date.now());
  }
}

async function beforeFundings(of: {
  readonly session: Session;
  readonly service: WarmUpService;
  readonly known: () => Promise<readonly ConnectorRef[]>;
  readonly warm: (refs: readonly ConnectorRef[]) => Promise<WarmUpReport>;
  readonly leadMs: number;
  readonly symbols: readonly string[] | undefined;
}): Promise<void> {
  const { session, service, known, warm, leadMs, symbols } = of;
  const { out, signal } = session;
  while (!signal.aborted) {
    const refs = await known();
    if (refs.length === 0) throw new NotFoundError('no connector is known whose clock could be warmed');
    const times = await service.nextFunding(refs, { symbols });
    for (const time of times) out.message(fundingLine(time));
    const atMs = Math.min(...times.map(time => time.atMs));
    const due = times.filter(time => time.atMs <= atMs + TOGETHER_MS);
    const isDue = ({ exchange, environment }: ConnectorRef) =>
      due.some(time => time.exchange === exchange && time.environment === environment);
    out.message(`warming at ${iso(Math.max(Date.now(), atMs - leadMs))}; Ctrl-C ends it`);
    if (!(await until(atMs - leadMs + Math.random() * JITTER_MS, signal))) return;
    await insist(session, () => warm(refs.filter(isDue)), atMs);
    // An exchange tells the next time once it has paid.
    if (!(await until(atMs + TOGETHER_MS + Math.random() * JITTER_MS, signal))) return;
  }
}

/** Warms; where a limit was met, once more when it is over, as long as that is before it is too late. */
async function insist(
  { out, signal }: Session,
  warm: () => Promise<WarmUpReport>,
  untilMs: number,
): Promise<void> {
  while (!signal.aborted) {
    const report = await warm();
    out.message(inWords(report));
    const waitMs = Math.max(0, ...report.clocks.map(({ retryAfterMs = 0 }) => retryAfterMs));
    const againAtMs = Date.now() + waitMs + Math.random() * JITTER_MS;
    if (waitMs === 0 || againAtMs >= untilMs) return;
    out.message(`a limit was met: once more at ${iso(againAtMs)}`);
    if (!(await until(againAtMs, signal))) return;
  }
}

async function until(atMs: number, signal: AbortSignal): Promise<boolean> {
  while (Date.now() < atMs && !signal.aborted) {
    await pause(Math.min(atMs - Date.now(), LONGEST_PAUSE_MS), undefined, { signal }).catch(() => undefined);
  }
  return !signal.aborted;
}

function spanOf(name: string, span: Since | undefined): number | undefined {
  if (!span) return undefined;
  if ('agoMs' in span) return span.agoMs;
  throw new WrongSettingError(`${name} must be a span like 30m or 4h, not a time`);
}

function parseShare(text: string): number {
  if (/^0?\.\d+$/.test(text) && Number(text) > 0 && Number(text) <= 0.5) return Number(text);
  throw new InvalidArgumentError('a number above 0 and up to 0.5');
}

const fundingLine = ({ exchange, environment, atMs, source, problem }: FundingTime): string =>
  `${exchange} ${environment}: funding at ${iso(atMs)}${source === 'exchange' ? '' : `, as usual (00, 08, 16 UTC): ${problem}`}`;

function lineOf({ exchange, environment, scope, outcome, problem, retryAfterMs }: WarmedClock): string {
  const name = `${exchange} ${environment}${scope === 'default' ? '' : ` (${scope})`}`;
  const why = problem === undefined ? '' : `, ${problem}`;
  const rest = retryAfterMs === undefined ? '' : `; left alone for ${Math.ceil(retryAfterMs / 1_000)} s`;
  return `${name}: ${outcome}${why}${rest}`;
}

const inWords = ({ clocks, isStored }: WarmUpReport): string =>
  [...clocks.map(lineOf), ...(isStored ? [] : ['What was measured is not stored yet.'])].join('\n');
