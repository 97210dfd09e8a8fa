/** Appends of many callers that go together: one statement, and each answered for itself. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { silentLogger } from '../../src/base/logging.js';
import { createPostgresEventStore } from '../../src/event-store/postgres/index.js';
import { createPool } from '../../src/postgres/pool.js';
import { type SampleConnector, sampleConnector } from '../contract/sample-events.js';
import { startCountingProxy } from '../support/counting-proxy.js';
import { createPostgresHarness, type PostgresHarness } from './postgres-harness.js';

let harness: PostgresHarness;

beforeAll(async () => {
  harness = await createPostgresHarness();
});
afterAll(() => harness.close());

async function givenStore() {
  const proxy = await startCountingProxy(harness.url);
  const pool = createPool({ connectionString: proxy.url, max: 4, log: silentLogger });
  const store = createPostgresEventStore({ pool });
  const close = async () => {
    await store.close();
    await pool.end();
    await proxy.close();
  };
  return { store, proxy, close };
}

/** What is appended while one is on its way goes as the next group. */
const busy = (store: Awaited<ReturnType<typeof givenStore>>['store']) =>
  store.append([sampleConnector().fact()]);

describe('appends of many callers', () => {
  it('go together while one is on its way: sixteen callers wait twice', async () => {
    const { store, proxy, close } = await givenStore();
    const connectors = Array.from({ length: 4 }, sampleConnector);
    await busy(store);
    proxy.messages();

    const trips = await proxy.count(async () => {
      const first = busy(store);
      await Promise.resolve();
      const results = await Promise.all(
        Array.from({ length: 16 }, (_, n) => store.append([(connectors[n % 4] as SampleConnector).fact()])),
      );
      await first;
      // In the order made, each stream by itself.
      expect(results.map(({ events }) => events[0]?.version)).toEqual(
        Array.from({ length: 16 }, (_, n) => Math.floor(n / 4) + 1),
      );
    });

    expect(trips).toBe(2);
    expect(proxy.messages().filter(message => message === '>S')).toHaveLength(2);
    await close();
  });

  it('are told each for itself what was there already', async () => {
    const { store, close } = await givenStore();
    const connector = sampleConnector();
    const [known, fresh, twice] = [connector.fact(), connector.fact(), connector.fact()];
    await store.append([known]);

    const [first, ...others] = await Promise.all([
      busy(store),
      store.append([known]),
      store.append([fresh]),
      store.append([twice]),
      store.append([twice]),
    ]);

    expect(first.events[0]?.isNew).toBe(true);
    expect(others.map(({ events }) => [events[0]?.version, events[0]?.isNew])).toEqual([
      [1, false],
      [2, true],
      [3, true],
      [3, false],
    ]);
    expect(await store.readStream(connector.stateStream)).toHaveLength(3);
    await close();
  });

  it('fail alone where the database refuses one, and where one expects another version', async () => {
    const { store, close } = await givenStore();
    const owner = await harness.connect();
    await owner.query(
      `ALTER TABLE connector_event ADD CONSTRAINT test_no_poison CHECK (host <> 'poison') NOT VALID`,
    );
    const [a, b, c] = [sampleConnector(), sampleConnector(), sampleConnector()];

    const [, good, poisoned, conflicting, last] = await Promise.allSettled([
      busy(store),
      store.append([a.fact()]),
      store.append([{ ...b.fact(), host: 'poison' }]),
      store.append([c.fact()], { expectedVersions: { [c.stateStream]: 7 } }),
      store.append([a.fact()]),
    ]);

    expect(good).toMatchObject({ status: 'fulfilled', value: { events: [{ version: 1, isNew: true }] } });
    expect(poisoned).toMatchObject({ status: 'rejected', reason: { code: 'EVENT_STORE_FAILED' } });
    expect(conflicting).toMatchObject({ status: 'rejected', reason: { code: 'VERSION_CONFLICT' } });
    expect(last).toMatchObject({ status: 'fulfilled', value: { events: [{ version: 2, isNew: true }] } });
    expect(await store.readStream(b.stateStream)).toEqual([]);
    expect(await store.readStream(c.stateStream)).toEqual([]);
    await owner.query('ALTER TABLE connector_event DROP CONSTRAINT test_no_poison');
    await owner.end();
    await close();
  });

  it('are not made for who gave up while it waited', async () => {
    const { store, close } = await givenStore();
    const [a, b] = [sampleConnector(), sampleConnector()];
    const given = new AbortController();

    const first = busy(store);
    const gaveUp = store.append([a.fact()], { signal: given.signal });
    const stays = store.append([b.fact()]);
    given.abort();

    await expect(gaveUp).rejects.toMatchObject({ code: 'EVENT_STORE_FAILED' });
    await first;
    expect(await stays).toMatchObject({ events: [{ version: 1 }] });
    expect(await store.readStream(a.stateStream)).toEqual([]);
    await close();
  });
});
