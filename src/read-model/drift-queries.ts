/**
 * The history of drift, read as cells (src/clock/drift-cell.ts).
 *
 * Short ranges are read from `drift_sample`, sample by sample, and folded into cells of seconds or minutes by the same
 * code that makes the roll-up: the range of the key leads to the one or two partitions it lies in, and within them
 * to just these samples. From {@link LONGEST_RAW_MS} on the hours of `drift_hourly` are fine enough to look at, and
 * a range costs what its hours cost, whether there are a million samples behind them or a hundred million. Beyond
 * {@link LONGEST_HOURLY_MS} the database puts the hours of a day together (drift-days.ts): a year of twenty machines has
 * 175 000 of them, which to read and fold holds a process up for seconds.
 *
 * Both are read through a cursor: what is in memory is a page of rows, however many there are.
 */
import type { Pool, PoolClient } from 'pg';
import { addToCell, cellOf, type DriftCell } from '../clock/drift-cell.js';
import type { PlacedCell } from '../clock/drift-steps.js';
import { machineOf } from '../clock/machine.js';
import type { Environment, Exchange } from '../events/connector.js';
import { analyse } from './analysis.js';
import { CELL_COLUMNS, ms } from './drift-columns.js';
import { DAYS_SQL } from './drift-days.js';

export interface DriftQuery {
  /** A span that ends now, by the database's clock, or the moment it begins (epoch ms). */
  readonly since: { readonly agoMs: number } | { readonly atMs: number };
  /** Epoch ms; only what was before. Default: now. */
  readonly untilMs?: number | undefined;
  /** Default: all. */
  readonly exchange?: Exchange | undefined;
  readonly environment?: Environment | undefined;
  /** A clock's, as in `exchange_clock`. */
  readonly scope?: string | undefined;
  /** A machine's name, as in `drift_hourly`. */
  readonly host?: string | undefined;
}

export interface DriftCells {
  /** Epoch ms, by the database's clock; from is the start of a cell. */
  readonly fromMs: number;
  readonly untilMs: number;
  readonly source: 'samples' | 'hours' | 'days';
  readonly cellMs: number;
  /** Rows read: samples, or hours (days) of a clock and machine. */
  readonly rows: number;
  /** In the order of their starts. */
  readonly cells: readonly PlacedCell[];
}

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** Up to here a range has few samples, and an hour would be a large part of it. */
export const LONGEST_RAW_MS = 6 * HOUR_MS;
/** Beyond, hours are more than a picture can show. */
export const LONGEST_HOURLY_MS = 100 * DAY_MS;
/** As many as a terminal can show. */
const MAX_RAW_CELLS = 200;
const RAW_CELLS_MS = [10_000, 30_000, 60_000, 120_000];

const PAGE = 5_000;

/** @throws whatever `pg` throws */
export async function readDrift(pool: Pool, query: DriftQuery): Promise<DriftCells> {
  return analyse(pool, async client => {
    // Plans for all rows, as they are all read. A year's days are summed up in memory, in place of sorting all its hours on disk.
    await client.query('SET LOCAL cursor_tuple_fraction = 1');
    return read(client, query);
  });
}

async function read(client: PoolClient, query: DriftQuery): Promise<DriftCells> {
  const { rows } = await client.query<{ now: number }>(
    `SELECT round(extract(epoch FROM clock_timestamp()) * 1000)::float8 AS now`,
  );
  const nowMs = rows[0]?.now as number;
  const untilMs = query.untilMs ?? nowMs;
  const sinceMs = 'atMs' in query.since ? query.since.atMs : nowMs - query.since.agoMs;
  const spanMs = untilMs - sinceMs;
  const source = spanMs <= LONGEST_RAW_MS ? 'samples' : spanMs <= LONGEST_HOURLY_MS ? 'hours' : 'days';
  const cellMs = cellOfSource(source, spanMs);
  const fromMs = Math.floor(sinceMs / cellMs) * cellMs;
  const found =
    source === 'samples'
      ? await samples(client, fromMs, cellMs, query)
      : await rollUp(client, source === 'hours' ? HOURS_SQL : DAYS_SQL, fromMs, query);
  return { fromMs, untilMs, source, cellMs, ...found };
}

function cellOfSource(source: DriftCells['source'], spanMs: number): number {
  if (source === 'samples') return RAW_CELLS_MS.find(each => spanMs <= each * MAX_RAW_CELLS) ?? HOUR_MS;
  return source === 'hours' ? HOUR_MS : DAY_MS;
}

type Found = Pick<DriftCells, 'rows' | 'cells'>;

/** $1, $2 epoch ms: from, and before which (null: no matter); $3 exchange, $4 environment, $5 scope, $6 machine (null: all). */
export const HOURS_SQL = `
  SELECT ${ms('hour')} AS start, exchange, environment, scope, reference_clock, machine,
         ${Object.values(CELL_COLUMNS).join(', ')}
    FROM drift_hourly
   WHERE hour >= to_timestamp($1::float8 / 1000) AND ($2::float8 IS NULL OR hour < to_timestamp($2::float8 / 1000))
     AND ($3::text IS NULL OR exchange = $3) AND ($4::text IS NULL OR environment = $4)
     AND ($5::text IS NULL OR scope = $5)
     AND ($6::text IS NULL OR machine = $6)
   ORDER BY hour`;

/** $1, $2 epoch ms: from, and before which (null: no matter); $3 exchange, $4 environment, $5 scope (null: all). */
export const SAMPLES_SQL = `
  SELECT ${ms('sampled_at')}, exchange, environment, scope, reference_clock, host, offset_ms, uncertainty_ms, round_trip_ms
    FROM drift_sample
   WHERE sampled_at >= to_timestamp($1::float8 / 1000) AND ($2::float8 IS NULL OR sampled_at < to_timestamp($2::float8 / 1000))
     AND ($3::text IS NULL OR exchange = $3) AND ($4::text IS NULL OR environment = $4)
     AND ($5::text IS NULL OR scope = $5)
   ORDER BY sampled_at, sync_id`;

const CELL_FIELDS = Object.keys(CELL_COLUMNS);
/** What each row begins with: epoch ms, exchange, environment, scope, reference clock, and who measured. */
type Place = [number, string, string, string, string, string];
const KEY_COLUMNS = 6;
/** Objects that begin as copies of one have one layout; grown field by field they cost twice the time. */
const SHAPE = cellOf({ atMs: 0, offsetMs: 0.5, uncertaintyMs: 0.5, roundTripMs: 0.5 });

async function rollUp(client: PoolClient, sql: string, fromMs: number, query: DriftQuery): Promise<Found> {
  const cells: PlacedCell[] = [];
  const { untilMs = null, exchange = null, environment = null, scope = null, host = null } = query;
  await eachRow(client, sql, [fromMs, untilMs, exchange, environment, scope, host], row => {
    const [startMs, exchange, environment, scope, referenceClock, machine] = row as Place;
    const cell: Record<string, unknown> = { ...SHAPE };
    for (let i = 0; i < CELL_FIELDS.length; i++) cell[CELL_FIELDS[i] as string] = row[KEY_COLUMNS + i];
    // The columns are the cell's fields, by the record above.
    cells.push({ startMs, exchange, environment, scope, referenceClock, machine, cell: cell as DriftCell });
  });
  return { rows: cells.length, cells };
}

async function samples(
  client: PoolClient,
  fromMs: number,
  cellMs: number,
  query: DriftQuery,
): Promise<Found> {
  const cells: PlacedCell[] = [];
  /** By what they are about: the last cell, which is the only one that can grow. */
  const growing = new Map<string, number>();
  const { untilMs = null, exchange = null, environment = null, scope = null, host } = query;
  let rows = 0;
  await eachRow(client, SAMPLES_SQL, [fromMs, untilMs, exchange, environment, scope], row => {
    rows += 1;
    const [sampledAt, exchange, environment, scope, referenceClock, process] = row as Place;
    const [offsetMs, uncertaintyMs, roundTripMs] = row.slice(KEY_COLUMNS) as [number, number, number];
    const machine = machineOf(process);
    if (host !== undefined && machine !== host) return;
    const atMs = Math.round(sampledAt);
    const startMs = Math.floor(atMs / cellMs) * cellMs;
    const name = `${exchange} ${environment} ${scope} ${referenceClock} ${machine}`;
    const index = growing.get(name);
    const last = index === undefined ? undefined : (cells[index] as PlacedCell);
    const before = last?.startMs === startMs ? last.cell : undefined;
    const sample = { atMs, offsetMs, uncertaintyMs, roundTripMs };
    const cell = before ? addToCell(before, sample) : cellOf(sample);
    const placed = { startMs, exchange, environment, scope, referenceClock, machine, cell };
    if (before && index !== undefined) cells[index] = placed;
    else growing.set(name, cells.push(placed) - 1);
  });
  return { rows, cells };
}

async function eachRow(
  client: PoolClient,
  text: string,
  values: readonly unknown[],
  take: (row: readonly unknown[]) => void,
): Promise<void> {
  await client.query(`DECLARE drift_rows NO SCROLL CURSOR FOR ${text}`, [...values]);
  for (;;) {
    const { rows } = await client.query<unknown[]>({
      text: `FETCH ${PAGE} FROM drift_rows`,
      rowMode: 'array',
    });
    for (const row of rows) take(row);
    if (rows.length < PAGE) return;
  }
}
