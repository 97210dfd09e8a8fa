/**
 * What every event store must do, whatever it is made of. A store's own test file calls this with a harness,
 * and adds what only that store can do (atomicity over many streams, rights, loss of a listener).
 */
import { afterAll, afterEach, beforeAll, beforeEach, describe } from '@jest/globals';
import type { EventStore } from '../../src/event-store/event-store.js';
import { describeAppending } from './appending.js';
import { describeDelivery } from './delivery.js';
import type { EventStoreHarness, Subject } from './harness.js';
import { describeReading } from './reading.js';
import { describeSubscribing } from './subscribing.js';

export function describeEventStoreContract(
  name: string,
  createHarness: () => Promise<EventStoreHarness>,
): void {
  describe(`${name} keeps the event store contract`, () => {
    let harness: EventStoreHarness;
    let opened: EventStore[] = [];

    beforeAll(async () => {
      harness = await createHarness();
    });
    beforeEach(async () => {
      opened = [await harness.open()];
    });
    afterEach(async () => {
      await Promise.all(opened.map(store => store.close()));
    });
    afterAll(async () => {
      await harness?.close();
    });

    const subject: Subject = {
      get harness() {
        return harness;
      },
      get store() {
        return opened[0] as EventStore;
      },
      async another() {
        const store = await harness.open();
        opened.push(store);
        return store;
      },
    };

    describe('appending', () => describeAppending(subject));
    describe('reading', () => describeReading(subject));
    describe('subscribing', () => describeSubscribing(subject));
    describe('delivery', () => describeDelivery(subject));
  });
}
