import { describeEventStoreModel } from '../contract/event-store-model.js';
import { createPostgresHarness } from './postgres-harness.js';

describeEventStoreModel('the PostgreSQL event store', createPostgresHarness);
