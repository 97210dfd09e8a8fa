/**
 * `drift`: how the exchanges' clocks moved against ours. The cells are read in read-model/drift-queries.ts and put
 * together in clock/drift-history.ts; here they are asked for and shown.
 */
import { type Command, InvalidArgumentError } from 'commander';
import { InvalidInputError, isConnectorStateError } from '../../base/errors.js';
import { createLogger } from '../../base/logging.js';
import { type DriftGrouping, type DriftLine, driftLines } from '../../clock/drift-history.js';
import { isOwnClock } from '../../clock/machine.js';
import { ENVIRONMENTS, type Environment, type Exchange, isExchangeName } from '../../events/connector.js';
import { createPool, toDatabaseError } from '../../postgres/pool.js';
import { type DriftCells, type DriftQuery, readDrift } from '../../read-model/drift-queries.js';
import { type LateRequests, lateRequestsSince } from '../../read-model/queries.js';
import { MIN_WIDTH, renderPlot } from '../drift/plot.js';
import { speaksUtf8, widthOf } from '../drift/terminal.js';
import { csv, nameOf, report, showTable } from '../drift/text.js';
import { NotFoundError } from '../exit-codes.js';
import type { Output } from '../output.js';
import { counted, duration, iso } from '../quantities.js';
import { runSession, type Session } from '../session.js';
import { parseSince, type Since } from '../since.js';

interface Options {
  readonly json?: boolean;
  readonly csv?: boolean;
  readonly plot?: boolean;
  readonly exchange?: Exchange;
  readonly environment?: Environment;
  readonly scope?: string;
  readonly host?: string;
  readonly since: Since;
  readonly by: DriftGrouping;
}

export function addDrift(program: Command): void {
  program
    .command('drift')
    .description("how the exchanges' clocks moved: offset, uncertainty, rate and steps")
    .option('--exchange <name>', 'such as BYBIT or BINGX; default: all', exchange)
    .option('--environment <name>', 'MAINNET, TESTNET or DEMO; default: all', oneOf(ENVIRONMENTS))
    .option(
      '--scope <name>',
      "`default` (the exchange's own host), another host's origin, or a clockScope; default: all",
    )
    .option('--since <time>', 'a span (30m, 24h, 7d, 2w) or a time (ISO 8601); default: 7d', parseSince)
    .option('--by <what>', 'a line for each exchange, or for each host as well', oneOf(['exchange', 'host']))
    .option('--host <name>', 'only what this machine measured; implies --by host')
    .option('--csv', 'print the points of each line as CSV')
    .option('--plot', 'draw each line in the terminal as well')
    .addHelpText(
      'after',
      `
Offsets are exchange minus reference clock, at the last sample. ± is a bound: the truth lies within. The rate is that of
a straight line through all samples, given when it is known to better than ±50 ppm. A step is a measurement that excludes
what was known before. Round trips: the shortest, and the median (estimated). Up to 6 hours are read from the samples,
longer spans from hourly sums; which, is said on stderr. Exit 4: nothing was measured.

Examples:
  connector-state drift --exchange BYBIT --plot
  connector-state drift --since 90d --by host
  connector-state drift --since 30m --exchange BINGX --environment MAINNET --json | jq '.lines[].drift.ratePpm'
  connector-state drift --since 2026-11-01 --csv > drift.csv`,
    )
    .action((given: Partial<Options>) =>
      runSession(given.json === true, async session => {
        const options = complete(given);
        const found = await read(session, options);
        const lines = driftLines(found.cells, options.by);
        explain(session.out, found, lines, options);
        tellOfLate(session.out, found.late, options);
        show(session.out, found, lines, options);
      }),
    );
}

/** Values are accepted in any case. @throws InvalidArgumentError, which commander shows with the usage */
function oneOf<T extends string>(allowed: readonly T[]): (value: string) => T {
  return value => {
    const found = allowed.find(name => name.toLowerCase() === value.toLowerCase());
    if (found) return found;
    throw new InvalidArgumentError(`Allowed are ${allowed.join(' and ')}.`);
  };
}

/** In any case, as {@link oneOf}: who registers an exchange does so in a program, which is another process. */
function exchange(value: string): Exchange {
  const name = value.toUpperCase();
  if (isExchangeName(name)) return name;
  throw new InvalidArgumentError('Allowed are names such as BYBIT.');
}

const DEFAULT_SINCE: Since = { agoMs: 7 * 86_400_000 };

function complete(given: Partial<Options>): Options {
  const { host, json, csv, plot } = given;
  const chosen = Object.entries({ '--json': json, '--csv': csv, '--plot': plot }).flatMap(([name, is]) =>
    is ? [name] : [],
  );
  if (chosen.length > 1) {
    throw new InvalidInputError(`${chosen.join(' and ')} are different outputs: give one of them`);
  }
  if (host !== undefined && given.by === 'exchange') {
    throw new InvalidInputError(
      `--host ${JSON.stringify(host)} asks for one machine and --by exchange for all together: leave one out`,
    );
  }
  const by = given.by ?? (host === undefined ? 'exchange' : 'host');
  return { ...given, by, since: given.since ?? DEFAULT_SINCE };
}

interface Found extends DriftCells {
  readonly late: readonly LateRequests[];
}

async function read({ open, out, onEnd }: Session, options: Options): Promise<Found> {
  const state = await open();
  const pool = createPool({
    connectionString: state.databaseUrl,
    max: 1,
    log: await createLogger('silent', 'json'),
  });
  onEnd(() => pool.end());
  const query: DriftQuery = {
    since: options.since,
    exchange: options.exchange,
    environment: options.environment,
    scope: options.scope,
    host: options.host,
  };
  try {
    const { events } = await (await state.projector()).lag();
    if (events > 0)
      out.message(`${events} events are not in these figures yet: run \`connector-state project\`.`);
  } catch (error) {
    if (isConnectorStateError(error, 'DATABASE_UNAVAILABLE')) throw error;
    // Tables of an older release, or an event store that is away: what is there can be shown all the same.
    out.message(`These figures may be behind: ${(error as Error).message}`);
  }
  try {
    const cells = await readDrift(pool, query);
    return { ...cells, late: await lateRequestsSince(pool, cells.fromMs) };
  } catch (error) {
    throw toDatabaseError(error);
  }
}

function explain(out: Output, found: DriftCells, lines: readonly DriftLine[], options: Options): void {
  const { fromMs, untilMs, source, rows, cellMs, cells } = found;
  if (fromMs > untilMs) {
    throw new InvalidInputError(
      `--since ${iso(fromMs)} lies in the future: the database's clock says ${iso(untilMs)}`,
    );
  }
  const own = cells
    .filter(({ referenceClock }) => isOwnClock(referenceClock))
    .reduce((sum, { cell }) => sum + cell.samples, 0);
  const hidden = options.by === 'exchange' ? own : 0;
  const ownClocks = `${hidden} samples against processes’ own clocks, from outages of the database, are left out: --by host shows them.`;
  if (lines.length === 0) {
    const { exchange = 'any exchange', environment, scope, host } = options;
    const what = [exchange, environment, scope && `scope ${scope}`, host && `by ${host}`]
      .filter(Boolean)
      .join(' ');
    throw new NotFoundError(
      `nothing was measured of ${what} since ${iso(fromMs)}: ${hidden > 0 ? ownClocks : 'give an earlier --since, or see with `connector-state stats` whether anything is recorded'}`,
    );
  }
  out.message(
    source === 'samples'
      ? `Since ${iso(fromMs)}, from ${counted(rows, 'sample')} in cells of ${duration(cellMs)}.`
      : `Since ${iso(fromMs)}, from ${source === 'hours' ? counted(rows, 'hourly sum') : `${rows} sums of days, and of hours around steps`}.`,
  );
  if (hidden > 0) out.message(ownClocks);
}

/** What looks like a wrong clock to whoever was refused, and was none. */
function tellOfLate(out: Output, late: readonly LateRequests[], options: Options): void {
  for (const { exchange, environment, requests } of late) {
    if ((options.exchange ?? exchange) !== exchange || (options.environment ?? environment) !== environment)
      continue;
    out.message(
      `${requests} requests to ${exchange} ${environment} were refused because they were late; the clock was right. How late, says \`connector-state history\`.`,
    );
  }
}

/** Points further apart than this many cells are not connected. */
const GAP_CELLS = 6;
const PLOT_HEIGHT = 12;

function show(out: Output, found: Found, lines: readonly DriftLine[], options: Options): void {
  if (options.csv) {
    out.data(undefined, () => csv(lines));
    return;
  }
  out.data({ ...report(found, lines), late: found.late }, () =>
    [showTable(lines), ...(options.plot ? lines.map(line => plotOf(line, found)) : [])].join('\n\n'),
  );
}

function plotOf(line: DriftLine, { fromMs, untilMs, cellMs }: DriftCells): string {
  const style = {
    width: Math.max(MIN_WIDTH, widthOf(process.stdout.columns, process.env)),
    height: PLOT_HEIGHT,
    unicode: speaksUtf8(process.env, process.platform),
  };
  const picture = renderPlot(
    {
      fromMs,
      toMs: Math.max(untilMs, line.lastAtMs),
      points: line.points.map(({ atMs, offsetMs, uncertaintyMs }) => ({
        atMs,
        value: offsetMs,
        margin: uncertaintyMs,
      })),
      steps: line.steps.map(({ atMs, byMs }) => ({ atMs, by: byMs })),
      gapMs: GAP_CELLS * cellMs,
      unit: 'ms',
    },
    style,
  );
  return [`${nameOf(line)}: offset and what it may be off by (UTC)`, ...picture].join('\n');
}
