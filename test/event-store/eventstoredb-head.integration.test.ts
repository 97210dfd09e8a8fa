/** What is said of the end of the log is so: from a follower that lags, behind a burst, behind streams deleted for good. */
import { setTimeout as pause } from 'node:timers/promises';
import { EventStoreDBClient } from '@eventstore/db-client';
import { describe, expect, it } from '@jest/globals';
import { follow, idsOf } from '../contract/harness.js';
import { many, sampleConnector } from '../contract/sample-events.js';
import { startTestCluster } from '../support/esdb-server/index.js';
import { closing, eventually, givenServer, givenStore } from './eventstoredb-support.js';

describe('read from a follower that lags', () => {
  /** Every store takes one of two followers by chance, of which one no longer gets anything. */
  async function givenLaggingFollower() {
    const cluster = closing(await startTestCluster());
    const writer = givenStore(cluster);
    const connector = sampleConnector();
    const before = many(5, () => connector.fact());
    await writer.append(before);
    cluster.lag(1);
    const events = many(20, () => connector.fact());
    const { position } = await writer.append(events);
    const readers = many(6, () => givenStore({ url: `${cluster.url}&nodePreference=follower` }));
    return { cluster, writer, connector, readers, position, all: [...before, ...events] };
  }

  it('pages, streams, the head and the count are the leader’s where the log ends', async () => {
    const { readers, connector, position, all } = await givenLaggingFollower();
    for (const reader of readers) {
      expect(idsOf(await reader.readAll({ limit: 100 }))).toEqual(idsOf(all));
      expect(idsOf((await reader.readFrom({ limit: 100 })).events)).toEqual(idsOf(all));
      expect(idsOf(await reader.readStream(connector.stateStream))).toEqual(idsOf(all));
      expect(await reader.head()).toBe(position);
      expect(await reader.countAfter(undefined)).toBe(25);
    }
  });

  it('a subscription does not say that it has caught up before it has', async () => {
    const { cluster, readers, all } = await givenLaggingFollower();
    const following = readers.map(async reader => {
      const seen: string[] = [];
      await follow(reader, { after: undefined }, page => {
        seen.push(...idsOf(page.events));
        return page.caughtUp;
      });
      return seen;
    });
    await pause(50);
    cluster.catchUp(1);

    for (const seen of await Promise.all(following)) expect(seen).toEqual(idsOf(all));
  });
});

describe.each(['24.2.0', '23.10.8'] as const)('a slow reader of %s', version => {
  it('is told that it has caught up when it has, and is given full pages until then', async () => {
    const server = await givenServer({ version });
    const [store, writer] = [givenStore(server), givenStore(server)];
    const connectors = many(10, sampleConnector);
    const fact = (index: number) =>
      connectors[index % 10]?.fact() as ReturnType<(typeof connectors)[0]['fact']>;
    await writer.append(many(100, fact));
    const sizes: number[] = [];
    let count = 0;

    await follow(store, { after: undefined, pageSize: 50 }, async page => {
      if (sizes.length === 0) {
        for (let burst = 0; burst < 6; burst++) await writer.append(many(500, fact));
      }
      sizes.push(page.events.length);
      count += page.events.length;
      return page.caughtUp;
    });

    expect(count).toBe(3_100);
    expect(sizes.filter(size => size > 0 && size < 50).length).toBeLessThanOrEqual(3);
  });
});

describe('streams deleted for good', () => {
  it('leave records that are no events, and hide none', async () => {
    const server = await givenServer();
    const store = givenStore(server);
    const connector = sampleConnector();
    const gone = many(40, sampleConnector);
    const kept = many(6, () => connector.fact());
    const client = EventStoreDBClient.connectionString(server.url);
    await store.append(kept.slice(0, 3));
    for (const { stateStream } of gone) await client.tombstoneStream(stateStream);
    await store.append(kept.slice(3, 5));
    const { position } = await store.append(kept.slice(5));
    for (const { hitsStream } of gone) await client.tombstoneStream(hitsStream);
    await client.dispose();

    expect(await store.head()).toBe(position);
    expect(await store.countAfter(undefined)).toBe(6);
    for (const limit of [1, 2, 3, 4, 6, 100]) {
      expect(idsOf(await store.readAll({ limit }))).toEqual(idsOf(kept.slice(0, limit)));
      expect(idsOf((await store.readFrom({ limit })).events)).toEqual(idsOf(kept.slice(0, limit)));
    }
    const seen: string[] = [];
    await follow(store, { after: undefined, pageSize: 2 }, page => {
      seen.push(...idsOf(page.events));
      return page.caughtUp;
    });
    expect(seen).toEqual(idsOf(kept));
    await eventually(() => store.warnings.length === 0);
  });
});
