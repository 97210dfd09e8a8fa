/**
 * Event ids: UUIDv7, whose first bits are the time. Neighbours in time are neighbours in the index that an
 * append searches for duplicates, so that a large log costs an append no more than a small one. Ids made in
 * one process sort in the order they were made.
 */
import { v7 } from 'uuid';

export const newEventId = (): string => v7();
