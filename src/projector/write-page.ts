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
import { type Changes, foldPage, type Intake, takeIn } from './fold-page.js';
import { splitByColumns } from './narrow-updates.js';
import { decodeRow, encodeRows, keyId } from './row-codec.js';
import { QueryFailure, type Session } from './session.js';
import { type TableSql, tableSql } from './table-sql.js';
import { inItsTurn, type Transaction, withinTransaction } from './transaction.js';

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

/** What one projection takes of a page. */
interface Share {
  readonly projection: Projection;
  readonly sql: TableSql;
  readonly to: Position | undefined;
  readonly events: readonly StoredEvent[];
  readonly intake: Intake;
}

type Loaded = ReadonlyMap<string, TableRow>;

/** Rows that were asked for before it was known which the page touches. */
export interface Guess {
  /** By row id. */
  readonly ids: ReadonlySet<string>;
  readonly rows: Promise<Loaded>;
}

/** By projection. */
export type Guesses = ReadonlyMap<string, Guess>;

const NO_GUESSES: Guesses = new Map();

/** Asks for the rows that these events would touch. */
export function guessRows(
  transaction: Transaction,
  projections: readonly Projection[],
  target: Target,
  events: readonly StoredEvent[],
): Guesses {
  const guesses = projections.flatMap((projection): [string, Guess][] => {
    const sql = target.tables.get(projection.name) as TableSql;
    const { ids, keys } = takeIn(projection, sql.key, events, NO_REFUSALS);
    const rows = inItsTurn(load(transaction, projection, sql, keys));
    return [[projection.name, { ids: new Set(ids), rows }]];
  });
  return new Map(guesses);
}

/** A page taken apart: which rows it touches is known before anything is asked. */
export interface PreparedPage {
  /** Sends what reads the rows that the page touches, but for those that were guessed. */
  load(transaction: Transaction, guesses?: Guesses): LoadedPage;
}

export interface LoadedPage {
  /** Folds each table's share when its rows are there, and sends what writes it; does not wait for the answers. */
  write(): Promise<Written>;
}

/**
 * @param positions where each projection is; events at or before it are not for it
 * @param limits where each projection must stop, for those that must
 */
export function preparePage(
  compare: EventStore['compare'],
  projections: readonly Projection[],
  target: Target,
  batch: Batch,
  positions: Positions,
  refusals: Refusals,
  limits?: Positions,
): PreparedPage {
  const doubted = unbelievableIn(batch.events);
  const shares = projections.flatMap((projection): Share[] => {
    const from = positions.get(projection.name);
    const to = earlier(compare, batch.position, limits ? limits.get(projection.name) : batch.position);
    if (compare(from, to) >= 0) return [];
    const sql = target.tables.get(projection.name) as TableSql;
    const events = between(compare, batch, from, to);
    const refused = refusals.get(projection.name) ?? NO_REFUSALS;
    const intake = takeIn(projection, sql.key, events, refused, doubted);
    return [{ projection, sql, to, events, intake }];
  });
  return {
    load(transaction, guesses = NO_GUESSES) {
      const loads = shares.map(share => {
        const session = transaction.blaming(error => toRefusal(share.projection, error));
        const guess = guesses.get(share.projection.name);
        return { share, session, rows: inItsTurn(loadShare(session, share, guess)) };
      });
      return {
        async write() {
          const done: Done[] = [];
          for (const { share, session, rows } of loads) {
            const { projection, sql, intake } = share;
            const changes = foldPage(projection, sql.columns, intake, await rows);
            write(session, share, target, changes);
            done.push({ share, changes });
          }
          return toWritten(done);
        },
      };
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

/**
 * A page within the caller's transaction, all answers awaited.
 * @throws WriteRefused, QueryFailure
 */
export async function writePage(session: Session, ...page: Parameters<typeof preparePage>): Promise<Written> {
  const { transaction, settled } = withinTransaction(session);
  const [written] = await Promise.allSettled([
    preparePage(...page)
      .load(transaction)
      .write(),
  ]);
  await settled();
  if (written.status === 'rejected') throw written.reason;
  return written.value;
}

/** A value that the database refuses is the fault of what the projection made of an event. */
const toRefusal = (projection: Projection, error: unknown): unknown =>
  error instanceof QueryFailure && error.isAboutData ? new WriteRefused(projection.name, error) : error;

interface Done {
  readonly share: Share;
  readonly changes: Changes;
}

function toWritten(done: readonly Done[]): Written {
  const failures = done.flatMap(({ share, changes }) =>
    changes.failures.map(({ error }) => `${share.projection.name}: ${error}`),
  );
  return {
    moves: done.map(({ share: { projection, to, events } }) => ({
      projection: projection.name,
      position: to,
      events: events.length,
    })),
    rows: done.reduce((sum, { changes }) => sum + changes.written.length + changes.removed.length, 0),
    deadLetters: failures.length,
    firstFailure: failures[0],
  };
}

async function loadShare(
  session: Pick<Session, 'query'>,
  { projection, sql, intake: { ids, keys } }: Share,
  guess: Guess | undefined,
): Promise<Loaded> {
  if (!guess) return load(session, projection, sql, keys);
  const missing = keys.filter((_, i) => !guess.ids.has(ids[i] as string));
  const rest = load(session, projection, sql, missing);
  return new Map([...(await guess.rows), ...(await rest)]);
}

async function load(
  session: Pick<Session, 'query'>,
  projection: Projection,
  sql: TableSql,
  keys: readonly TableRow[],
): Promise<Loaded> {
  if (projection.isHistory || keys.length === 0) return new Map();
  const rows = await session.query(sql.load, encodeRows(sql.key, keys), `cs_load_${sql.table}`);
  return new Map(
    rows.map(cells => {
      const row = decodeRow(sql.columns, cells);
      return [keyId(sql.key, row), row];
    }),
  );
}

function write(
  session: Pick<Session, 'query'>,
  { projection, sql, intake }: Share,
  target: Target,
  changes: Changes,
): void {
  const send = (kind: string, text: string, values: readonly unknown[]) =>
    void session.query(text, values, `cs_${kind}_${sql.table}`);
  const { whole, narrow } = splitByColumns(sql.columns, sql.key, changes.written);
  if (whole.length > 0) {
    if (target.isPartitioned) ensurePartitions(session, projection, whole);
    send('upsert', sql.upsert, encodeRows(sql.columns, whole));
  }
  for (const { set, columns, rows } of narrow) {
    send(`update_${set}`, sql.update(columns), encodeRows(columns, rows));
  }
  if (changes.removed.length > 0) send('remove', sql.remove, encodeRows(sql.key, changes.removed));
  for (const [field, before] of changes.sweeps) {
    const spared = encodeRows(sql.key, intake.keys);
    send(`sweep_${field}`, sql.sweep(field), [before, ...spared]);
  }
  if (changes.failures.length > 0) {
    inItsTurn(recordDeadLetters(session, projection, changes.failures, target.deadLetters));
  }
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
