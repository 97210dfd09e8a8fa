/**
 * The order in which events are read, held against the server: a repeated event is left out, one that is out of its
 * order ends the call. So whatever is sent twice or late, a reader sees each event once and none is passed over.
 */
import { EventStoreFailure } from './failure.js';
import type { Recorded } from './read-message.js';

/** <0, 0, >0 as `a` comes before, is, or comes after `b` in the order of the call. */
export type Order = (a: Recorded, b: Recorded) => number;

/** @returns whether `event` is the next one. @throws EventStoreFailure when it lies before `last` */
export function isNext(event: Recorded, last: Recorded | undefined, order: Order): boolean {
  if (last === undefined) return true;
  const place = order(event, last);
  if (place < 0) throw outOfOrder(event.position);
  return place > 0;
}

export const outOfOrder = (position: string): EventStoreFailure =>
  new EventStoreFailure(
    `the event store could not read (the server sent the event at ${position} out of its order): reading again`,
    true,
  );
