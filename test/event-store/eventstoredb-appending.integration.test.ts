/** Appending over bad networks and to odd streams: what only EventStoreDB brings, beside the contract. */
import { setTimeout as pause } from 'node:timers/promises';
import { EventStoreDBClient, jsonEvent } from '@eventstore/db-client';
import { describe, expect, it } from '@jest/globals';
import type { RawEvent } from '../../src/events/decode.js';
import type { Position } from '../../src/events/event.js';
import { handOn } from '../../src/events/ids.js';
import { idsOf, readToHead } from '../contract/harness.js';
import { many, sampleConnector } from '../contract/sample-events.js';
import type { Injection, TestServer } from '../support/esdb-server/index.js';
import {
  closing,
  eventually,
  givenConnectedStore,
  givenServer,
  givenStore,
  type Store,
} from './eventstoredb-support.js';

/** An attempt has a third of it. */
const CALL_TIMEOUT_MS = 4_500;
const flags = (result: { events: readonly { isNew: boolean }[] }) => result.events.map(({ isNew }) => isNew);
const metadataOf = (server: TestServer, stream: string) =>
  server.log.events
    .filter(event => event.stream === `$$${stream}`)
    .map(({ data }) => JSON.parse(Buffer.from(data).toString()));
const setMetadata = (server: TestServer, stream: string, json: string) =>
  server.log.append(`$$${stream}`, 'any', [
    {
      id: crypto.randomUUID(),
      type: '$metadata',
      contentType: 'application/json',
      data: Buffer.from(json),
      metadata: Buffer.alloc(0),
    },
  ]);

describe('an append that loses its answer', () => {
  const losses: readonly [string, Injection][] = [
    ['the answer is lost', { rpc: 'batchAppend', kind: 'lose-answer', times: 1 }],
    ['the server does not answer', { rpc: 'batchAppend', kind: 'stall', times: 1 }],
    ['the server refuses', { rpc: 'batchAppend', kind: 'refuse', times: 2 }],
    ['the first attempt arrives late', { rpc: 'batchAppend', kind: 'slow', delayMs: 500, times: 1 }],
    ['the read before it is cut off', { rpc: 'read', kind: 'cut', afterMessages: 0, times: 1 }],
    ['the read before it is not answered', { rpc: 'read', kind: 'stall', times: 1 }],
  ];
  it.each(losses)('stores once and says so when %s', async (_, injection) => {
    const server = await givenServer();
    const store = await givenConnectedStore(server, { callTimeoutMs: CALL_TIMEOUT_MS });
    const [a, b] = [sampleConnector(), sampleConnector()];
    await store.append([a.fact()]);
    const events = [a.fact(), a.fact(), b.hit(), b.fact()];
    server.inject(injection);

    const result = await store.append(events);

    expect(flags(result)).toEqual([true, true, true, true]);
    expect(result.events.map(({ version }) => version)).toEqual([2, 3, 1, 1]);
    if (injection.kind === 'slow') await pause(injection.delayMs);
    const stored = (await readToHead(store, undefined)).slice(1);
    expect(idsOf(stored).sort()).toEqual(idsOf(events).sort());
    for (const { id, version } of stored) {
      expect(result.events).toContainEqual(expect.objectContaining({ id, version }));
    }
    expect(result.position).toBe(stored.at(-1)?.position);
  });

  it('stores once although the server restarts in between and forgets', async () => {
    const server = await givenServer();
    const store = await givenConnectedStore(server);
    const connector = sampleConnector();
    const events = many(3, () => connector.fact());
    server.inject({ rpc: 'batchAppend', kind: 'lose-answer', times: 1 });

    const appending = store.append(events);
    while (server.log.recorded.length === 0) await pause(1);
    await server.restart();

    expect(flags(await appending)).toEqual([true, true, true]);
    expect(idsOf(await store.readStream(connector.stateStream))).toEqual(idsOf(events));
  });

  it('stores once what another process retries, also where others have appended behind it', async () => {
    const server = await givenServer();
    const connector = sampleConnector();
    const retried = many(2, () => connector.fact());
    const others = many(100, () => connector.fact());
    const first = givenStore(server);
    await first.append(retried);
    await first.append(others);
    await server.restart();

    const result = await givenStore(server).append([...retried, connector.fact()]);

    expect(flags(result)).toEqual([false, false, true]);
    expect(await first.readStream(connector.stateStream)).toHaveLength(103);
  });

  it('says so when another process stored the event since this one last looked', async () => {
    const server = await givenServer();
    const [here, there] = [givenStore(server), givenStore(server)];
    const connector = sampleConnector();
    const event = connector.fact();
    await pause(2);
    await here.append([connector.fact()]);
    await there.append([event]);

    expect(flags(await here.append([event]))).toEqual([false]);
  });
});

describe('several processes on one stream', () => {
  it('lets one come in that has to read first, while others append again and again', async () => {
    const server = await givenServer();
    const [reader, ...writers] = many(4, () => givenStore(server, { callTimeoutMs: 30_000 })) as [
      Store,
      ...Store[],
    ];
    const connector = sampleConnector();
    let isOver = false;
    const writing = writers.map(async store => {
      let count = 0;
      for (; !isOver; count += 1) await store.append([connector.fact()]);
      return count;
    });
    const retried = many(2, () => connector.fact());
    // Sent before, so that the next to append them has to look whether they are there.
    for (const { id } of retried) handOn(id);

    for (const event of retried) expect(flags(await reader.append([event]))).toEqual([true]);

    isOver = true;
    const counts = await Promise.all(writing);
    const stored = await reader.readStream(connector.stateStream);
    expect(stored).toHaveLength(counts.reduce((sum, count) => sum + count, retried.length));
    expect(new Set(idsOf(stored)).size).toBe(stored.length);
  });
});

describe('a deadline', () => {
  it('ends an append that nobody answers, and a retry completes what it left', async () => {
    const server = await givenServer();
    const store = await givenConnectedStore(server, { callTimeoutMs: CALL_TIMEOUT_MS });
    const connectors = many(3, sampleConnector);
    const events = connectors.map(connector => connector.fact());
    const heal = server.inject({ rpc: 'batchAppend', kind: 'stall', skip: 1 });

    await expect(store.append(events)).rejects.toMatchObject({
      code: 'EVENT_STORE_FAILED',
      transient: true,
      message: expect.stringMatching(/within 4500 ms( \(.*\))?: retry with the same event ids/),
    });
    heal();

    expect(flags(await store.append(events))).toEqual([false, true, true]);
    expect(idsOf(await readToHead(store, undefined))).toEqual(idsOf(events));
  });

  it('ends with the caller’s signal, and with the store', async () => {
    const server = await givenServer();
    const store = await givenConnectedStore(server);
    server.inject({ kind: 'stall' });
    const stop = new AbortController();

    const aborted = store.append([sampleConnector().fact()], { signal: stop.signal });
    const closed = store.append([sampleConnector().fact()]);
    stop.abort();
    await expect(aborted).rejects.toThrow(/signal/);
    await store.close();

    await expect(closed).rejects.toMatchObject({ code: expect.stringMatching(/EVENT_STORE_FAILED|CLOSED/) });
  });
});

describe('appends of one process to one stream', () => {
  it('travel together', async () => {
    const server = await givenServer();
    const store = await givenConnectedStore(server);
    const connector = sampleConnector();
    await store.append([connector.fact()]);
    let writes = 0;
    server.log.onAppend(() => {
      writes += 1;
    });

    const results = await Promise.all(many(50, () => store.append([connector.fact(), connector.fact()])));

    expect(writes).toBe(1);
    expect(results.map(({ events }) => events.map(({ version }) => version))).toEqual(
      many(50, index => [2 + index * 2, 3 + index * 2]),
    );
  });

  it('lie in it in the order made, also around one that depends on a version', async () => {
    const store = givenStore(await givenServer());
    const connector = sampleConnector();
    const events = many(9, () => connector.fact());
    const at = (version: number) => ({ expectedVersions: { [connector.stateStream]: version } });

    const outcomes = await Promise.allSettled([
      ...events.slice(0, 4).map(event => store.append([event])),
      store.append([connector.fact()], at(99)),
      store.append([events[4] as (typeof events)[0]], at(4)),
      ...events.slice(5).map(event => store.append([event])),
    ]);

    expect(outcomes.map(({ status }) => status).filter(status => status === 'rejected')).toHaveLength(1);
    expect(outcomes[4]).toMatchObject({ reason: { code: 'VERSION_CONFLICT', expected: 99, actual: 4 } });
    expect(idsOf(await store.readStream(connector.stateStream))).toEqual(idsOf(events));
  });

  it('each fail by themselves when the server refuses one for good', async () => {
    const server = await givenServer();
    const store = await givenConnectedStore(server);
    const [shared, deleted] = [sampleConnector(), sampleConnector()];
    await store.append([shared.fact(), deleted.fact()]);
    server.log.tombstone(deleted.stateStream);
    const [before, bad, after] = [[shared.fact()], [shared.fact(), deleted.fact()], [shared.fact()]] as const;

    const outcomes = await Promise.allSettled([before, bad, after].map(events => store.append(events)));

    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    expect(outcomes[1]).toMatchObject({ reason: { message: expect.stringContaining('deleted for good') } });
    expect(outcomes.flatMap(outcome => (outcome.status === 'fulfilled' ? flags(outcome.value) : []))).toEqual(
      [true, true],
    );
    const stored = idsOf(await store.readStream(shared.stateStream));
    expect(stored.filter(id => id === before[0].id || id === after[0].id)).toEqual(
      idsOf([...before, ...after]),
    );
    expect(new Set(stored).size).toBe(stored.length);
  });

  it('each end by themselves when one caller no longer waits', async () => {
    const server = await givenServer();
    const store = await givenConnectedStore(server);
    const connector = sampleConnector();
    await store.append([connector.fact()]);
    const stop = new AbortController();
    server.inject({ rpc: 'batchAppend', kind: 'slow', delayMs: 200, times: 1 });

    const given = store.append([connector.fact()], { signal: stop.signal });
    const others = many(3, () => store.append([connector.fact()]));
    await pause(50);
    stop.abort();

    await expect(given).rejects.toThrow(/signal/);
    for (const other of await Promise.all(others)) expect(flags(other)).toEqual([true]);
  });

  it('are stored once each when the answer to all is lost', async () => {
    const server = await givenServer();
    const store = await givenConnectedStore(server);
    const connector = sampleConnector();
    const events = many(10, () => connector.fact());
    await store.append([connector.hit()]);
    server.inject({ rpc: 'batchAppend', kind: 'lose-answer', times: 1 });

    const results = await Promise.all(events.map(event => store.append([event])));

    expect(results.map(flags)).toEqual(many(10, () => [true]));
    expect(idsOf(await store.readStream(connector.stateStream))).toEqual(idsOf(events));
  });
});

describe('a server that does not say where an append lies', () => {
  it('is asked for it', async () => {
    const server = await givenServer();
    const store = await givenConnectedStore(server);
    const connector = sampleConnector();
    server.inject({ rpc: 'batchAppend', kind: 'withhold-position' });

    const { position } = await store.append(many(3, () => connector.fact()));

    expect(position).toBe(await store.head());
  });
});

describe('two clients in one process', () => {
  it('do not disturb each other', async () => {
    const [broken, sound] = [await givenServer(), await givenServer()];
    const [one, other] = [await givenConnectedStore(broken), await givenConnectedStore(sound)];
    const foreign = EventStoreDBClient.connectionString(broken.url);
    closing({ close: () => foreign.dispose() });
    broken.inject({ rpc: 'batchAppend', kind: 'refuse' });
    sound.inject({ rpc: 'batchAppend', kind: 'slow', delayMs: 200, times: 1 });
    const connector = sampleConnector();

    const appending = other.append([connector.fact()]);
    const failing = one.append([sampleConnector().fact()]);
    failing.catch(() => undefined);
    await expect(foreign.appendToStream('x', jsonEvent({ type: 'x', data: {} }))).rejects.toThrow();

    expect(flags(await appending)).toEqual([true]);
    expect(other.warnings).toEqual([]);
    await one.close();
    await expect(failing).rejects.toThrow();
  });
});

describe('what only this store’s streams can do', () => {
  it('keeps the events of each append together and in order while processes compete for the streams', async () => {
    const server = await givenServer();
    const connectors = many(3, sampleConnector);
    const stores = many(3, () => givenStore(server));
    const appends = many(60, () => connectors.flatMap(connector => many(3, () => connector.fact())));

    await Promise.all(appends.map((append, index) => stores[index % stores.length]?.append(append)));

    for (const { stateStream } of connectors) {
      const stored = idsOf(await (stores[0] as (typeof stores)[0]).readStream(stateStream));
      const inThrees = many(60, index => stored.slice(index * 3, index * 3 + 3).join());
      const given = appends.map(append =>
        append
          .filter(({ stream }) => stream === stateStream)
          .map(({ id }) => id)
          .join(),
      );
      expect(inThrees.sort()).toEqual(given.sort());
    }
  });

  it('lets others in while one process appends without end', async () => {
    const server = await givenServer();
    const [busy, other] = [givenStore(server), givenStore(server)];
    const connector = sampleConnector();
    let isEnough = false;
    const appending = (async () => {
      while (!isEnough) await busy.append([connector.fact()]);
    })();
    appending.catch(() => undefined);
    await eventually(() => server.log.recorded.length > 100);

    const results = [];
    for (let i = 0; i < 10; i++) results.push(await other.append([connector.fact()]));
    isEnough = true;
    await appending;

    expect(results.map(flags)).toEqual(many(10, () => [true]));
  });

  it('splits what is larger than the server takes at once, and keeps its order', async () => {
    const server = await givenServer();
    const store = givenStore(server);
    const connector = sampleConnector();
    const events = many(6_000, () => connector.fact({ correlationId: 'x'.repeat(200) }));

    const options = { expectedVersions: { [connector.stateStream]: 'no-stream' } } as const;
    const result = await store.append(events, options);

    expect(result.events.map(({ version }) => version)).toEqual(many(6_000, index => index + 1));
    expect(idsOf(await store.readStream(connector.stateStream))).toEqual(idsOf(events));
  });

  it('appends to a stream whose events have all been dropped', async () => {
    const server = await givenServer();
    const connector = sampleConnector();
    await givenStore(server).append(many(3, () => connector.hit()));
    setMetadata(server, connector.hitsStream, '{"$tb":3}');

    const result = await givenStore(server).append([connector.hit()]);

    expect(result.events).toMatchObject([{ version: 4, isNew: true }]);
    expect(await givenStore(server).readStream(connector.hitsStream)).toHaveLength(1);
  });

  it('appends to a stream that was deleted, and says what it may not when that was for good', async () => {
    const server = await givenServer();
    const store = givenStore(server);
    const [soft, hard] = [sampleConnector(), sampleConnector()];
    await store.append([soft.fact(), hard.fact()]);
    server.log.softDelete(soft.stateStream);
    server.log.tombstone(hard.stateStream);

    expect(await store.readStream(soft.stateStream)).toEqual([]);
    expect((await givenStore(server).append([soft.fact()])).events).toMatchObject([{ version: 2 }]);
    await expect(givenStore(server).append([hard.fact()])).rejects.toMatchObject({
      code: 'EVENT_STORE_FAILED',
      transient: false,
      message: expect.stringContaining('deleted for good'),
    });
  });

  it('lets forgotten hits go, and nothing else', async () => {
    const server = await givenServer();
    const [connector, kept] = [sampleConnector(), sampleConnector()];
    // As an older release set it: what it hides is recorded nowhere.
    setMetadata(server, connector.hitsStream, '{"$maxCount":100,"note":"keep me","$maxAge":7776000}');
    const store = givenStore(server);
    await store.append(many(5, () => connector.hit()));
    await store.append([connector.fact()]);
    const until = (await store.last())?.position as Position;
    await store.append([connector.hit(), kept.hit(), connector.fact()]);
    const before = Date.now() + 3_600_000;

    expect(await store.dropForgotten?.({ before, until })).toBe(4);
    expect(await store.dropForgotten?.({ before, until })).toBe(0);

    expect(metadataOf(server, connector.hitsStream).at(-1)).toEqual({
      $maxCount: 100,
      note: 'keep me',
      $tb: 4,
    });
    expect(metadataOf(server, kept.hitsStream)).toEqual([]);
    expect(metadataOf(server, connector.stateStream)).toEqual([]);
    expect(await store.readStream(connector.hitsStream)).toMatchObject([{ version: 5 }, { version: 6 }]);
    server.log.scavenge();
    expect(await store.readAll({ limit: 20 })).toHaveLength(5);
    expect((await store.append([connector.hit()])).events).toMatchObject([{ version: 7 }]);
    expect(await store.dropForgotten?.({ before: 0, until })).toBe(0);
  });

  it('says that it may not let hits go', async () => {
    const server = await givenServer();
    const store = await givenConnectedStore(server);
    const connector = sampleConnector();
    await store.append([connector.hit(), connector.hit(), connector.hit()]);
    await store.append([connector.fact()]);
    const until = (await store.last())?.position as Position;
    server.inject({ rpc: 'batchAppend', kind: 'deny', times: 1 });

    await expect(store.dropForgotten?.({ before: Date.now() + 3_600_000, until })).rejects.toMatchObject({
      code: 'EVENT_STORE_FAILED',
      message: expect.stringContaining('access denied'),
    });
  });

  it('says whose right is missing, and stores nothing', async () => {
    const server = await givenServer();
    const store = givenStore(server);
    server.inject({ rpc: 'batchAppend', kind: 'deny', times: 1 });

    await expect(store.append([sampleConnector().fact()])).rejects.toMatchObject({
      code: 'EVENT_STORE_FAILED',
      transient: false,
      message: expect.stringMatching(/access denied.*give it the right/),
    });
    expect(server.log.recorded).toEqual([]);
  });
});

describe('importing', () => {
  const rawEvents = (): RawEvent[] => {
    const [a, b] = [sampleConnector(), sampleConnector()];
    return many(40, index => {
      const event = index % 3 === 0 ? a.fact() : index % 3 === 1 ? b.fact() : a.hit();
      return {
        ...event,
        schemaVersion: index % 4,
        version: 0,
        position: 'pg/1' as Position,
        recordedAt: 1_700_000_000_000 + index,
        ...(index % 2 === 0 && { correlationId: `c-${index}` }),
      };
    });
  };
  const content = ({ position, version, ...rest }: RawEvent) => rest;

  it('keeps ids, times, schema versions and the order given, and stores nothing twice', async () => {
    const server = await givenServer();
    const events = rawEvents();
    expect(await givenStore(server).importRaw(events.slice(0, 25))).toBe(25);
    await server.restart();

    const store = givenStore(server);
    expect(await store.importRaw([...events, ...events.slice(35)])).toBe(15);
    expect(await store.importRaw(events.slice(10, 30))).toBe(0);

    const stored = await store.readRaw({ limit: 100 });
    expect(stored.map(content)).toEqual(events.map(content));
    expect(await store.lastRaw()).toEqual(stored.at(-1));
    expect((await store.readAll({ limit: 1 }))[0]?.recordedAt).toBe(1_700_000_000_000);
  });

  it('leaves a beginning when it is broken off', async () => {
    const server = await givenServer();
    const events = rawEvents();
    const store = await givenConnectedStore(server, { callTimeoutMs: 6_000 });
    server.inject({ rpc: 'batchAppend', kind: 'deny', skip: 17 });

    await expect(store.importRaw(events)).rejects.toMatchObject({ code: 'EVENT_STORE_FAILED' });

    const stored = idsOf(await store.readRaw({ limit: 100 }));
    expect(stored).toEqual(idsOf(events).slice(0, stored.length));
    expect(stored.length).toBeGreaterThan(0);
  });
});
