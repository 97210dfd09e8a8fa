/** What a real server refuses or forgets, on the test server: rights, sizes, places that are no record's, scavenges. */
import { EventStoreDBClient, type JSONEventData, jsonEvent, streamNameFilter } from '@eventstore/db-client';
import { describe, expect, it } from '@jest/globals';
import type { TestServer } from '../support/esdb-server/index.js';
import { closing, eventually, givenServer } from './eventstoredb-support.js';

const clientOf = (server: TestServer, user = ''): EventStoreDBClient => {
  const client = EventStoreDBClient.connectionString(server.url.replace('://', `://${user}`));
  closing({ close: () => client.dispose() });
  return client;
};
const someEvent = (data: Record<string, unknown> = {}): JSONEventData =>
  jsonEvent({ type: 'Happened', data });
const count = async (events: AsyncIterable<unknown>) => {
  let number = 0;
  for await (const _ of events) number += 1;
  return number;
};
const DENIED = { type: 'access-denied' };

describe('rights', () => {
  const given = async () => {
    const users = { admin: 'a', limited: 'l', auditor: { password: 'x', groups: ['readers'] } };
    const server = await givenServer({ tls: true, users });
    return {
      server,
      users,
      admin: clientOf(server, 'admin:a@'),
      limited: clientOf(server, 'limited:l@'),
      auditor: clientOf(server, 'auditor:x@'),
    };
  };

  it('let every user do anything with users’ streams, and nothing with the system’s', async () => {
    const { limited, admin } = await given();

    await limited.appendToStream('s', someEvent());

    expect(await count(limited.readStream('s'))).toBe(1);
    await expect(count(limited.readAll({ maxCount: 1 }))).rejects.toMatchObject(DENIED);
    await expect(limited.appendToStream('$x', someEvent())).rejects.toMatchObject(DENIED);
    expect(await count(admin.readAll({ maxCount: 1 }))).toBe(1);
  });

  it('go by a stream’s own list, which names users or groups', async () => {
    const { admin, limited, auditor } = await given();
    await admin.setStreamMetadata('s', { acl: { readRoles: ['readers'], writeRoles: ['limited'] } } as never);

    await limited.appendToStream('s', someEvent());

    await expect(count(limited.readStream('s'))).rejects.toMatchObject(DENIED);
    expect(await count(auditor.readStream('s'))).toBe(1);
    await expect(auditor.appendToStream('s', someEvent())).rejects.toMatchObject(DENIED);
  });

  it('go by $settings where a stream has none', async () => {
    const { admin, limited } = await given();
    const settings = { $userStreamAcl: { $w: '$admins' }, $systemStreamAcl: { $r: ['limited'] } };

    await admin.appendToStream('$settings', jsonEvent({ type: 'update-default-acl', data: settings }));

    await expect(limited.appendToStream('s', someEvent())).rejects.toMatchObject(DENIED);
    expect(await count(limited.readAll({ maxCount: 1 }))).toBe(1);
  });

  it('can be taken while the server runs', async () => {
    const { users, limited } = await given();
    await limited.appendToStream('s', someEvent());

    Object.assign(users, { limited: 'another password' });

    await expect(count(limited.readStream('s'))).rejects.toMatchObject(DENIED);
  });
});

describe('limits', () => {
  it('of an append can be lowered, and count its data', async () => {
    const server = await givenServer();
    const client = clientOf(server);
    server.log.maxAppendBytes = 100;

    await client.appendToStream('s', someEvent({ x: 'y'.repeat(92) }));

    await expect(client.appendToStream('s', someEvent({ x: 'y'.repeat(93) }))).rejects.toMatchObject({
      type: 'maximum-append-size-exceeded',
      maxAppendSize: 100,
    });
  });

  it('of calls on one connection: the 101st waits until one has ended', async () => {
    const server = await givenServer();
    const client = clientOf(server);
    await client.appendToStream('s', someEvent());
    const subscriptions = Array.from({ length: 120 }, () => client.subscribeToStream('s'));
    let confirmed = 0;
    for (const subscription of subscriptions) subscription.on('confirmation', () => confirmed++);

    // The batch of appends is one call too.
    await eventually(() => confirmed === 99);
    await subscriptions[0]?.unsubscribe();

    await eventually(() => confirmed === 100);
    for (const subscription of subscriptions.slice(1)) await subscription.unsubscribe();
  });

  it('of places: one that is no record’s is invalid, one beyond the end is empty', async () => {
    const client = clientOf(await givenServer());
    await client.appendToStream('s', someEvent());
    const from = (place: bigint) => client.readAll({ fromPosition: { commit: place, prepare: place } });

    await expect(count(from(600n))).rejects.toMatchObject({ type: 'unknown' });
    expect(await count(from(1_000_000n))).toBe(0);
  });
});

describe('forgetting', () => {
  it('a scavenge removes from $all what metadata hides; whoever follows goes on', async () => {
    const server = await givenServer();
    const client = clientOf(server);
    const seen: unknown[] = [];
    const subscription = client.subscribeToAll({ filter: streamNameFilter({ prefixes: ['s'] }) });
    subscription.on('data', ({ event }) => seen.push((event?.data as { n?: number } | undefined)?.n));
    await client.appendToStream(
      's',
      [1, 2, 3].map(n => someEvent({ n })),
    );
    await client.setStreamMetadata('s', { maxCount: 1 });
    await eventually(() => seen.length === 3);

    server.log.scavenge();
    await client.appendToStream('s', someEvent({ n: 4 }));

    await eventually(() => seen.length === 4);
    expect(server.log.recorded.map(({ revision }) => revision)).toEqual([2, 3]);
    await subscription.unsubscribe();
  });

  it('a tombstone is an event of its stream in $all', async () => {
    const client = clientOf(await givenServer());
    await client.appendToStream('s', someEvent());

    await client.tombstoneStream('s');

    for await (const { event } of client.readAll({
      direction: 'backwards',
      fromPosition: 'end',
      maxCount: 1,
    })) {
      expect(event).toMatchObject({ type: '$streamDeleted', streamId: 's', revision: 2n ** 63n - 1n });
    }
  });
});
