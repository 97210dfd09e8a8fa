export { parseConnectionString } from './connection-string.js';
export { createEventStoreDbStore, type EventStoreDbStoreOptions } from './eventstoredb-event-store.js';
export type { Rehearsal } from './rehearsal.js';
export { grantsFor, rightsNeeded } from './rights.js';
