/**
 * Every migration, oldest first. Forward only: what was released is never changed, the next one corrects it.
 */
import type { MigrationInterface } from 'typeorm';
import { EventStore1764000000001 } from './1764000000001-event-store.js';
import { ReadTables1764000000002 } from './1764000000002-read-tables.js';
import { Outbox1764000000003 } from './1764000000003-outbox.js';

export const migrations: readonly (new () => MigrationInterface)[] = [
  EventStore1764000000001,
  ReadTables1764000000002,
  Outbox1764000000003,
];
