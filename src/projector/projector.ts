/**
 * The projector: the only writer of the read tables.
 *
 * It reads the log in its global order, a page at a time, folds the page in memory with the projections and
 * writes the rows and the checkpoint in one transaction (promise 1). Three ways in:
 *
 *  - {@link Projector.catchUp}: up to the head, then return. Any number of functions may do it at once.
 *  - {@link Projector.run}: live, one leader among many; a worker, or the `project` command.
 *  - {@link Projector.rebuild}: from the first event, beside the live tables.
 *
 * All three use one code path from page to rows (write-page.ts), and the fold is pure, so that live rows equal
 * rebuilt ones (promise 2). Who is behind folds many pages and writes them together: rows become visible when all of
 * them are written, some tenths of a second later.
 *
 *   fold-page.ts   events + rows → changes (pure)        narrow.ts      finding an event the database refuses
 *   write-page.ts  load, fold, write                     apply-live.ts  the transaction around it
 *   row-set.ts     the rows of a table in memory         pages-together.ts, behind.ts  many pages, one write
 *   catch-up.ts, live.ts, rebuild.ts                     lock.ts        who may write, and in which order
 *   fold-beside.ts, shadow.ts  the rebuild's two halves  checkpoints.ts, dead-letters.ts
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Client, Pool, PoolConfig } from 'pg';
import { projections as allProjections, type Projection } from '../../projections/index.js';
import { ConnectorStateError } from '../base/errors.js';
import { type Logger, silentLogger } from '../base/logging.js';
import { type Telemetry, unwatched } from '../base/telemetry.js';
import type { EventStore } from '../event-store/event-store.js';
import type { NewEvent, StoredEvent } from '../events/event.js';
import { pg } from '../postgres/driver.js';
import { toDatabaseError } from '../postgres/pool.js';
import { type AdoptedLog, type AdoptLogOptions, adoptLog } from './adopt-log.js';
import { type AlongWithAppend, alongWithAppend } from './along-with-append.js';
import type { CatchUpOptions, CatchUpResult } from './catch-up.js';
import type { ChangedRows } from './changed-rows.js';
import type { ProjectorContext, ProjectorCounters } from './context.js';
import { type DeadLetter, dismissDeadLetters, type Letters, readDeadLetters } from './dead-letters.js';
import { type ForgetOptions, type ForgetResult, forgetHits } from './forgotten/forget.js';
import { readForgottenSpan } from './forgotten/forgotten.js';
import { keepForgetting } from './forgotten/keep-forgetting.js';
import { type Lag, lag } from './lag.js';
import { run } from './live.js';
import { holdersNow } from './lock-wait.js';
import { catchUpWithCurrent } from './make-current.js';
import {
  type RebuildOptions,
  type RebuildResult,
  rebuild,
  type VerifyOptions,
  type VerifyResult,
  verify,
} from './rebuild.js';
import { QueryFailure, withPooledSession } from './session.js';
import { liveTarget, WriteRefused } from './write-page.js';

export interface ProjectorOptions {
  readonly store: EventStore;
  /** Of the database with the read model. Transaction poolers are fine for everything but `run` and `rebuild`. */
  readonly pool: Pool;
  /**
   * Makes the unconnected client that `run`, `rebuild` and `verify` hold on to; it must reach the server
   * itself, not a transaction pooler. Default: one with the pool's settings.
   */
  readonly createClient?: () => Client;
  readonly projections?: readonly Projection[];
  /** Events a page, 1–10 000. Default 1000. */
  readonly pageSize?: number;
  /** Off for poolers that lose named statements. Default on. */
  readonly namedStatements?: boolean;
  readonly log?: Logger;
  /** Default: nobody watches. */
  readonly telemetry?: Telemetry;
  /**
   * Told of each page of the live tables once it is committed, so that a copy of the rows can follow. `catchUp` waits for
   * it, `run` does not. Must not reject.
   */
  readonly onApplied?: (events: readonly StoredEvent[]) => Promise<unknown>;
  /** Told which rows a rebuild has changed once that is committed; must not reject. */
  readonly onRebuilt?: (rows: ChangedRows) => Promise<unknown>;
  readonly sleep?: (ms: number, signal?: AbortSignal) => Promise<unknown>;
  /** Milliseconds of a clock that does not step. */
  readonly nowMs?: () => number;
  /** How long a statement of `run` may go unanswered before the server is asked whether it works on it. Default 10 000. */
  readonly silentMs?: number;
}

export interface RunOptions {
  readonly signal: AbortSignal;
  /** Hits older than this are forgotten, in milliseconds; 0 (default): none. See forgotten/keep-forgetting.ts. */
  readonly hitsMaxAgeMs?: number;
  /** How long to stand by while another process leads, in milliseconds. Default: for as long as it does. */
  readonly waitMs?: number;
}

export interface ReplayResult {
  /** Dead letters before. */
  readonly replayed: number;
  /** Dead letters after: those still at fault that nobody has dismissed. */
  readonly remaining: number;
}

/**
 * Every method throws ConnectorStateError: `DATABASE_UNAVAILABLE`, `DATABASE_NOT_MIGRATED`,
 * `EVENT_STORE_FAILED`, or `PROJECTION_FAILED` when tables are of another version; an aborted signal makes
 * it reject with the signal's reason.
 */
export interface Projector {
  catchUp(options?: CatchUpOptions): Promise<CatchUpResult>;
  /**
   * The beginning of a {@link Projector.catchUp} to be sent behind the append of these events, and then handed to that as
   * `along`. Left out where the log lies in another database.
   */
  along(events: readonly NewEvent[]): AlongWithAppend | undefined;
  /** Resolves when the signal is aborted, rejects when it cannot go on; survives lost connections. */
  run(options: RunOptions): Promise<void>;
  rebuild(options?: RebuildOptions): Promise<RebuildResult>;
  verify(options?: VerifyOptions): Promise<VerifyResult>;
  /** Goes on from the end of a log that is not the one of the checkpoints, and keeps the rows. See adopt-log.ts. */
  adoptLog(options?: AdoptLogOptions): Promise<AdoptedLog>;
  /** Lets old hits go, and keeps what a rebuild needs of them. See forgotten/forget.ts. */
  forgetHits(options: ForgetOptions): Promise<ForgetResult>;
  /** Hits from before this are forgotten, epoch milliseconds; `undefined`: none are. */
  forgottenBefore(): Promise<number | undefined>;
  lag(): Promise<Lag>;
  /** Which session projects or has the read tables locked just now, for people; `undefined` where none does. */
  holders(): Promise<string | undefined>;
  /** The oldest first; those that were dismissed only when asked for. */
  deadLetters(options?: { readonly dismissed?: boolean }): Promise<readonly DeadLetter[]>;
  /** Tells of them no more, or, with `undo`, again. @returns how many letters that changed */
  dismissDeadLetters(letters: Letters, options?: { readonly undo?: boolean }): Promise<number>;
  /** Rebuilds the projections that have dead letters: an event belongs at its own place in the fold. */
  replayDeadLetters(options?: Omit<RebuildOptions, 'projections'>): Promise<ReplayResult>;
  readonly counters: Readonly<ProjectorCounters>;
}

/** Many are written together (pages-together.ts), so small ones cost no more, and what is read is soon let go. */
const DEFAULT_PAGE_SIZE = 1_000;
const SILENT_MS = 10_000;

/** A rebuild takes as long as it takes. The pool keeps its password where a spread does not find it. */
const withoutTimeout = (pool: PoolConfig): PoolConfig => ({
  ...pool,
  password: pool.password,
  query_timeout: 0,
});

export function createProjector(options: ProjectorOptions): Projector {
  const { store, pool, projections = allProjections, namedStatements = true } = options;
  const context: ProjectorContext = {
    store,
    pool,
    createClient: options.createClient ?? (() => new pg.Client(withoutTimeout(pool.options as PoolConfig))),
    projections,
    live: liveTarget(projections),
    pageSize: options.pageSize ?? DEFAULT_PAGE_SIZE,
    namedStatements,
    log: options.log ?? silentLogger,
    telemetry: options.telemetry ?? unwatched,
    onApplied: options.onApplied,
    onRebuilt: options.onRebuilt,
    sleep: options.sleep ?? ((ms, signal) => delay(ms, undefined, signal && { signal })),
    nowMs: options.nowMs ?? (() => performance.now()),
    silentMs: options.silentMs ?? SILENT_MS,
    counters: {
      pages: 0,
      events: 0,
      rows: 0,
      unknownEvents: 0,
      deadLetters: 0,
      conflicts: 0,
      reconnects: 0,
      leading: 0,
    },
    checks: { hasCheckedTail: false, hasCheckedForgotten: false },
  };

  const deadLetters = async ({ dismissed = false } = {}) => {
    const all = await inOurTerms(withPooledSession(pool, namedStatements, readDeadLetters));
    return dismissed ? all : all.filter(({ dismissedAt }) => dismissedAt === null);
  };

  return {
    along: events => alongWithAppend(context, events),
    catchUp: options => inOurTerms(catchUpWithCurrent(context, options)),
    async run({ signal, hitsMaxAgeMs = 0, waitMs }) {
      const ended = new AbortController();
      const either = AbortSignal.any([signal, ended.signal]);
      const forgetting = hitsMaxAgeMs > 0 ? keepForgetting(context, hitsMaxAgeMs, either) : undefined;
      try {
        await inOurTerms(run(context, signal, { waitMs }));
      } finally {
        ended.abort();
        await forgetting;
      }
    },
    rebuild: options => inOurTerms(rebuild(context, options)),
    verify: options => inOurTerms(verify(context, options)),
    adoptLog: options => inOurTerms(adoptLog(context, options)),
    forgetHits: options => inOurTerms(forgetHits(context, options)),
    forgottenBefore: async () => (await inOurTerms(readForgottenSpan(store)))?.before,
    lag: () => inOurTerms(lag(context)),
    holders: () => inOurTerms(holdersNow(context)),
    deadLetters,
    dismissDeadLetters: (letters, options) =>
      inOurTerms(
        withPooledSession(pool, namedStatements, session => dismissDeadLetters(session, letters, options)),
      ),
    async replayDeadLetters(options = {}) {
      const before = (await deadLetters()).filter(isOneOf(projections));
      if (before.length === 0) return { replayed: 0, remaining: 0 };
      const affected = [...new Set(before.map(({ projection }) => projection))];
      const result = await inOurTerms(rebuild(context, { ...options, projections: affected }));
      return { replayed: before.length, remaining: result.deadLetters };
    },
    counters: context.counters,
  };
}

const isOneOf =
  (projections: readonly Projection[]) =>
  ({ projection }: DeadLetter) =>
    projections.some(({ name }) => name === projection);

async function inOurTerms<T>(result: Promise<T>): Promise<T> {
  try {
    return await result;
  } catch (error) {
    if (error instanceof QueryFailure) throw toDatabaseError(error.cause);
    if (error instanceof WriteRefused) throw new ConnectorStateError('PROJECTION_FAILED', error.message);
    throw error;
  }
}
