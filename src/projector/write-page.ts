/**
 * One page of events into the read tables, within the caller's transaction: load the rows it touches, fold,
 * write what changed. The same code fills the live tables and those of a rebuild, so that the two can only
 * differ by what is in them.
 */
import type { Projection, TableRow } from '../../projections/index.js';
import type { EventStore } from '../event-store/event-store.js';
import type { Position, StoredEvent } from '../events/event.js';
import type { Move, Positions } from './checkpoints.js';
import { DEAD_LETTER_TABLE, recordDeadLetters } from './dead-letters.js';
import { type Changes, foldPage, type Intake, takeIn } from './fold-page.js';
import { splitByColumns } from './narrow-updates.js';
import { decodeRow, encodeRows, keyId } from './row-codec.js';
import { QueryFailure, type Session } from './session.js';
import { type TableSql, tableSql } from './table-sql.js';

/** Every event between two positions. */
export interface Batch {
  /** Exclusive. */
  readonly after: Position | undefined;
  readonly events: readonly StoredEvent[];
  /** Inclusive; behind the last event when the events after it do not concern the subscription. */
  readonly position: Position | undefined;
}

/** By projection, then by event id: why the database would not take what came of the event. */
export type Refusals = ReadonlyMap<string, ReadonlyMap<string, string>>;

/** Where rows go. */
export interface Target {
  readonly tables: ReadonlyMap<string, TableSql>;
  readonly deadLetters: string;
  /** The tables have the partitions of the live ones. */
  readonly isPartitioned: boolean;
}

export interface Written {
  readonly moves: readonly Move[];
  readonly rows: number;
  readonly deadLetters: number;
  readonly firstFailure: string | undefined;
}

/** The database refused rows of one projection for what is in them. */
export class WriteRefused extends Error {
  readonly projection: string;

  constructor(projection: string, cause: QueryFailure) {
    super(`${cause.sqlState}: ${cause.message}`, { cause });
    this.name = 'WriteRefused';
    this.projection = projection;
  }
}

const NO_REFUSALS: ReadonlyMap<string, string> = new Map();

export const liveTarget = (projections: readonly Projection[]): Target => ({
  tables: new Map(projections.map(projection => [projection.name, tableSql(projection)])),
  deadLetters: DEAD_LETTER_TABLE,
  isPartitioned: true,
});

/**
 * @param positions where each projection is; events at or before it are not for it
 * @param limits where each projection must stop, for those that must
 * @throws WriteRefused
 */
export async function writePage(
  session: Session,
  compare: EventStore['compare'],
  projections: readonly Projection[],
  target: Target,
  batch: Batch,
  positions: Positions,
  refusals: Refusals,
  limits?: Positions,
): Promise<Written> {
  const shares = projections.flatMap(projection => {
    const from = positions.get(projection.name);
    const to = earlier(compare, batch.position, limits ? limits.get(projection.name) : batch.position);
    return compare(from, to) < 0 ? [{ projection, to, events: between(compare, batch, from, to) }] : [];
  });
  const results = await Promise.allSettled(
    shares.map(({ projection, events }) =>
      project(session, projection, target, events, refusals.get(projection.name) ?? NO_REFUSALS),
    ),
  );
  throwCause(shares.map(({ projection }, i) => [projection.name, results[i]]));
  const changes = results.flatMap(result => (result.status === 'fulfilled' ? [result.value] : []));
  const failures = changes.flatMap((change, i) =>
    change.failures.map(({ error }) => `${shares[i]?.projection.name}: ${error}`),
  );
  return {
    moves: shares.map(({ projection, to, events }) => ({
      projection: projection.name,
      position: to,
      events: events.length,
    })),
    rows: changes.reduce((sum, change) => sum + change.written.length + change.removed.length, 0),
    deadLetters: failures.length,
    firstFailure: failures[0],
  };
}

/** When one statement of a transaction fails, those queued behind it fail because of it. */
const IN_FAILED_TRANSACTION = '25P02';

function throwCause(
  results: readonly (readonly [string, PromiseSettledResult<unknown> | undefined])[],
): void {
  const failed = results.flatMap(([projection, result]) =>
    result?.status === 'rejected' ? [{ projection, reason: result.reason as unknown }] : [],
  );
  const isConsequence = (reason: unknown) =>
    reason instanceof QueryFailure && reason.sqlState === IN_FAILED_TRANSACTION;
  const cause = failed.find(({ reason }) => !isConsequence(reason)) ?? failed[0];
  if (!cause) return;
  const { projection, reason } = cause;
  throw reason instanceof QueryFailure && reason.isAboutData ? new WriteRefused(projection, reason) : reason;
}

async function project(
  session: Session,
  projection: Projection,
  target: Target,
  events: readonly StoredEvent[],
  refused: ReadonlyMap<string, string>,
): Promise<Changes> {
  const sql = target.tables.get(projection.name) as TableSql;
  const intake = takeIn(projection, sql.key, events, refused);
  const changes = foldPage(projection, sql.columns, intake, await load(session, projection, sql, intake));

  const write = async (kind: string, text: string, values: readonly unknown[]) =>
    session.query(text, values, `cs_${kind}_${sql.table}`);
  const { whole, narrow } = splitByColumns(sql.columns, sql.key, changes.written);
  if (whole.length > 0) {
    if (target.isPartitioned) await ensurePartitions(session, projection, whole);
    await write('upsert', sql.upsert, encodeRows(sql.columns, whole));
  }
  for (const { set, columns, rows } of narrow) {
    await write(`update_${set}`, sql.update(columns), encodeRows(columns, rows));
  }
  if (changes.removed.length > 0) await write('remove', sql.remove, encodeRows(sql.key, changes.removed));
  for (const [field, before] of changes.sweeps) {
    const spared = encodeRows(sql.key, intake.keys);
    await write(`sweep_${field}`, sql.sweep(field), [before, ...spared]);
  }
  if (changes.failures.length > 0) {
    await recordDeadLetters(session, projection, changes.failures, target.deadLetters);
  }
  return changes;
}

async function load(
  session: Session,
  projection: Projection,
  sql: TableSql,
  intake: Intake,
): Promise<ReadonlyMap<string, TableRow>> {
  if (projection.isHistory || intake.keys.length === 0) return new Map();
  const keys = encodeRows(sql.key, intake.keys);
  const rows = await session.query(sql.load, keys, `cs_load_${sql.table}`);
  return new Map(
    rows.map(cells => {
      const row = decodeRow(sql.columns, cells);
      return [keyId(sql.key, row), row];
    }),
  );
}

/** Asked once a month and page: a partition that was dropped meanwhile, to save room, is made anew. */
async function ensurePartitions(
  session: Session,
  { table }: Projection,
  rows: readonly TableRow[],
): Promise<void> {
  const { partitions } = table;
  if (!partitions) return;
  const months = new Set(rows.map(row => startOfMonth(row[partitions.by] as number)));
  await session.query(
    `SELECT ${partitions.ensure}(to_timestamp(month / 1000)) FROM unnest($1::double precision[]) AS u (month)`,
    [[...months].sort()],
    `cs_partitions_${table.name}`,
  );
}

function startOfMonth(timeMs: number): number {
  const time = new Date(timeMs);
  return Date.UTC(time.getUTCFullYear(), time.getUTCMonth());
}

const earlier = (compare: EventStore['compare'], a: Position | undefined, b: Position | undefined) =>
  compare(a, b) <= 0 ? a : b;

/** Normally all projections are at one place and take the whole page; then nothing is compared. */
function between(
  compare: EventStore['compare'],
  batch: Batch,
  from: Position | undefined,
  to: Position | undefined,
): readonly StoredEvent[] {
  if (from === batch.after && to === batch.position) return batch.events;
  return batch.events.filter(({ position }) => compare(position, from) > 0 && compare(position, to) <= 0);
}
