import { afterEach, expect, it } from '@jest/globals';
import { SCHEMA_VERSIONS } from '../../src/events/catalogue.js';
import { UPCASTERS } from '../../src/events/decode.js';
import type { Position, StoredEvent } from '../../src/events/event.js';
import { newEventId } from '../../src/events/ids.js';
import { isForgettable } from '../../src/events/streams.js';
import { follow, idsOf, readToHead, type Subject } from './harness.js';
import { many, sampleConnector } from './sample-events.js';

export function describeReading(subject: Subject): void {
  const { ConnectorStateHit } = UPCASTERS;
  afterEach(() => {
    UPCASTERS.ConnectorStateHit = ConnectorStateHit ?? {};
  });

  it('gives back what was appended', async () => {
    const { store } = subject;
    const connector = sampleConnector();
    const event = connector.fact({ correlationId: 'init-1', causationId: newEventId() });
    const plain = connector.fact();
    const { position } = await store.append([event, plain]);

    const [stored, storedPlain] = await store.readStream(connector.stateStream);

    // Who appended it, where the store puts that down by itself: PostgreSQL does, EventStoreDB does not.
    const { login, ...rest } = stored as StoredEvent;
    expect(typeof login).toMatch(/^(string|undefined)$/);
    expect(rest).toEqual({
      ...event,
      decoded: 'known',
      schemaVersion: SCHEMA_VERSIONS[event.type],
      version: 1,
      position: expect.stringMatching(new RegExp(`^${store.name}/`)),
      recordedAt: expect.any(Number),
    });
    expect(Number.isInteger(stored?.recordedAt)).toBe(true);
    expect(storedPlain?.position).toBe(position);
    expect(storedPlain?.correlationId).toBeUndefined();
    expect(storedPlain?.causationId).toBeUndefined();
  });

  it('reads a stream that does not exist as empty', async () => {
    const connector = sampleConnector();
    expect(await subject.store.readStream(connector.stateStream)).toEqual([]);
    expect(await subject.store.readStream(connector.hitsStream)).toEqual([]);
  });

  it('reads a stream both ways, from a version, up to a limit', async () => {
    const { store } = subject;
    const connector = sampleConnector();
    const facts = many(10, () => connector.fact());
    const hits = many(3, () => connector.hit());
    await store.append([...facts, ...hits]);
    const versions = async (options: Parameters<typeof store.readStream>[1]) =>
      (await store.readStream(connector.stateStream, options)).map(({ version }) => version);

    expect(await versions({})).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    expect(await versions({ limit: 3 })).toEqual([1, 2, 3]);
    expect(await versions({ fromVersion: 4, limit: 3 })).toEqual([4, 5, 6]);
    expect(await versions({ fromVersion: 9, limit: 5 })).toEqual([9, 10]);
    expect(await versions({ fromVersion: 11 })).toEqual([]);
    expect(await versions({ direction: 'backwards' })).toEqual([10, 9, 8, 7, 6, 5, 4, 3, 2, 1]);
    expect(await versions({ direction: 'backwards', limit: 1 })).toEqual([10]);
    expect(await versions({ direction: 'backwards', fromVersion: 4, limit: 3 })).toEqual([4, 3, 2]);
    expect(await versions({ direction: 'backwards', fromVersion: 99, limit: 1 })).toEqual([10]);
    expect(idsOf(await store.readStream(connector.hitsStream))).toEqual(idsOf(hits));
  });

  it('tells with a page which event lies where it begins', async () => {
    const { store } = subject;
    const connector = sampleConnector();
    const start = await store.head();
    const events = many(4, () => connector.fact());
    await store.append(events);
    const [first, second] = await readToHead(store, start);
    const at = { id: first?.id, position: first?.position };

    const from = await store.readFrom({ after: first?.position, limit: 2 });

    expect(from.at).toEqual(at);
    expect(idsOf(from.events)).toEqual(idsOf(events.slice(1, 3)));
    expect(from.events[0]).toEqual(second);
    expect((await store.readFrom({ after: undefined, limit: 1 })).at).toBeUndefined();
    const last = await store.last();
    expect(last).toEqual({ id: events.at(-1)?.id, position: await store.head() });
    expect(await store.readFrom({ after: last?.position, limit: 5 })).toEqual({ at: last, events: [] });
    await expect(store.readFrom({ after: last?.position, limit: 0 })).rejects.toMatchObject({
      code: 'INVALID_INPUT',
    });
  });

  it('gives the sums of what was forgotten to who reads their stream, and not by the page', async () => {
    const { store } = subject;
    const start = await store.head();
    const connector = sampleConnector();
    const { data, ...hit } = connector.hit();
    const sum = {
      id: hit.id,
      schemaVersion: 3,
      occurredAt: hit.occurredAt,
      recordedAt: hit.occurredAt,
      data,
    };
    const told = { forgetting: newEventId(), part: 1, parts: 1, by: 'test', before: hit.occurredAt };
    const forgotten = { ...told, until: `1@${connector.stateStream}`, entries: [sum, sum] };
    await store.append([connector.fact(), connector.fact({ type: 'HitsForgotten', data: forgotten })]);

    const listed = { decoded: 'known', data: { ...forgotten, entries: [] } };
    expect((await store.readAll({ after: start, limit: 2 })).at(-1)).toMatchObject(listed);
    expect((await store.readFrom({ after: start, limit: 2 })).events.at(-1)).toMatchObject(listed);
    const followed: StoredEvent[] = [];
    await follow(store, { after: start }, ({ events }) => followed.push(...events) >= 2);
    expect(followed.at(-1)).toMatchObject(listed);
    expect((await store.readStream(connector.stateStream)).at(-1)?.data).toEqual(forgotten);
  });

  it('is told from other logs by the first event that is kept for good', async () => {
    const { store } = subject;
    const connector = sampleConnector();
    await store.append([connector.hit()]);
    await store.append(many(2, () => connector.fact()));

    const identity = await store.identity();

    const kept = (await readToHead(store, undefined)).filter(({ stream }) => !isForgettable(stream));
    expect(identity).toBe(kept[0]?.id);
    expect(await (await subject.another()).identity()).toBe(identity);
  });

  it('does not subscribe behind an event that is not there', async () => {
    const { store } = subject;
    const connector = sampleConnector();
    await store.append(many(2, () => connector.fact()));
    const last = await store.last();
    const expecting = { id: newEventId(), position: last?.position as Position };

    await expect(follow(store, { after: last?.position, expecting }, () => true)).rejects.toMatchObject({
      code: 'PROJECTION_FAILED',
      remembered: expecting,
    });
  });

  it.each([0, -1, 1.5, Number.NaN])('refuses %p as a version or a limit', async value => {
    const { store } = subject;
    const { stateStream } = sampleConnector();
    const refused = { code: 'INVALID_INPUT' };

    await expect(store.readStream(stateStream, { limit: value })).rejects.toMatchObject(refused);
    await expect(store.readStream(stateStream, { fromVersion: value })).rejects.toMatchObject(refused);
    await expect(store.readAll({ limit: value })).rejects.toMatchObject(refused);
  });

  it('reads all streams in one order that agrees with the order of appends and of each stream', async () => {
    const { store } = subject;
    const start = await store.head();
    const connectors = many(20, sampleConnector);
    const appended = [];
    for (let round = 0; round < 5; round++) {
      const events = connectors.flatMap(connector => [connector.fact(), connector.hit()]);
      await store.append(events);
      appended.push(...events);
    }

    const read = await readToHead(store, start);

    expect(idsOf(read)).toEqual(idsOf(appended));
    for (const [index, event] of read.entries()) {
      expect(store.compare(read[index - 1]?.position ?? start, event.position)).toBeLessThan(0);
    }
    for (const { stateStream } of connectors) {
      const versions = read.filter(({ stream }) => stream === stateStream).map(({ version }) => version);
      expect(versions).toEqual([1, 2, 3, 4, 5]);
    }
  });

  it('reads after a position, exclusive, up to a limit', async () => {
    const { store } = subject;
    const connector = sampleConnector();
    const { events, position } = await store.append(many(5, () => connector.fact()));

    const stored = await store.readStream(connector.stateStream);

    const middle = await store.readAll({ after: stored[1]?.position, limit: 2 });

    expect(idsOf(middle)).toEqual(idsOf(events.slice(2, 4)));
    expect(await store.readAll({ after: position, limit: 10 })).toEqual([]);
  });

  it('says how much lies after a position, and compares positions', async () => {
    const { store } = subject;
    const connector = sampleConnector();
    const { position } = await store.append(many(5, () => connector.fact()));
    const [{ position: first } = { position: undefined }] = await store.readStream(connector.stateStream);

    expect(await store.head()).toBe(position);
    expect(await store.countAfter(position)).toBe(0);
    expect(await store.countAfter(first)).toBeGreaterThanOrEqual(4);
    expect(await store.countAfter(undefined)).toBeGreaterThanOrEqual(5);
    expect(store.compare(first, position)).toBeLessThan(0);
    expect(store.compare(position, first)).toBeGreaterThan(0);
    expect(store.compare(position, position)).toBe(0);
    expect(store.compare(undefined, first)).toBeLessThan(0);
    expect(store.compare(first, undefined)).toBeGreaterThan(0);
    expect(store.compare(undefined, undefined)).toBe(0);
  });

  it("refuses another store's position and says whose it is", async () => {
    const { store } = subject;
    const foreign = 'elsewhere/12' as Position;

    await expect(store.readAll({ after: foreign, limit: 1 })).rejects.toThrow(/"elsewhere"/);
    await expect(store.countAfter(foreign)).rejects.toMatchObject({ code: 'INVALID_INPUT' });
    expect(() => store.compare(foreign, undefined)).toThrow(/"elsewhere"/);
    expect(() => store.subscribe({ after: foreign, signal: new AbortController().signal })).toThrow(
      /"elsewhere"/,
    );
  });

  it('reads on past events that it cannot make sense of, and says why', async () => {
    const { store, harness } = subject;
    const connector = sampleConnector();
    const raw = { stream: connector.hitsStream, schemaVersion: 1, data: { count: 0 } };
    const [before, after] = [connector.hit(), connector.hit()];
    const start = await store.head();
    await store.append([before]);
    await harness.writeRaw({ ...raw, id: newEventId(), type: 'FromTheFuture', data: { some: ['thing'] } });
    await harness.writeRaw({ ...raw, id: newEventId(), type: 'ConnectorStateHit' });
    await harness.writeRaw({ ...raw, id: newEventId(), type: 'ConnectorStateHit', schemaVersion: 99 });
    await harness.writeRaw({ ...raw, id: newEventId(), type: 'ConnectorStateHit', schemaVersion: 0 });
    await store.append([after]);

    const read = await readToHead(store, start);

    expect(read).toMatchObject([
      { decoded: 'known', id: before.id },
      { decoded: 'unknown-type', type: 'FromTheFuture', data: { some: ['thing'] }, version: 2 },
      { decoded: 'invalid', problem: expect.stringContaining('tier'), data: { count: 0 } },
      { decoded: 'invalid', problem: expect.stringContaining('upgrade') },
      { decoded: 'invalid', problem: expect.stringContaining('no upcaster from schema version 0') },
      { decoded: 'known', id: after.id, version: 6 },
    ]);
    expect(await store.readStream(connector.hitsStream)).toEqual(read);
  });

  it('brings an older version of an event up to the current one', async () => {
    const { store, harness } = subject;
    const connector = sampleConnector();
    const event = connector.hit();
    const { count, ...older } = event.data as { count: number };
    UPCASTERS.ConnectorStateHit = { ...ConnectorStateHit, 0: data => ({ ...(data as object), count: 1 }) };

    await harness.writeRaw({ ...event, schemaVersion: 0, data: older });

    expect(await store.readStream(connector.hitsStream)).toMatchObject([
      { decoded: 'known', schemaVersion: 0, data: { ...older, count: 1 } },
    ]);
    expect(count).not.toBe(1);
  });
}
