/** The product on an EventStoreDB as its users have it: logs copied in and out, facts projected, checked and examined. */
import { afterEach, describe, expect, it } from '@jest/globals';
import { copyLog } from '../../src/event-store/transfer/copy.js';
import { cli, json } from '../cli/support.js';
import { many, sampleConnector } from '../contract/sample-events.js';
import { createHarness } from '../projector/harness.js';
import { createTestDatabase } from '../support/database.js';
import { createEventStoreDbHarness } from './eventstoredb-harness.js';

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function givenEventStore() {
  const harness = await createEventStoreDbHarness();
  closers.push(() => harness.close());
  const store = await harness.open();
  closers.push(() => store.close());
  return { url: harness.url, store };
}

async function givenLog() {
  const log = await createHarness();
  closers.push(() => log.close());
  return log;
}

const CONNECTORS = 5;
const facts = (count: number) => {
  const connectors = many(CONNECTORS, sampleConnector);
  return many(count, n => {
    const connector = connectors[n % CONNECTORS] as (typeof connectors)[number];
    return n % 3 === 0 ? connector.hit() : connector.fact({ correlationId: `init-${n}` });
  });
};

describe('an EventStoreDB', () => {
  it('takes a log from PostgreSQL and gives it back, equal both times', async () => {
    const [{ store }, source, target] = [await givenEventStore(), await givenLog(), await givenLog()];
    for (const fact of facts(60)) await source.store.append([fact]);

    const there = await copyLog({ from: source.store as never, to: store, pageSize: 7 });
    const back = await copyLog({ from: store, to: target.store as never, pageSize: 7 });

    expect(there).toMatchObject({ equal: true, copied: 60, differing: [] });
    expect(back).toMatchObject({ equal: true, copied: 60, differing: [] });
  });

  it('is projected, rebuilt to the same rows, and found well', async () => {
    const { url, store } = await givenEventStore();
    const database = await createTestDatabase();
    closers.push(() => database.drop());
    const env = { DATABASE_URL: database.url, EVENT_STORE_URL: url, PROJECTION: 'worker' };
    await store.append(facts(60));

    const projected = await cli(['project', '--once'], { env });
    const checked = json(await cli(['rebuild', '--check', '--json'], { env }));
    const examined = json(await cli(['doctor', '--json'], { env })) as unknown as {
      checks: { name: string; status: string }[];
    };

    expect(projected).toMatchObject({ code: 0 });
    expect(checked).toMatchObject({ equal: true, events: 60 });
    expect(examined.checks.find(({ name }) => name === 'event store')).toMatchObject({ status: 'ok' });
  });
});
