import { describeEventStoreContract } from '../contract/event-store-contract.js';
import { createEventStoreDbHarness } from './eventstoredb-harness.js';

describeEventStoreContract('the EventStoreDB event store', createEventStoreDbHarness);
