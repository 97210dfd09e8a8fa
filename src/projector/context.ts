/** What every part of the projector works with. */
import type { Client, Pool } from 'pg';
import type { Projection } from '../../projections/index.js';
import type { Logger } from '../base/logging.js';
import type { Telemetry } from '../base/telemetry.js';
import type { EventStore } from '../event-store/event-store.js';
import type { StoredEvent } from '../events/event.js';
import type { ChangedRows } from './changed-rows.js';
import type { Target } from './write-page.js';

/** Counted since the projector was created. */
export interface ProjectorCounters {
  pages: number;
  /** Events read past, of any type. */
  events: number;
  rows: number;
  /** Events of a type this release does not know: skipped. */
  unknownEvents: number;
  deadLetters: number;
  /** Pages given up because somebody else had moved the checkpoints. */
  conflicts: number;
  /** Connections lost and made again by `run`. */
  reconnects: number;
  /** 1 while `run` holds the lock. */
  leading: 0 | 1;
}

export interface ProjectorContext {
  readonly store: EventStore;
  readonly pool: Pool;
  /** A connection of one's own, unconnected: for the lock of `run` and the temporary tables of `rebuild`. */
  readonly createClient: () => Client;
  readonly projections: readonly Projection[];
  readonly live: Target;
  readonly pageSize: number;
  readonly namedStatements: boolean;
  readonly log: Logger;
  readonly telemetry: Telemetry;
  /** Told of each page of the live tables once it is committed; must not reject. */
  readonly onApplied: ((events: readonly StoredEvent[]) => Promise<unknown>) | undefined;
  /** Told which rows a rebuild has changed once that is committed; must not reject. */
  readonly onRebuilt: ((rows: ChangedRows) => Promise<unknown>) | undefined;
  /** Rejects when the signal is aborted. */
  readonly sleep: (ms: number, signal?: AbortSignal) => Promise<unknown>;
  readonly nowMs: () => number;
  /** How long a statement of `run` or a rebuild may go unanswered before the server is asked whether it works on it. */
  readonly silentMs: number;
  readonly counters: ProjectorCounters;
  /** What this projector need not look at again. */
  readonly checks: { hasCheckedTail: boolean; hasCheckedForgotten: boolean };
}
