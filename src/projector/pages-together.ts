/**
 * Catching up: pages folded one after the other into rows in memory, and written together.
 *
 * A busy row is then written once for tens of thousands of events and not once a page, and loaded once for as long as
 * the rows are held. Pages can be small, so that events die young: what lives as long as its page is carried about by
 * the garbage collector, which was a third of the projector's time. And while the server writes, the next pages are read
 * and folded.
 *
 *   read │ page 1 │ page 2 │ … │ page n │ page n+1 │ …        (page-reader.ts, read-ahead.ts: one ahead)
 *   fold          │ page 1 │ … │ page n-1 │ page n │ page n+1 │ …
 *   write                                         │ 1 … n, checkpoints, COMMIT │
 *
 * The rows were loaded before the lock was taken, or before the last write. They are those of the table nevertheless
 * where the checkpoints are untouched since: whoever writes rows touches them (`token`, checkpoints.ts). Who finds
 * them touched lets everything go and begins anew, as after any failure. (What somebody writes into a table by hand
 * meanwhile is as if they had done so just before: a row that is written whole is healed by it.)
 */
import type { Projection } from '../../projections/index.js';
import { isTraced, MAX_LINKS } from '../base/telemetry.js';
import type { EventStore } from '../event-store/event-store.js';
import type { StoredEvent } from '../events/event.js';
import { type Checkpoints, type Marks, type Move, type Positions, positionsOf } from './checkpoints.js';
import { extendMark, type LogMark } from './log-mark.js';
import type { Session } from './session.js';
import { type Transaction, withinTransaction } from './transaction.js';
import {
  type Batch,
  between,
  newRowSets,
  preparePage,
  type Refusals,
  type RowSets,
  type Target,
  type Written,
  writeSets,
} from './write-page.js';

/** With pages of a thousand some tenths of a second's work, for which others wait for the lock. */
const MOST_PAGES = 20;
/** A page of the log may stand for many more events, where hits were forgotten and their sums are folded. */
const MOST_EVENTS = 20_000;
/** Of all tables. When there are more all are let go once they are written, and loaded anew when they are touched again. */
const MOST_ROWS = 60_000;

export interface WrittenTogether extends Written {
  readonly positions: Positions;
  readonly marks: Marks;
  readonly pages: number;
  readonly events: number;
  readonly unknownEvents: number;
  /** Those that were read, where they are kept. */
  readonly read: readonly StoredEvent[];
}

export interface TogetherOptions {
  /** Where the projections are. */
  readonly positions: Positions;
  readonly marks: Marks;
  /** No table has a row yet, so none is looked for until some have been let go. */
  readonly areEmpty?: boolean;
  /** For who has to tell of them when they are written. */
  readonly keepsEvents?: boolean;
}

export const standingOf = (checkpoints: Checkpoints): Pick<TogetherOptions, 'positions' | 'marks'> => ({
  positions: positionsOf(checkpoints),
  marks: new Map([...checkpoints].map(([name, { mark }]) => [name, mark])),
});

export class PagesTogether {
  readonly #compare: EventStore['compare'];
  readonly #projections: readonly Projection[];
  readonly #target: Target;
  #sets: RowSets;
  #positions: Positions;
  #marks: Marks;
  #areEmpty: boolean;
  readonly #keepsEvents: boolean;
  #read: StoredEvent[] = [];
  #moves = new Map<string, Move>();
  #pages = 0;
  #events = 0;
  #unknownEvents = 0;
  #correlationIds = new Set<string>();

  constructor(
    compare: EventStore['compare'],
    projections: readonly Projection[],
    target: Target,
    { positions, marks, areEmpty = false, keepsEvents = false }: TogetherOptions,
  ) {
    this.#compare = compare;
    this.#projections = projections;
    this.#target = target;
    this.#sets = newRowSets(projections, target);
    this.#positions = positions;
    this.#marks = marks;
    this.#areEmpty = areEmpty;
    this.#keepsEvents = keepsEvents;
  }

  /** Of what has been folded, written or not. */
  get positions(): Positions {
    return this.#positions;
  }

  get marks(): Marks {
    return this.#marks;
  }

  get isFull(): boolean {
    return this.#pages >= MOST_PAGES || this.#events >= MOST_EVENTS || this.isLarge;
  }

  /** To be let go when it is written. */
  get isLarge(): boolean {
    return [...this.#sets.values()].reduce((sum, { size }) => sum + size, 0) >= MOST_ROWS;
  }

  /**
   * Folds the next page, after loading the rows that are not here.
   * @param limits where each projection must stop, for those that must
   * @throws QueryFailure
   */
  async add(
    session: Session,
    batch: Batch,
    { refusals = new Map(), limits }: { refusals?: Refusals; limits?: Positions } = {},
  ): Promise<void> {
    const before = this.#positions;
    const page = preparePage(this.#compare, this.#target, batch, before, refusals, this.#sets, limits);
    if (!this.#areEmpty) {
      const { transaction, settled } = withinTransaction(session);
      page.load(transaction);
      await settled();
    }
    const moves = await page.fold();
    this.#marks = marksAfter(this.#compare, batch, before, this.#marks, moves);
    const positions = new Map(before);
    for (const { projection, position, events } of moves) {
      positions.set(projection, position);
      const sofar = this.#moves.get(projection)?.events ?? 0;
      this.#moves.set(projection, { projection, position, events: sofar + events });
    }
    this.#positions = positions;
    this.#pages += 1;
    this.#events += batch.events.length;
    this.#unknownEvents += countUnknown(batch.events);
    if (this.#keepsEvents) this.#read.push(...batch.events);
    for (const { correlationId } of batch.events) {
      if (this.#correlationIds.size === MAX_LINKS) break;
      if (correlationId !== undefined && isTraced(correlationId)) this.#correlationIds.add(correlationId);
    }
  }

  /** Of traces, among what has been folded since they were last taken; as many as a span may link to. */
  takeCorrelationIds(): ReadonlySet<string> {
    const taken = this.#correlationIds;
    this.#correlationIds = new Set();
    return taken;
  }

  /** Sends what writes all that has been folded since the last time. Does not wait for the answers. */
  write(transaction: Transaction): WrittenTogether {
    const written = writeSets(transaction, this.#sets, this.#target, [...this.#moves.values()]);
    const taken = {
      ...written,
      marks: this.#marks,
      positions: this.#positions,
      pages: this.#pages,
      events: this.#events,
      unknownEvents: this.#unknownEvents,
      read: this.#read,
    };
    this.#moves = new Map();
    this.#pages = 0;
    this.#events = 0;
    this.#unknownEvents = 0;
    this.#read = [];
    return taken;
  }

  /** Lets all rows go, which have been written. */
  forget(): void {
    this.#sets = newRowSets(this.#projections, this.#target);
    this.#areEmpty = false;
  }
}

/** All projections are normally at one place, with one mark: then it is made once. */
export function marksAfter(
  compare: EventStore['compare'],
  batch: Batch,
  before: Positions,
  marks: Marks,
  moves: readonly Move[],
): Marks {
  const read = { ...batch, events: batch.read ?? batch.events };
  const made = new Map<string, LogMark | undefined>();
  const after = new Map(marks);
  for (const { projection, position: to } of moves) {
    const from = before.get(projection);
    const mark = marks.get(projection);
    const key = JSON.stringify([from, to, mark]);
    if (!made.has(key)) {
      made.set(key, extendMark(mark, between(compare, read, from, to), from === undefined));
    }
    after.set(projection, made.get(key));
  }
  return after;
}

export const countUnknown = (events: Batch['events']): number =>
  events.reduce((count, { decoded }) => count + (decoded === 'unknown-type' ? 1 : 0), 0);
