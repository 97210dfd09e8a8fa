import { createInterface } from 'node:readline/promises';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { InvalidInputError } from '../../base/errors.js';
import { createConnectorState } from '../../composition/connector-state.js';
import { withConnection } from '../../read-model/connection.js';
import { FAULTS, type Fault, inflict, NotAllowed } from '../chaos/faults.js';
import { startLoad } from '../chaos/load.js';
import { sleep } from '../chaos/sleep.js';
import { logVerdicts, lookupVerdicts, tableVerdict, type Verdict } from '../chaos/verdicts.js';
import { EXIT } from '../exit-codes.js';
import { table } from '../output.js';
import { runSession, type Session } from '../session.js';
import { positiveInteger } from '../whole-number.js';

interface Options {
  readonly json?: boolean;
  readonly faults: readonly Fault[];
  readonly seconds: number;
  readonly confirm?: string;
}

/** What a database must be called to be one whose users are prepared. */
const STAGING = /(^|[^a-z])(staging|stage|test|chaos|dev|demo)([^a-z]|$)/i;
const WARM_UP_MS = 1_000;
const RECOVERY_MS = 2_000;

export function addChaos(program: Command): void {
  program
    .command('chaos')
    .description('hurt a staging database, and see whether every promise is kept')
    .addOption(
      new Option('--faults <list>', `which, separated by commas: ${FAULTS.join(', ')}`)
        .argParser(parseFaults)
        .default(FAULTS, 'all'),
    )
    .option('--seconds <n>', 'how long each lasts', positiveInteger, 5)
    .option('--confirm <database>', 'its name, so that it is this one; asked for at a terminal')
    .addHelpText(
      'after',
      `
Everybody who uses the database feels it: lookups miss, appends wait, connections break. So its name must say that it is no
production (staging, stage, test, chaos, dev or demo in it), and be given once more. It runs connectors of a user of its own
meanwhile (chaos-…), whose events stay in the log. Exit 1: a promise was broken.

Examples:
  connector-state chaos --confirm trading_staging
  connector-state chaos --faults lock,reset --seconds 20`,
    )
    .action((options: Options) => runSession(options.json === true, session => chaos(session, options)));
}

function parseFaults(value: string): Fault[] {
  const given = value.split(',').map(part => part.trim());
  const bad = given.find(part => !FAULTS.includes(part as Fault));
  if (bad === undefined) return given as Fault[];
  throw new InvalidArgumentError(
    `There is no fault ${JSON.stringify(bad)}: choose from ${FAULTS.join(', ')}.`,
  );
}

interface Result extends Verdict {
  readonly fault: Fault | 'afterwards';
}

async function chaos(session: Session, { faults, seconds, confirm }: Options): Promise<void> {
  const { out, signal, onEnd, openDatabase } = session;
  const { url, settings } = await openDatabase();
  await requireStaging(await nameOf(url), confirm);
  // No memory, so that each lookup asks the database.
  const state = await createConnectorState({
    ...settings,
    databaseUrl: url,
    memoryEntries: 0,
    cacheMode: 'on',
    logLevel: 'error',
  });
  onEnd(() => state.close());
  const load = startLoad(state);
  onEnd(() => load.stop());
  const results: Result[] = [];
  const skipped: { fault: Fault; why: string }[] = [];
  for (const fault of faults) {
    await sleep(WARM_UP_MS, signal);
    signal.throwIfAborted();
    load.take();
    out.message(`${fault}: ${seconds} s …`);
    try {
      await inflict(url, fault, seconds * 1_000, signal);
    } catch (error) {
      if (!(error instanceof NotAllowed)) throw error;
      skipped.push({ fault, why: error.message });
      continue;
    }
    signal.throwIfAborted();
    const seen = load.take();
    await sleep(RECOVERY_MS, signal);
    const verdicts = [
      ...lookupVerdicts(seen, settings.lookupDeadlineMs),
      ...(await logVerdicts(state, load)),
    ];
    results.push(...verdicts.map(verdict => ({ fault, ...verdict })));
  }
  await load.stop();
  results.push({ fault: 'afterwards', ...(await tableVerdict(state)) });
  out.data({ results, skipped }, () => show(results, skipped));
  if (results.some(({ kept }) => !kept)) process.exitCode = EXIT.failed;
}

const nameOf = (url: string): Promise<string> =>
  withConnection(url, 'connector-state chaos', async client => {
    const { rows } = await client.query<{ name: string }>('SELECT current_database() AS name');
    return rows[0]?.name ?? '';
  });

/** @throws InvalidInputError */
async function requireStaging(name: string, confirm: string | undefined): Promise<void> {
  if (process.env.NODE_ENV === 'production' || !STAGING.test(name)) {
    throw new InvalidInputError(
      `chaos is for databases that nobody trades by: ${JSON.stringify(name)} has none of staging, stage, test, chaos, dev or demo in its name, or NODE_ENV is production`,
    );
  }
  const given = confirm ?? (await askFor(name));
  if (given === name) return;
  throw new InvalidInputError(
    `the database is called ${JSON.stringify(name)}: say so with --confirm ${name}, if it is the one that you mean`,
  );
}

async function askFor(name: string): Promise<string | undefined> {
  if (process.stdin.isTTY !== true) return undefined;
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return (await lines.question(`This hurts everybody who uses ${name}. Its name, to go on: `)).trim();
  } finally {
    lines.close();
  }
}

function show(results: readonly Result[], skipped: readonly { fault: Fault; why: string }[]): string {
  const rows = results.map(({ fault, promise, kept, seen }) => [
    fault,
    kept ? 'kept' : 'BROKEN',
    promise,
    seen,
  ]);
  return [
    table(['fault', 'verdict', 'promise', 'seen'], rows, ['left', 'left', 'left', 'left']),
    ...skipped.map(({ fault, why }) => `\nLeft out: ${fault}: ${why}`),
  ].join('\n');
}
