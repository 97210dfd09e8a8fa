import { describeEventStoreContract } from '../contract/event-store-contract.js';
import { createPostgresHarness } from './postgres-harness.js';

describeEventStoreContract('the PostgreSQL event store', createPostgresHarness);
