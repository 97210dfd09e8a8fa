/**
 * Event ids: UUIDv7, whose first bits are the time. Neighbours in time are neighbours in the index that an
 * append searches for duplicates, so that a large log costs an append no more than a small one. Ids made in
 * one process sort in the order they were made.
 *
 * An id made here that nobody has been given yet is in no store and on its way to none. A store that must otherwise look
 * for what a lost answer may have left need not look for that (an append to a new stream cost it half its speed). So the
 * last ids made are remembered until they are first handed on.
 */
import { v7 } from 'uuid';

/** Enough for what is recorded between two flushes; an id forgotten is looked for, which only costs time. */
const IDS_A_GENERATION = 5_000;

// Two generations, and the older is dropped whole: deleting the oldest of one set would pass over all deleted before.
let young = new Set<string>();
let old = new Set<string>();

export function newEventId(): string {
  const id = v7();
  if (young.size >= IDS_A_GENERATION) {
    old = young;
    young = new Set();
  }
  young.add(id);
  return id;
}

/**
 * To be called by whatever hands an event on, a store or an outbox, before it does.
 * @returns whether the id was made in this process and this is the first to hand it on
 */
export const handOn = (id: string): boolean => young.delete(id) || old.delete(id);
