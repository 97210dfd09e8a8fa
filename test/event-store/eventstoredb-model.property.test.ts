import { describeEventStoreModel } from '../contract/event-store-model.js';
import { createEventStoreDbHarness } from './eventstoredb-harness.js';

describeEventStoreModel('the EventStoreDB event store', createEventStoreDbHarness);
