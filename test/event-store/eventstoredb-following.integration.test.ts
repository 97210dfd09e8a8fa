/** Following over bad networks: every event once and in order, whatever breaks, and nothing left behind. */
import { getEventListeners } from 'node:events';
import { setTimeout as pause } from 'node:timers/promises';
import { describe, expect, it } from '@jest/globals';
import type { Page } from '../../src/event-store/event-store.js';
import type { Position } from '../../src/events/event.js';
import { follow, idsOf } from '../contract/harness.js';
import { many, sampleConnector } from '../contract/sample-events.js';
import {
  type Injection,
  type Proposal,
  startTestCluster,
  type TestServer,
} from '../support/esdb-server/index.js';
import {
  closing,
  eventually,
  followed,
  givenConnectedStore,
  givenServer,
  givenStore,
} from './eventstoredb-support.js';

const foreign = (type: string, bytes: number): Proposal => ({
  id: crypto.randomUUID(),
  type,
  contentType: 'application/octet-stream',
  data: Buffer.alloc(bytes),
  metadata: Buffer.alloc(0),
});

describe('a subscription', () => {
  it('from a position that is no record of the log ends at once, and says what to do', async () => {
    const server = await givenServer();
    const store = givenStore(server);
    await store.append([sampleConnector().fact()]);
    const after = 'esdb/600/600' as Position;

    await expect(followed(store, after, 1)).rejects.toMatchObject({
      code: 'EVENT_STORE_FAILED',
      message: expect.stringContaining('no record of its log): rebuild the read tables'),
    });
    expect(store.warnings).toEqual([]);
  });

  const faults: readonly [string, (server: TestServer) => unknown][] = [
    ['the server restarts', server => server.restart()],
    [
      'the server is down for a while',
      async server => {
        server.stop();
        await pause(250);
        await server.start();
      },
    ],
    [
      'it is refused again and again',
      server => {
        server.inject({ rpc: 'read', kind: 'refuse', times: 3 });
        return server.restart();
      },
    ],
    [
      'the server does not answer the next one',
      server => {
        server.inject({ rpc: 'read', kind: 'stall', times: 1 });
        return server.restart();
      },
    ],
  ];
  it.each(faults)('goes on where it was when %s', async (_, breakIt) => {
    const server = await givenServer();
    const store = await givenConnectedStore(server, { callTimeoutMs: 1_500 });
    const writer = givenStore(server, { callTimeoutMs: 1_500 });
    const connector = sampleConnector();
    const events = many(6, () => connector.fact());
    const seen: string[] = [];

    await follow(store, { after: undefined }, async page => {
      seen.push(...idsOf(page.events));
      const next = events[seen.length];
      if (!next) return true;
      if (seen.length % 2 === 1) await breakIt(server);
      await eventually(() =>
        writer.append([next]).then(
          () => true,
          () => false,
        ),
      );
      return false;
    });

    expect(seen).toEqual(idsOf(events));
    expect(store.warnings.length).toBeGreaterThan(0);
  });

  it('delivers every event once wherever it is cut off while it catches up', async () => {
    const server = await givenServer();
    const store = await givenConnectedStore(server);
    const connector = sampleConnector();
    const events = many(40, () => connector.fact());
    await store.append(events);
    for (const afterMessages of [0, 1, 2, 7, 39, 40, 41]) {
      server.inject({ rpc: 'read', kind: 'cut', afterMessages, times: 2 });

      const seen = await followed(store, undefined, events.length, 7);

      expect(idsOf(seen)).toEqual(idsOf(events));
      server.clearFaults();
    }
  });

  it('subscribes again when the server falls silent while it catches up', async () => {
    const server = await givenServer();
    const store = await givenConnectedStore(server, { callTimeoutMs: 6_000 });
    const connector = sampleConnector();
    const events = many(3, () => connector.fact());
    await store.append(events);
    server.inject({ rpc: 'read', kind: 'stall', times: 1 });

    expect(idsOf(await followed(store, undefined, 3))).toEqual(idsOf(events));
    expect(store.warnings).toEqual([expect.stringContaining('no answer in time')]);
  });

  it('keeps commit and prepare: every event of a transaction once, from each of its positions', async () => {
    const server = await givenServer();
    const store = givenStore(server);
    const connector = sampleConnector();
    await store.append(many(2, () => connector.fact()));
    const template = server.log.recorded[0] as Proposal;
    const transaction = many(5, () => ({
      stream: connector.stateStream,
      proposal: { ...template, id: crypto.randomUUID() },
    }));
    server.log.appendTransaction(transaction);
    await store.append([connector.fact()]);
    const all = server.log.recorded.map(({ id }) => id);

    const positions: (Position | undefined)[] = [undefined];
    await follow(store, { after: undefined, pageSize: 1 }, page => {
      if (page.events.length > 0) positions.push(page.position);
      return positions.length > all.length;
    });

    for (const [index, after] of positions.entries()) {
      const rest = all.slice(index);
      expect(idsOf(await store.readAll({ after, limit: 100 }))).toEqual(rest);
      expect(idsOf(await followed(store, after, rest.length))).toEqual(rest);
    }
    const given = positions.slice(1);
    expect([...given].sort(store.compare)).toEqual(given);
  });

  it('advances on a quiet stream in a busy store, and resumes from there', async () => {
    const server = await givenServer();
    const store = givenStore(server);
    const connector = sampleConnector();
    const { position: last } = await store.append([connector.fact()]);
    // More than twice what the server looks at in one go: it says where such a go began.
    for (let round = 0; round < 2; round++) {
      server.log.append(
        'somebody-elses',
        'any',
        many(900, () => foreign('other', 1_000)),
      );
    }
    let quiet: Page | undefined;

    await follow(store, { after: undefined }, page => {
      if (page.events.length === 0 && store.compare(page.position, last) > 0) quiet = page;
      return quiet !== undefined;
    });

    expect(quiet).toMatchObject({ events: [] });
    expect(await store.countAfter(quiet?.position)).toBe(0);
    const event = connector.fact();
    await store.append([event]);
    expect(idsOf(await followed(store, quiet?.position, 1))).toEqual([event.id]);
    expect(idsOf(await store.readAll({ after: quiet?.position, limit: 9 }))).toEqual([event.id]);
  });

  it('leaves no call behind, however it ends', async () => {
    const server = await givenServer();
    const store = givenStore(server);
    await store.append([sampleConnector().fact()]);
    const forEver = () => store.subscribe({ after: undefined, signal: new AbortController().signal });

    for await (const _ of forEver()) break;
    await eventually(() => server.log.followers === 0);
    await expect(async () => {
      for await (const _ of forEver()) throw new Error('the reader failed');
    }).rejects.toThrow('the reader failed');
    await eventually(() => server.log.followers === 0);
    await followed(store, undefined, 1);
    await eventually(() => server.log.followers === 0);
    const open = forEver()[Symbol.asyncIterator]();
    await open.next();
    expect(server.log.followers).toBe(1);
    await store.close();
    await eventually(() => server.log.followers === 0);
  });

  it('listens once to a signal that outlives it, however often it connects, and not at all when it is over', async () => {
    const server = await givenServer();
    const store = givenStore(server);
    const connector = sampleConnector();
    await store.append(many(60, () => connector.fact()));
    // Every second read looks whether the log is still the same, and is too short to be cut.
    server.inject({ rpc: 'read', kind: 'cut', afterMessages: 8, times: 24 });
    const { signal } = new AbortController();
    let events = 0;

    for await (const page of store.subscribe({ after: undefined, signal, pageSize: 5 })) {
      events += page.events.length;
      expect(getEventListeners(signal, 'abort')).toHaveLength(1);
      if (events === 60) break;
    }

    expect(store.warnings.length).toBeGreaterThan(10);
    expect(getEventListeners(signal, 'abort')).toEqual([]);
  });

  it('holds the server back for a slow reader', async () => {
    const server = await givenServer();
    const store = givenStore(server);
    const connector = sampleConnector();
    for (let batch = 0; batch < 10; batch++) await store.append(many(2_000, () => connector.fact()));
    const before = server.node.messagesSent;
    let sentWhileWaiting = 0;

    await follow(store, { after: undefined, pageSize: 10 }, async () => {
      await pause(300);
      sentWhileWaiting = server.node.messagesSent - before;
      return true;
    });

    expect(sentWhileWaiting).toBeGreaterThan(0);
    expect(sentWhileWaiting).toBeLessThan(5_000);
  });

  it('tells a failure to start, and a refusal later, and ends', async () => {
    const server = await givenServer();
    const unreached = givenStore(server);
    server.stop();
    await expect(followed(unreached, undefined, 1)).rejects.toMatchObject({ code: 'EVENT_STORE_FAILED' });
    await server.start();
    const store = await givenConnectedStore(server);
    const denied = { rpc: 'read', kind: 'deny' } satisfies Injection;

    const following = follow(store, { after: undefined }, async () => {
      server.inject(denied);
      await server.restart();
      return false;
    });

    await expect(following).rejects.toMatchObject({ code: 'EVENT_STORE_FAILED', transient: false });
  });
});

describe('a cluster', () => {
  const givenCluster = async () => closing(await startTestCluster());

  it.each(['url', 'discoverUrl'] as const)('is entered by its %s, also when a node is down', async how => {
    const cluster = await givenCluster();
    cluster.elect(2);
    cluster.nodes[1]?.stop();
    const store = givenStore({ url: cluster[how] });
    const event = sampleConnector().fact();

    expect((await store.append([event])).events).toMatchObject([{ isNew: true }]);
    expect(idsOf(await followed(store, undefined, 1))).toEqual([event.id]);
  });

  it('is followed to its new leader by appends and subscriptions, whether the old one lives or not', async () => {
    const cluster = await givenCluster();
    const store = givenStore(cluster);
    const connector = sampleConnector();
    const LEADERS = [0, 1, 2, 1, 2, 0];
    const events = LEADERS.map(() => connector.fact());
    const seen: string[] = [];

    await follow(store, { after: undefined }, async page => {
      seen.push(...idsOf(page.events));
      const next = events[seen.length];
      if (!next) return true;
      cluster.elect(LEADERS[seen.length] as number);
      // The leader of before, with everything that is connected to it.
      if (seen.length === 4) cluster.nodes[1]?.stop();
      await store.append([next]);
      return false;
    });

    expect(seen).toEqual(idsOf(events));
  });

  it('is reached by one node’s address, which says who leads', async () => {
    const cluster = await givenCluster();
    cluster.elect(1);
    const store = givenStore({ url: `esdb://localhost:${cluster.nodes[0]?.port}?tls=false` });

    expect((await store.append([sampleConnector().fact()])).events).toMatchObject([{ isNew: true }]);
  });

  it('without a leader is waited for, and no longer than the deadline', async () => {
    const cluster = await givenCluster();
    const store = givenStore(cluster, { callTimeoutMs: 1_000 });
    await store.head();
    cluster.elect(-1);
    for (const node of cluster.nodes) await node.restart();
    const event = sampleConnector().fact();

    await expect(store.append([event])).rejects.toMatchObject({ code: 'EVENT_STORE_FAILED' });
    cluster.elect(2);

    expect((await store.append([event])).events).toMatchObject([{ version: 1 }]);
  });
});
