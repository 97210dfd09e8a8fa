/**
 * One page of events into the read tables, within the caller's transaction: load the rows it touches, fold,
 * write what changed. The same code fills the live tables and those of a rebuild, so that the two can only
 * differ by what is in them.
 *
 * Everything the page needs is asked for at once and everything it changes is sent at once, so a page waits for the
 * database twice however many tables there are.
 */
import { whyUnbelievable } from '../../projections/belief.js';
import type { Projection, TableRow } from '../../projections/index.js';
import type { EventStore } from '../event-store/event-store.js';
import type { Position, StoredEvent } from '../events/event.js';
import type { Move, Positions } from './checkpoints.js';
import { DEAD_LETTER_TABLE, recordDeadLetters } from './dead-letters.js';
import { foldPage, type Intake, takeIn } from './fold-page.js';
import { splitByColumns } from './narrow-updates.js';
import { encodeRows } from './row-codec.js';
import { type Changes, RowSet } from './row-set.js';
import { QueryFailure, type Session } from './session.js';
import { type TableSql, tableSql } from './table-sql.js';
import { inItsTurn, type Transaction } from './transaction.js';

/** Every event between two positions. */
export interface Batch {
  /** Exclusive. */
  readonly after: Position | undefined;
  readonly events: readonly StoredEvent[];
  /** Inclusive; behind the last event when the events after it do not concern the subscription. */
  readonly position: Position | undefined;
  /** As they were read, where that is not what is folded: hits that are forgotten, and no sums. Default: `events`. */
  readonly read?: readonly StoredEvent[];
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

/** By projection. */
export type RowSets = ReadonlyMap<string, RowSet>;

export const newRowSets = (projections: readonly Projection[], target: Target): RowSets =>
  new Map(
    projections.map(projection => {
      const sql = target.tables.get(projection.name) as TableSql;
      return [projection.name, new RowSet(projection, sql)];
    }),
  );

/** Asks for the rows that these events would touch. */
export function guessRows(transaction: Transaction, sets: RowSets, events: readonly StoredEvent[]): void {
  for (const set of sets.values()) {
    set.load(transaction, takeIn(set, events, NO_REFUSALS).missing);
  }
}

/** What one projection takes of a page. */
interface Share {
  readonly set: RowSet;
  readonly to: Position | undefined;
  readonly events: readonly StoredEvent[];
  readonly intake: Intake;
}

/** A page taken apart: which rows it touches is known before anything is asked. */
export interface PreparedPage {
  /** Sends what reads the rows that the page touches, but for those that are in the sets. */
  load(transaction: Transaction): void;
  /** Folds all tables' shares when all rows are there. */
  fold(): Promise<readonly Move[]>;
  /** Folds each table's share when its rows are there, and sends what writes it; does not wait for the answers. */
  write(transaction: Transaction): Promise<Written>;
}

/**
 * @param positions where each projection is; events at or before it are not for it
 * @param limits where each projection must stop, for those that must
 * @param sets what is known of the rows
 */
export function preparePage(
  compare: EventStore['compare'],
  target: Target,
  batch: Batch,
  positions: Positions,
  refusals: Refusals,
  sets: RowSets,
  limits?: Positions,
): PreparedPage {
  const doubted = unbelievableIn(batch.events);
  const shares = [...sets.values()].flatMap((set): Share[] => {
    const { name } = set.projection;
    const from = positions.get(name);
    const to = earlier(compare, batch.position, limits ? limits.get(name) : batch.position);
    if (compare(from, to) >= 0) return [];
    const events = between(compare, batch, from, to);
    const intake = takeIn(set, events, refusals.get(name) ?? NO_REFUSALS, doubted);
    return [{ set, to, events, intake }];
  });
  const moves = shares.map(
    ({ set, to, events }): Move => ({
      projection: set.projection.name,
      position: to,
      events: events.length,
    }),
  );
  return {
    load(transaction) {
      for (const { set, intake } of shares) set.load(blamed(transaction, set), intake.missing);
    },
    async fold() {
      for (const { set } of shares) await set.whenLoaded();
      // At once, so that whoever writes meanwhile never finds half of a page.
      for (const { set, intake } of shares) foldPage(set, intake);
      return moves;
    },
    async write(transaction) {
      const done: Done[] = [];
      for (const { set, intake } of shares) {
        await set.whenLoaded();
        foldPage(set, intake);
        done.push(writeSet(transaction, set, target));
      }
      return toWritten(moves, done);
    },
  };
}

/** Asked once a page, for all projections. */
function unbelievableIn(events: readonly StoredEvent[]): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  for (const event of events) {
    const reason = event.decoded === 'known' ? whyUnbelievable(event) : undefined;
    if (reason !== undefined) found.set(event.id, reason);
  }
  return found;
}

/** Sends what writes what has become of the rows since they were written last. */
export function writeSets(
  transaction: Transaction,
  sets: RowSets,
  target: Target,
  moves: readonly Move[],
): Written {
  return toWritten(
    moves,
    [...sets.values()].map(set => writeSet(transaction, set, target)),
  );
}

/** A value that the database refuses is the fault of what the projection made of an event. */
const blamed = (transaction: Transaction, { projection }: RowSet) =>
  transaction.blaming(error =>
    error instanceof QueryFailure && error.isAboutData ? new WriteRefused(projection.name, error) : error,
  );

interface Done {
  readonly projection: Projection;
  readonly changes: Changes;
}

function toWritten(moves: readonly Move[], done: readonly Done[]): Written {
  const failures = done.flatMap(({ projection, changes }) =>
    changes.failures.map(({ error }) => `${projection.name}: ${error}`),
  );
  return {
    moves,
    rows: done.reduce((sum, { changes }) => sum + changes.written.length + changes.removed.length, 0),
    deadLetters: failures.length,
    firstFailure: failures[0],
  };
}

function writeSet(transaction: Transaction, set: RowSet, target: Target): Done {
  const { projection, sql } = set;
  const session = blamed(transaction, set);
  const changes = set.takeChanges();
  const send = (kind: string, text: string, values: readonly unknown[]) =>
    void session.query(text, values, `cs_${kind}_${sql.table}`);
  const { whole, narrow } = splitByColumns(sql.columns, sql.key, changes.written);
  if (whole.length > 0) {
    if (target.isPartitioned) ensurePartitions(session, projection, whole);
    send('upsert', sql.upsert, encodeRows(sql.columns, whole));
  }
  for (const { set: columns, columns: given, rows } of narrow) {
    send(`update_${columns}`, sql.update(given), encodeRows(given, rows));
  }
  if (changes.removed.length > 0) send('remove', sql.remove, encodeRows(sql.key, changes.removed));
  for (const [field, before] of changes.sweeps) {
    const spared = encodeRows(sql.key, changes.spared);
    send(`sweep_${field}`, sql.sweep(field), [before, ...spared]);
  }
  if (changes.failures.length > 0) {
    inItsTurn(recordDeadLetters(session, projection, changes.failures, target.deadLetters));
  }
  return { projection, changes };
}

/** Asked once a month and page: a partition that was dropped meanwhile, to save room, is made anew. */
function ensurePartitions(
  session: Pick<Session, 'query'>,
  { table }: Projection,
  rows: readonly TableRow[],
): void {
  const { partitions } = table;
  if (!partitions) return;
  const months = new Set(rows.map(row => startOfMonth(row[partitions.by] as number)));
  void session.query(
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
export function between(
  compare: EventStore['compare'],
  batch: Batch,
  from: Position | undefined,
  to: Position | undefined,
): readonly StoredEvent[] {
  if (from === batch.after && to === batch.position) return batch.events;
  return batch.events.filter(({ position }) => compare(position, from) > 0 && compare(position, to) <= 0);
}
