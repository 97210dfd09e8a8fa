/**
 * The envelope every event travels in: before it is appended ({@link NewEvent}) and as it is read back
 * ({@link StoredEvent}).
 */
import type { EventData, EventType } from './catalogue.js';

/** A type and its data, so that a `switch` on `type` narrows `data`. */
export type Fact = { [T in EventType]: { readonly type: T; readonly data: EventData[T] } }[EventType];

export type FactOf<T extends EventType> = Extract<Fact, { type: T }>;

interface Origin {
  /** UUIDv7, chosen by the recording process: the idempotency key of the append. */
  readonly id: string;
  readonly stream: string;
  /** When it happened, epoch milliseconds by the recording host's clock. */
  readonly occurredAt: number;
  /** The recording process, e.g. `ip-10-0-0-7/4711`. Read back empty: another program wrote it, {@link isForeign}. */
  readonly host: string;
  /** What belongs to one init shares a correlation id. */
  readonly correlationId?: string | undefined;
  /** The event this one follows from. */
  readonly causationId?: string | undefined;
}

/** Whether an event that a store returned lacks our envelope: something else writes into the streams of our prefix. */
export const isForeign = ({ host }: { readonly host: string | null }): boolean => host === '';

export type NewEvent = Origin & Fact;

/**
 * A place in the store's global order. Opaque: only the store that gave it can compare it, and it starts
 * with that store's name (`pg/…`), so that a position of one store is never mistaken for another's.
 */
export type Position = string & { readonly __brand: 'Position' };

interface Placement {
  readonly schemaVersion: number;
  /** Place in its stream, from 1, without gaps. */
  readonly version: number;
  readonly position: Position;
  /** When the store took it, epoch milliseconds by the store's clock. */
  readonly recordedAt: number;
  /** Who appended it, as the store itself knows: the database login. Not known of old events, nor by EventStoreDB. */
  readonly login?: string | undefined;
}

/** An event of a known type whose data passed its schema (after upcasting). */
export type KnownEvent = Origin & Placement & Fact;

/** An event as a store returns it: decoded, or why it could not be. */
export type StoredEvent =
  | ({ readonly decoded: 'known' } & KnownEvent)
  | ({ readonly decoded: 'unknown-type'; readonly type: string; readonly data: unknown } & Origin & Placement)
  | ({
      readonly decoded: 'invalid';
      readonly type: string;
      readonly data: unknown;
      readonly problem: string;
    } & Origin &
      Placement);
