export { type DrainOutcome, Relay, type RelayCounters, type RelayOptions } from './relay.js';
export { createOutboxTable, type OutboxStatus, type OutboxTable } from './table.js';
export { type OutboxOptions, withOutbox } from './with-outbox.js';
