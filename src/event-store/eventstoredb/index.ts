export { parseConnectionString } from './connection-string.js';
export { createEventStoreDbStore, type EventStoreDbStoreOptions } from './eventstoredb-event-store.js';
