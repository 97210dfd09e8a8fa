/**
 * Rows of one table in memory, while pages of events are folded into them, and what has become of them since they were
 * written last.
 *
 * A row is loaded when the first event touches it, and stays until the set is let go. A sweep ("remove what ended before
 * X") acts on the rows that are here at its place among the events; on one that comes later when it is loaded, for no
 * event before the sweep touched it; and on all others in the database, in one statement with the latest cut-off.
 *
 * Rows of a history are never looked at again, and let go as soon as they are written.
 */
import type { Projection, TableRow } from '../../projections/index.js';
import type { KnownEvent, StoredEvent } from '../events/event.js';
import { changedColumns, copyColumns, decodeRow, encodeRows, keyId } from './row-codec.js';
import type { Session } from './session.js';
import type { TableSql } from './table-sql.js';
import { inItsTurn } from './transaction.js';

export interface Entry {
  /** By which it is told apart from other rows of the table. */
  readonly id: string;
  readonly key: TableRow;
  row: TableRow | undefined;
  /** The table has a row of this key. */
  isStored: boolean;
  /** The columns that events changed (see row-codec.ts) since it was written; those left out are what they were. */
  changed: number;
}

export interface Failure {
  readonly event: KnownEvent | StoredEvent;
  readonly error: string;
}

/** A row that is not what it was. */
export interface Change {
  readonly id: string;
  readonly row: TableRow;
  /** As {@link Entry.changed}. */
  readonly columns: number;
}

export interface Changes {
  /** In the order of their ids. */
  readonly written: readonly Change[];
  /** Keys of stored rows that are no more. */
  readonly removed: readonly TableRow[];
  /** By column, the latest cut-off (epoch ms) for the rows that are not `spared`. */
  readonly sweeps: ReadonlyMap<string, number>;
  readonly spared: readonly TableRow[];
  readonly failures: readonly Failure[];
}

export class RowSet {
  readonly projection: Projection;
  readonly sql: TableSql;
  readonly #entries = new Map<string, Entry>();
  readonly #sweeps = new Map<string, number>();
  /** Since the last {@link RowSet.takeChanges}. */
  #newSweeps = new Map<string, number>();
  #failures: Failure[] = [];
  #loaded: Promise<unknown> = Promise.resolve();
  /** Which cannot be written to. */
  readonly #hasAccessors: boolean;

  constructor(projection: Projection, sql: TableSql) {
    this.projection = projection;
    this.sql = sql;
    this.#hasAccessors = sql.columns.some(({ type }) => type === 'json');
  }

  /** Rows of a history do not count: they go by themselves. */
  get size(): number {
    return this.projection.isHistory ? 0 : this.#entries.size;
  }

  find(key: TableRow): Entry | undefined {
    return this.#entries.get(keyId(this.sql.key, key));
  }

  /** A place for a row that has none here; it has to be loaded. */
  add(key: TableRow): Entry {
    const id = keyId(this.sql.key, key);
    const entry = { id, key, row: undefined, isStored: false, changed: 0 };
    this.#entries.set(id, entry);
    return entry;
  }

  /**
   * What an event has made of a row, which is changed in place: made anew for each event, every one would be old when
   * the next comes, and old garbage is the dearest (a fifth of the projector's time).
   * @throws RangeError for what cannot be stored; the row is then as it was
   */
  put(entry: Entry, after: TableRow | undefined): void {
    const { columns } = this.sql;
    const before = this.projection.isHistory ? undefined : entry.row;
    const changed = after ? changedColumns(columns, after, before) : 0;
    entry.changed |= changed;
    if (before && after && !this.#hasAccessors) copyColumns(columns, changed, after, before);
    else entry.row = after;
    // It may have been let go since it was found, for the rows were written meanwhile.
    if (this.projection.isHistory) this.#entries.set(entry.id, entry);
  }

  /** Asks for the rows of these places. */
  load(session: Pick<Session, 'query'>, entries: readonly Entry[]): void {
    if (this.projection.isHistory || entries.length === 0) return;
    const { key, columns, load, table } = this.sql;
    const keys = encodeRows(
      key,
      entries.map(entry => entry.key),
    );
    const before = this.#loaded;
    const rows = inItsTurn(session.query(load, keys, `cs_load_${table}`));
    this.#loaded = inItsTurn(
      before.then(async () => {
        for (const cells of await rows) this.#putLoaded(decodeRow(columns, cells));
      }),
    );
  }

  /** @throws QueryFailure when rows could not be loaded */
  async whenLoaded(): Promise<void> {
    await this.#loaded;
  }

  #putLoaded(row: TableRow): void {
    const entry = this.#entries.get(keyId(this.sql.key, row));
    if (!entry) return;
    entry.isStored = true;
    const isSwept = [...this.#sweeps].some(([column, before]) => (row[column] as number) < before);
    if (!isSwept) entry.row = row;
  }

  sweep(column: string, before: number): void {
    for (const sweeps of [this.#sweeps, this.#newSweeps]) {
      sweeps.set(column, Math.max(before, sweeps.get(column) ?? before));
    }
    for (const entry of this.#entries.values()) {
      if (entry.row && (entry.row[column] as number) < before) entry.row = undefined;
    }
  }

  fail(failure: Failure): void {
    this.#failures.push(failure);
  }

  /** What is to be written; taken to be so from then on. */
  takeChanges(): Changes {
    const written: Change[] = [];
    const removed: TableRow[] = [];
    for (const entry of this.#entries.values()) {
      const { id, row, changed, isStored } = entry;
      if (row && changed !== 0) written.push({ id, row, columns: changed });
      if (!row && isStored) removed.push(entry.key);
      entry.changed = 0;
      entry.isStored = row !== undefined;
    }
    // Two writers that take rows in the same order cannot wait for each other in a circle.
    written.sort((a, b) => (a.id < b.id ? -1 : 1));
    const sweeps = this.#newSweeps;
    const spared = sweeps.size > 0 ? [...this.#entries.values()].map(({ key }) => key) : [];
    const failures = this.#failures;
    this.#newSweeps = new Map();
    this.#failures = [];
    if (this.projection.isHistory) this.#entries.clear();
    return { written, removed, sweeps, spared, failures };
  }
}
