import { expect, it } from '@jest/globals';
import type { AppendResult } from '../../src/event-store/event-store.js';
import type { NewEvent } from '../../src/events/event.js';
import { idsOf, readToHead, type Subject } from './harness.js';
import { many, sampleConnector } from './sample-events.js';

const flags = (result: AppendResult) => result.events.map(({ isNew }) => isNew);
const versions = (result: AppendResult) => result.events.map(({ version }) => version);

export function describeAppending(subject: Subject): void {
  it('stores events of many streams and says what became of each', async () => {
    const { store } = subject;
    const [a, b] = [sampleConnector(), sampleConnector()];
    const events = [a.fact(), b.fact(), a.hit(), a.fact(), b.hit()];

    const result = await store.append(events);

    expect(idsOf(result.events)).toEqual(idsOf(events));
    expect(result.events.map(({ stream }) => stream)).toEqual(events.map(({ stream }) => stream));
    expect(versions(result)).toEqual([1, 1, 1, 2, 1]);
    expect(flags(result)).toEqual([true, true, true, true, true]);
    expect(result.position?.startsWith(`${store.name}/`)).toBe(true);
    expect(await store.head()).toBe(result.position);
  });

  it('gives each of many appends at once its own result', async () => {
    const { store } = subject;
    const [a, b] = [sampleConnector(), sampleConnector()];
    const repeated = a.fact();
    await store.append([repeated]);
    const appends = many(40, index =>
      index % 4 === 0 ? [a.fact(), repeated, b.fact()] : [index % 2 === 0 ? a.fact() : b.fact()],
    );

    const results = await Promise.all(appends.map(events => store.append(events)));

    const stored = [...(await store.readStream(a.stateStream)), ...(await store.readStream(b.stateStream))];
    const versionById = new Map(stored.map(({ id, version }) => [id, version]));
    expect(versionById.size).toBe(stored.length);
    expect(stored).toHaveLength(1 + appends.flat().filter(event => event !== repeated).length);
    for (const [index, result] of results.entries()) {
      const events = appends[index] as NewEvent[];
      expect(idsOf(result.events)).toEqual(idsOf(events));
      expect(versions(result)).toEqual(events.map(({ id }) => versionById.get(id)));
      expect(flags(result)).toEqual(index % 4 === 0 ? [true, false, true] : [true]);
    }
  });

  it('says of many appends at once from where on each is in the log', async () => {
    const { store } = subject;
    const start = await store.head();
    const connectors = many(3, sampleConnector);
    const appends = many(30, index =>
      many(1 + (index % 3), at => (connectors[at] as (typeof connectors)[0]).fact()),
    );

    const results = await Promise.all(appends.map(events => store.append(events)));

    const log = await readToHead(store, start);
    for (const [index, { position }] of results.entries()) {
      const upToIt = new Set(idsOf(log.filter(event => store.compare(event.position, position) <= 0)));
      for (const { id } of appends[index] as NewEvent[]) expect(upToIt.has(id)).toBe(true);
      expect(log.some(event => event.position === position)).toBe(true);
    }
  });

  it('does not let the conflict or the abort of one of many appends at once touch the others', async () => {
    const { store } = subject;
    const connector = sampleConnector();
    const at = (version: number) => ({ expectedVersions: { [connector.stateStream]: version } });
    const others = many(6, () => connector.fact());

    const outcomes = await Promise.allSettled([
      ...others.slice(0, 3).map(event => store.append([event])),
      store.append([connector.fact()], at(99)),
      store.append([connector.fact()], { signal: AbortSignal.abort() }),
      ...others.slice(3).map(event => store.append([event])),
    ]);

    expect(outcomes.map(({ status }) => status === 'fulfilled')).toEqual([
      ...[true, true, true],
      ...[false, false],
      ...[true, true, true],
    ]);
    expect(outcomes[3]).toMatchObject({ reason: { code: 'VERSION_CONFLICT', expected: 99 } });
    const stored = idsOf(await store.readStream(connector.stateStream));
    expect(stored.sort()).toEqual(idsOf(others).sort());
  });

  it('takes an append of nothing', async () => {
    expect(await subject.store.append([])).toEqual({ events: [], position: undefined });
  });

  it('stores a retried append once, and says so', async () => {
    const { store } = subject;
    const connector = sampleConnector();
    const events = [connector.fact(), connector.fact(), connector.fact()];

    const first = await store.append(events);
    const again = await (await subject.another()).append(events);

    expect(flags(again)).toEqual([false, false, false]);
    expect(again.events).toEqual(first.events.map(event => ({ ...event, isNew: false })));
    expect(again.position).toBe(first.position);
    expect(idsOf(await store.readStream(connector.stateStream))).toEqual(idsOf(events));
  });

  it('stores what is missing of a batch that is there in part', async () => {
    const { store } = subject;
    const connector = sampleConnector();
    const [one, two, three] = [connector.fact(), connector.fact(), connector.fact()];
    await store.append([two]);

    const result = await store.append([one, two, three]);

    expect(flags(result)).toEqual([true, false, true]);
    expect(versions(result)).toEqual([2, 1, 3]);
    expect(idsOf(await store.readStream(connector.stateStream))).toEqual(idsOf([two, one, three]));
  });

  it('stores an event that a batch holds twice once', async () => {
    const { store } = subject;
    const connector = sampleConnector();
    const event = connector.fact();

    const result = await store.append([event, event, connector.fact()]);

    expect(flags(result)).toEqual([true, false, true]);
    expect(versions(result)).toEqual([1, 1, 2]);
    expect(await store.readStream(connector.stateStream)).toHaveLength(2);
  });

  it('tells the same id in two streams apart', async () => {
    const { store } = subject;
    const [a, b] = [sampleConnector(), sampleConnector()];
    const event = a.fact();

    const result = await store.append([event, b.fact({ id: event.id })]);

    expect(flags(result)).toEqual([true, true]);
  });

  it.each([0, 'no-stream'] as const)('appends to a new stream that is expected at %p', async expected => {
    const { store } = subject;
    const connector = sampleConnector();
    const options = { expectedVersions: { [connector.stateStream]: expected } };

    expect(versions(await store.append([connector.fact(), connector.fact()], options))).toEqual([1, 2]);

    await expect(store.append([connector.fact()], options)).rejects.toMatchObject({
      code: 'VERSION_CONFLICT',
      stream: connector.stateStream,
      expected,
      actual: 2,
    });
    expect(await store.readStream(connector.stateStream)).toHaveLength(2);
  });

  it('appends at the expected version and refuses any other', async () => {
    const { store } = subject;
    const connector = sampleConnector();
    const at = (version: number) => ({ expectedVersions: { [connector.stateStream]: version } });
    await store.append([connector.fact(), connector.fact()]);

    for (const wrong of [0, 1, 3]) {
      await expect(store.append([connector.fact()], at(wrong))).rejects.toMatchObject({
        code: 'VERSION_CONFLICT',
        expected: wrong,
        actual: 2,
      });
    }
    expect(versions(await store.append([connector.fact()], at(2)))).toEqual([3]);
  });

  it('lets a retry succeed whatever version it expected', async () => {
    const { store } = subject;
    const connector = sampleConnector();
    const events = [connector.fact(), connector.fact()];
    const options = { expectedVersions: { [connector.stateStream]: 'no-stream' } } as const;
    await store.append(events, options);
    await store.append([connector.fact()]);

    expect(flags(await store.append(events, options))).toEqual([false, false]);
  });

  it('holds a batch that is there in part against the version of now', async () => {
    const { store } = subject;
    const connector = sampleConnector();
    const present = connector.fact();
    const batch = [present, connector.fact()];
    await store.append([present]);

    await expect(
      store.append(batch, { expectedVersions: { [connector.stateStream]: 'no-stream' } }),
    ).rejects.toMatchObject({ code: 'VERSION_CONFLICT', actual: 1 });

    const result = await store.append(batch, { expectedVersions: { [connector.stateStream]: 1 } });
    expect(flags(result)).toEqual([false, true]);
  });

  it('lets exactly one of many that expect the same version win', async () => {
    const connector = sampleConnector();
    const stores = await Promise.all(many(4, () => subject.another()));
    const attempts = stores.flatMap(store => [store, store]);

    const outcomes = await Promise.allSettled(
      attempts.map(store =>
        store.append([connector.fact()], { expectedVersions: { [connector.stateStream]: 0 } }),
      ),
    );

    const refusals = outcomes.filter(outcome => outcome.status === 'rejected');
    expect(refusals).toHaveLength(attempts.length - 1);
    for (const { reason } of refusals) expect(reason).toMatchObject({ code: 'VERSION_CONFLICT', actual: 1 });
    expect(await subject.store.readStream(connector.stateStream)).toHaveLength(1);
  });

  it('lets all of many that expect nothing in', async () => {
    const connector = sampleConnector();
    const stores = await Promise.all(many(4, () => subject.another()));

    await Promise.all(
      stores.flatMap(store => many(5, () => store.append([connector.fact(), connector.fact()]))),
    );

    const stored = await subject.store.readStream(connector.stateStream);
    expect(stored.map(({ version }) => version)).toEqual(many(40, index => index + 1));
  });

  it('refuses a malformed expectation before anything is sent', async () => {
    const { store } = subject;
    const [connector, other] = [sampleConnector(), sampleConnector()];
    const expecting = (stream: string, version: unknown) =>
      store.append([connector.fact()], { expectedVersions: { [stream]: version as number } });

    await expect(expecting(connector.stateStream, -1)).rejects.toMatchObject({ code: 'INVALID_INPUT' });
    await expect(expecting(connector.stateStream, 1.5)).rejects.toMatchObject({ code: 'INVALID_INPUT' });
    await expect(expecting(other.stateStream, 0)).rejects.toThrow(/to which nothing is appended/);
    expect(await store.readStream(connector.stateStream)).toEqual([]);
  });

  const invalid: readonly [string, (good: NewEvent) => unknown][] = [
    ['an unknown type', good => ({ ...good, type: 'SomethingElse' })],
    ['an id that is no UUID', good => ({ ...good, id: 'event-1' })],
    ['an id that is a BigInt', good => ({ ...good, id: 12n })],
    ['a type that is a BigInt', good => ({ ...good, type: 12n })],
    ['no type', good => ({ ...good, type: undefined })],
    ['a field the schema does not know', good => ({ ...good, data: { ...good.data, apiKey: 'x' } })],
    ['a missing field', good => ({ ...good, data: { ...good.data, exchange: undefined } })],
    ['NaN', good => ({ ...good, data: { ...good.data, durationMs: Number.NaN } })],
    ['an infinity', good => ({ ...good, data: { ...good.data, durationMs: Number.POSITIVE_INFINITY } })],
    ['a BigInt', good => ({ ...good, data: { ...good.data, durationMs: 12n } })],
    ['U+0000 in the data', good => ({ ...good, data: { ...good.data, exchangeCode: 'a\u0000b' } })],
    [
      'half a surrogate pair in the data',
      good => ({ ...good, data: { ...good.data, exchangeCode: '\ud800' } }),
    ],
    ['a stream outside the product', good => ({ ...good, stream: 'someone-elses' })],
    ['a stream that is no text', good => ({ ...good, stream: 7 })],
    ['U+0000 in the stream', good => ({ ...good, stream: `${good.stream}\u0000` })],
    ['a stream too long to index', good => ({ ...good, stream: good.stream + 'x'.repeat(2_000) })],
    ['a time in seconds', good => ({ ...good, occurredAt: 1_764_000_000 })],
    ['a time with a fraction', good => ({ ...good, occurredAt: good.occurredAt + 0.5 })],
    ['no host', good => ({ ...good, host: '' })],
    ['half a surrogate pair in the host', good => ({ ...good, host: '\udc00' })],
    ['a correlation id that is no text', good => ({ ...good, correlationId: 7 })],
    ['nothing at all', () => null],
  ];
  it.each(invalid)('refuses the whole append for an event with %s', async (_, spoil) => {
    const { store } = subject;
    const connector = sampleConnector();

    await expect(store.append([connector.fact(), spoil(connector.fact()) as NewEvent])).rejects.toMatchObject(
      { code: 'INVALID_EVENT' },
    );

    expect(await store.readStream(connector.stateStream)).toEqual([]);
  });

  it('stores text with backslashes, quotes and characters beyond the basic plane as it is', async () => {
    const { store } = subject;
    const connector = sampleConnector();
    const exchangeCode = '\\u0000 \\\\ud800 "quoted" 😀 %5F';
    const event = connector.fact();

    await store.append([{ ...event, data: { ...event.data, exchangeCode } } as NewEvent]);

    expect(await store.readStream(connector.stateStream)).toMatchObject([
      { decoded: 'known', data: { exchangeCode } },
    ]);
  });

  it('stores nothing for a signal that was aborted before', async () => {
    const { store } = subject;
    const connector = sampleConnector();

    await expect(store.append([connector.fact()], { signal: AbortSignal.abort() })).rejects.toMatchObject({
      code: 'EVENT_STORE_FAILED',
    });

    expect(await store.readStream(connector.stateStream)).toEqual([]);
  });

  it('stores all or nothing of an append whose writer is killed, and once when it is retried', async () => {
    const { store, harness } = subject;
    for (let round = 0; round < 8; round++) {
      const connector = sampleConnector();
      const events = many(50, () => connector.fact());
      const start = await store.head();

      await harness.crashWriter(events);
      const before = await readToHead(store, start).then(all =>
        all.filter(({ stream }) => stream === connector.stateStream),
      );
      const result = await store.append(events);

      expect([0, events.length]).toContain(before.length);
      expect(new Set(flags(result)).size).toBe(1);
      expect(idsOf(await store.readStream(connector.stateStream))).toEqual(idsOf(events));
    }
  });

  it('takes no calls after it was closed', async () => {
    const store = await subject.harness.open();
    await store.close();

    await expect(store.append([sampleConnector().fact()])).rejects.toMatchObject({ code: 'CLOSED' });
    await expect(store.readAll({ limit: 1 })).rejects.toMatchObject({ code: 'CLOSED' });
    await expect(store.close()).resolves.toBeUndefined();
  });
}
