/**
 * The test server and the real client: what the protocol promises, and what the client alone makes of a bad day. The
 * second half is why the adapter does not use it: each case goes wrong here and has its counterpart, which goes
 * right, among the adapter's tests.
 */
import { setTimeout as pause } from 'node:timers/promises';
import {
  type AllStreamSubscription,
  EventStoreDBClient,
  type JSONEventData,
  jsonEvent,
  streamNameFilter,
} from '@eventstore/db-client';
import { describe, expect, it, jest } from '@jest/globals';
import { many } from '../contract/sample-events.js';
import { startTestCluster } from '../support/esdb-server/index.js';
import { closing, eventually, givenServer } from './eventstoredb-support.js';

const givenClient = (url: string): EventStoreDBClient => {
  const client = EventStoreDBClient.connectionString(url);
  closing({ close: () => client.dispose() });
  return client;
};
const someEvent = (n = 0): JSONEventData =>
  jsonEvent({ type: 'Happened', data: { n }, metadata: { by: 'us' } });
/** Credentials of a call's own make the client leave the batch. */
const ALONE = { credentials: { username: 'admin', password: 'changeit' } };
const numberOf = ({ event }: { event?: { data: unknown } | undefined }) =>
  (event as { data: { n: number } }).data.n;
const numbers = async (events: AsyncIterable<{ event?: { data: unknown } | undefined }>) => {
  const read: number[] = [];
  for await (const event of events) read.push(numberOf(event));
  return read;
};
const next = (subscription: AllStreamSubscription, event: string) =>
  new Promise<unknown>(resolve => subscription.once(event as 'caughtUp', resolve as () => void));

describe('the test server, to the real client', () => {
  it.each([
    ['in a batch', {}],
    ['alone', ALONE],
  ])('takes appends %s, once each, and refuses conflicts', async (_, options) => {
    const server = await givenServer();
    const client = givenClient(server.url);
    const events = [someEvent(1), someEvent(2)];

    const first = await client.appendToStream('s', events, { expectedRevision: 'no_stream', ...options });
    const again = await client.appendToStream('s', events, { expectedRevision: 'no_stream', ...options });

    expect(first).toMatchObject({ success: true, nextExpectedRevision: 1n });
    expect(again).toEqual(first);
    await expect(
      client.appendToStream('s', someEvent(), { expectedRevision: 0n, ...options }),
    ).rejects.toMatchObject({ type: 'wrong-expected-version', actualVersion: 1n });
    server.log.tombstone('s');
    await expect(client.appendToStream('s', someEvent(), options)).rejects.toMatchObject({
      type: 'stream-deleted',
    });
  });

  it('reads streams and the log, both ways, from anywhere', async () => {
    const client = givenClient((await givenServer()).url);
    const { position } = await client.appendToStream('a', [1, 2, 3].map(someEvent));
    await client.appendToStream('b', [4, 5].map(someEvent));
    if (!position) throw new Error('no position');

    expect(await numbers(client.readStream('a', { fromRevision: 1n }))).toEqual([2, 3]);
    expect(await numbers(client.readStream('a', { direction: 'backwards', fromRevision: 'end' }))).toEqual([
      3, 2, 1,
    ]);
    // What the server wrote itself comes first.
    expect((await numbers(client.readAll())).slice(1)).toEqual([1, 2, 3, 4, 5]);
    expect(await numbers(client.readAll({ fromPosition: position, maxCount: 2 }))).toEqual([3, 4]);
    expect(
      await numbers(client.readAll({ direction: 'backwards', fromPosition: 'end', maxCount: 2 })),
    ).toEqual([5, 4]);
    await expect(numbers(client.readStream('none'))).rejects.toMatchObject({ type: 'stream-not-found' });
  });

  it('heeds a stream’s metadata, and deletes streams', async () => {
    const client = givenClient((await givenServer()).url);
    await client.appendToStream('s', [1, 2, 3].map(someEvent));
    await client.setStreamMetadata('s', { maxCount: 2 });
    expect(await numbers(client.readStream('s'))).toEqual([2, 3]);
    expect((await client.getStreamMetadata('s')).metadata).toEqual({ maxCount: 2 });

    await client.deleteStream('s');
    await expect(numbers(client.readStream('s'))).rejects.toMatchObject({ type: 'stream-not-found' });
    const { nextExpectedRevision } = await client.appendToStream('s', someEvent(4));
    expect(nextExpectedRevision).toBe(3n);
    expect(await numbers(client.readStream('s'))).toEqual([4]);
  });

  it('lets subscriptions catch up and go on, filtered with checkpoints', async () => {
    const client = givenClient((await givenServer()).url);
    const checkpoints: bigint[] = [];
    await client.appendToStream('ours-1', [1, 2].map(someEvent));
    await client.appendToStream('theirs', many(100, someEvent));
    const filter = streamNameFilter({
      prefixes: ['ours'],
      checkpointReached: async (_, { commit }) => void checkpoints.push(commit),
    });
    const subscription = client.subscribeToAll({ filter });
    const seen: unknown[] = [];
    subscription.on('data', event => seen.push(numberOf(event)));
    await next(subscription, 'caughtUp');

    await client.appendToStream('ours-2', someEvent(3));
    await eventually(() => seen.length === 3);

    expect(seen).toEqual([1, 2, 3]);
    expect(checkpoints.length).toBeGreaterThan(1);
    for (const [index, checkpoint] of checkpoints.entries()) {
      expect(checkpoint > (checkpoints[index - 1] ?? -1n)).toBe(true);
    }
    await subscription.unsubscribe();
  });

  it('speaks TLS and asks who is there', async () => {
    const server = await givenServer({ tls: true, users: { admin: 'changeit' } });
    const client = givenClient(server.url.replace('://', '://admin:changeit@'));
    const stranger = givenClient(server.url.replace('://', '://admin:guess@'));

    expect(await client.appendToStream('s', someEvent())).toMatchObject({ success: true });
    await expect(stranger.appendToStream('s', someEvent())).rejects.toMatchObject({ type: 'access-denied' });
  });

  it('is found by gossip', async () => {
    const cluster = closing(await startTestCluster());
    cluster.elect(1);
    const client = givenClient(cluster.discoverUrl);

    expect(await client.appendToStream('s', someEvent(), { requiresLeader: true })).toMatchObject({
      success: true,
    });
  });
});

describe('the client alone', () => {
  it('waits for ever for the answer to a batch append, whatever its deadline', async () => {
    const server = await givenServer();
    const client = givenClient(server.url);
    server.inject({ rpc: 'batchAppend', kind: 'stall' });

    const append = client.appendToStream('s', someEvent(), { deadline: 50 });
    append.catch(() => undefined);

    expect(await Promise.race([append, pause(500, 'still waiting')])).toBe('still waiting');
  });

  it('fails one client’s appends for another’s broken stream', async () => {
    const [broken, sound] = [await givenServer(), await givenServer()];
    const [one, other] = [givenClient(broken.url), givenClient(sound.url)];
    await other.appendToStream('s', someEvent());
    broken.inject({ rpc: 'batchAppend', kind: 'refuse' });
    // An answer that came after all would end the process: the client looks it up in the emptied map.
    sound.inject({ rpc: 'batchAppend', kind: 'stall' });

    const append = other.appendToStream('s', someEvent());
    append.catch(() => undefined);
    await pause(50);
    await expect(one.appendToStream('s', someEvent())).rejects.toThrow();

    await expect(append).rejects.toMatchObject({ type: 'unavailable' });
  });

  it('stores an append twice that it retries after a restart', async () => {
    const server = await givenServer();
    const client = givenClient(server.url);
    const event = someEvent(1);
    await client.appendToStream('s', event);
    await server.restart();

    await client.appendToStream('s', event).catch(() => client.appendToStream('s', event));

    expect(await numbers(client.readStream('s'))).toEqual([1, 1]);
  });

  it('stores twice what a batch has of an event that is there', async () => {
    const client = givenClient((await givenServer()).url);
    const [one, two] = [someEvent(1), someEvent(2)];
    await client.appendToStream('s', [two]);

    await client.appendToStream('s', [one, two]);

    expect(await numbers(client.readStream('s'))).toEqual([2, 1, 2]);
  });

  it('never subscribes again after a restart', async () => {
    const server = await givenServer();
    const client = givenClient(server.url);
    const subscription = client.subscribeToAll({ fromPosition: 'end' });
    const seen: unknown[] = [];
    subscription.on('data', event => seen.push(event));
    await next(subscription, 'caughtUp');
    const failed = next(subscription, 'error');
    await server.restart();
    await failed;

    const append = () => client.appendToStream('s', someEvent());
    await append().catch(append);

    await pause(300);
    expect(server.log.followers).toBe(0);
    expect(seen).toEqual([]);
  });

  it('keeps a subscription open whose reader has left', async () => {
    const server = await givenServer();
    const client = givenClient(server.url);
    await client.appendToStream('s', someEvent());

    for await (const _ of client.subscribeToAll()) break;

    await pause(200);
    expect(server.log.followers).toBe(1);
  });

  it('loses the rest of a transaction when it resumes from its commit alone', async () => {
    const server = await givenServer();
    const client = givenClient(server.url);
    await client.appendToStream('s', someEvent(0));
    const [template] = server.log.recorded;
    if (!template) throw new Error('nothing was stored');
    const proposals = [1, 2, 3].map(n => ({
      stream: 's',
      proposal: { ...template, id: crypto.randomUUID(), data: Buffer.from(JSON.stringify({ n })) },
    }));
    server.log.appendTransaction(proposals);
    const { commit } = server.log.recorded[1]?.position ?? { commit: 0n };

    const subscription = client.subscribeToAll({ fromPosition: { commit, prepare: commit } });
    const seen: unknown[] = [];
    subscription.on('data', event => seen.push(event));
    await next(subscription, 'caughtUp');

    expect(seen).toEqual([]);
    await subscription.unsubscribe();
  });

  it('drops credentials over plain text, and prints a connection string it does not understand', async () => {
    const server = await givenServer({ users: { admin: 'hunter2' } });
    const warn = jest.spyOn(console, 'warn').mockImplementation(() => undefined);
    const client = givenClient(`${server.url.replace('://', '://admin:hunter2@')}&colour=blue`);

    await expect(client.appendToStream('s', someEvent())).rejects.toMatchObject({ type: 'access-denied' });

    expect(String(warn.mock.calls)).toContain('hunter2');
    warn.mockRestore();
  });
});
