/** One deadline for whoever waits, and turns for all: what a frozen node costs, and what many calls at once do. */
import { describe, expect, it } from '@jest/globals';
import { idsOf } from '../contract/harness.js';
import { many, sampleConnector } from '../contract/sample-events.js';
import { startTestCluster } from '../support/esdb-server/index.js';
import { closing, eventually, givenServer, givenStore } from './eventstoredb-support.js';
import { startMeddler } from './meddler.js';

/** A cluster whose leader no longer answers anybody, though nobody has noticed yet. */
async function givenFrozenLeader(callTimeoutMs: number) {
  const cluster = closing(await startTestCluster());
  const store = givenStore(cluster, { callTimeoutMs });
  const connector = sampleConnector();
  await store.append([connector.fact()]);
  cluster.nodes[0]?.faults.inject({ kind: 'stall' });
  return { cluster, store, connector };
}

describe('a leader that froze', () => {
  it('is left within one append, as soon as there is another', async () => {
    const { cluster, store, connector } = await givenFrozenLeader(15_000);
    const event = connector.fact();

    const appending = store.append([event]);
    // The others go on calling it leader until after the first attempt was given up.
    await eventually(() => store.warnings.length > 0);
    cluster.elect(1);

    expect(idsOf((await appending).events)).toEqual([event.id]);
    expect(store.warnings).toHaveLength(1);
  });

  it('is left by an append that has less time than the store would take', async () => {
    const { cluster, store, connector } = await givenFrozenLeader(60_000);
    cluster.elect(1);
    const event = connector.fact();

    const { events } = await store.append([event], { timeoutMs: 6_000 });

    expect(idsOf(events)).toEqual([event.id]);
  });

  it('is left by all who wait for it, once one of them has given it up', async () => {
    const { cluster, store, connector } = await givenFrozenLeader(600_000);
    cluster.elect(1);

    // By itself the second would wait for longer than a test may take.
    const [first, second] = await Promise.all([
      store.append([connector.fact()], { timeoutMs: 6_000 }),
      store.append([sampleConnector().fact()]),
    ]);

    expect([first, second].map(({ events }) => events.length)).toEqual([1, 1]);
  });

  it('is doubted also when it was the caller who gave up', async () => {
    const { cluster, store, connector } = await givenFrozenLeader(60_000);
    cluster.elect(1);
    const giveUp = new AbortController();
    setTimeout(() => giveUp.abort(), 500);
    await expect(store.append([connector.fact()], { signal: giveUp.signal })).rejects.toMatchObject({
      code: 'EVENT_STORE_FAILED',
    });
    const event = connector.fact();

    // Its own first attempt would be silent for 20 s.
    const { events } = await store.append([event], { timeoutMs: 60_000 });

    expect(idsOf(events)).toEqual([event.id]);
    expect(store.warnings).toEqual([]);
  });

  it('and every other seed with it but one, costs no more than asking that one', async () => {
    const cluster = closing(await startTestCluster());
    const seeds = many(3, index => cluster.nodes[index]?.port);
    cluster.nodes[0]?.faults.inject({ kind: 'stall' });
    cluster.nodes[1]?.faults.inject({ kind: 'stall' });
    cluster.elect(2);
    const twice = [...seeds, ...seeds].map(port => `localhost:${port}`).join(',');
    const store = givenStore(
      { url: `esdb://${twice}?tls=false&gossipTimeout=60` },
      { callTimeoutMs: 20_000 },
    );

    expect((await store.append([sampleConnector().fact()])).events).toHaveLength(1);
    expect(store.warnings).toEqual([]);
  });

  it('without another is named, with what each node said', async () => {
    const { cluster, store, connector } = await givenFrozenLeader(1_500);
    cluster.nodes[2]?.stop();

    await expect(store.append([connector.fact()])).rejects.toMatchObject({
      code: 'EVENT_STORE_FAILED',
      message: expect.stringMatching(/within 1500 ms \(.*no answer in time/),
    });
  });
});

describe('many calls at once', () => {
  it('wait for their turn below the server’s limit, and none is rejected', async () => {
    const server = await givenServer();
    const meddler = closing(await startMeddler(server.port));
    const store = givenStore(meddler, { callTimeoutMs: 60_000 });
    const connectors = many(150, sampleConnector);
    const stop = new AbortController();
    const following = many(5, async () => {
      const seen: string[] = [];
      for await (const page of store.subscribe({ after: undefined, signal: stop.signal })) {
        seen.push(...idsOf(page.events));
        if (seen.length >= connectors.length) break;
      }
      return seen.length;
    });

    // Each first append to a stream reads it.
    const appended = await Promise.all(connectors.map(({ fact }) => store.append([fact()])));
    const read = await Promise.all([
      ...connectors.map(({ stateStream }) => store.readStream(stateStream)),
      ...many(150, () => store.readAll({ limit: 10 })),
    ]);

    expect(appended).toHaveLength(150);
    expect(read.slice(0, 150).map(events => events.length)).toEqual(many(150, () => 1));
    expect(await Promise.all(following)).toEqual(many(5, () => 150));
    expect(meddler.mostAtOnce).toBeLessThanOrEqual(2 * 5 + 89);
    expect(store.warnings).toEqual([]);
    stop.abort();
  });

  it('are all rejected in the time of one when the server says nothing', async () => {
    const server = await givenServer();
    const store = givenStore(server, { callTimeoutMs: 1_500 });
    await store.head();
    server.inject({ kind: 'stall' });

    const outcomes = await Promise.allSettled(many(200, () => store.readAll({ limit: 1 })));

    expect(outcomes.every(({ status }) => status === 'rejected')).toBe(true);
  });
});
