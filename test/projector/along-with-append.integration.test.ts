/** The beginning of a catch-up, sent behind the append of what it is to find. */
import { describe, expect, it } from '@jest/globals';
import { projections } from '../../projections/index.js';
import { createPostgresEventStore } from '../../src/event-store/postgres/index.js';
import type { NewEvent, StoredEvent } from '../../src/events/event.js';
import { createBoundedPool } from '../../src/postgres/bounded-pool.js';
import { createProjector, type Projector } from '../../src/projector/index.js';
import { type CountingProxy, type Fault, startCountingProxy } from '../support/counting-proxy.js';
import { hit, synced, syncFailed } from '../support/facts.js';
import { closing } from '../support/world.js';
import { createHarness, liveAndExpected } from './harness.js';

const givenHarness = async () => closing(await createHarness());

/** Sooner than the pool's own, so that a link that stalls costs a test no half minute. */
const STALL_MS = 400;

function givenProcess(url: string, { max = 1, pipeline = true, queryTimeoutMs = 30_000 } = {}) {
  const pool = createBoundedPool({ connectionString: url, max, pipeline, query_timeout: queryTimeoutMs });
  pool.on('error', () => undefined);
  pool.on('connect', client => client.on('error', () => undefined));
  const store = createPostgresEventStore({ pool, appendTimeoutMs: Math.min(10_000, queryTimeoutMs) });
  const told: StoredEvent[] = [];
  const projector = createProjector({
    store,
    pool,
    onApplied: async events => told.push(...events),
  });
  return { pool, store, projector, told };
}
type Process = ReturnType<typeof givenProcess>;

/** As a flush of a function that projects does it. */
async function record({ store, projector }: Process, events: readonly NewEvent[]) {
  const along = projector.along(events);
  const { position } = await store.append(events, { behind: along?.send });
  return projector.catchUp({ until: position as NonNullable<typeof position>, expecting: events, along });
}

const idsOf = (events: readonly { readonly id: string }[]) => events.map(({ id }) => id);

describe('a catch-up that begins behind an append', () => {
  it('finds what was appended, over the only connection of its pool', async () => {
    const harness = await givenHarness();
    const process = givenProcess(harness.url);
    closing({ close: () => process.pool.end() });
    await record(process, [synced()]);
    const events = [synced(), hit()];
    const along = process.projector.along(events);

    const { position } = await process.store.append(events, { behind: along?.send });

    expect(await along?.outcome).toMatchObject({ status: 'applied' });
    expect(await process.projector.catchUp({ until: position as never, along })).toEqual({
      position,
      events: 2,
      caughtUp: true,
    });
    expect(idsOf(process.told.slice(1))).toEqual(idsOf(events));
    const { live, expected } = await liveAndExpected(harness);
    expect(live).toEqual(expected);
  });

  it('is not begun over a connection that does not send on, and catches up all the same', async () => {
    const harness = await givenHarness();
    const process = givenProcess(harness.url, { pipeline: false });
    closing({ close: () => process.pool.end() });

    expect(await record(process, [synced()])).toMatchObject({ events: 1, caughtUp: true });
    expect(await record(process, [hit()])).toMatchObject({ events: 1, caughtUp: true });
  });

  it('is left out where the log lies in another database', async () => {
    const [own, elsewhere] = [await givenHarness(), await givenHarness()];

    expect(own.projector({ store: elsewhere.store }).along([synced()])).toBeUndefined();
  });

  it('tries again where it came before what was appended', async () => {
    const harness = await givenHarness();
    const process = givenProcess(harness.url, { max: 2 });
    closing({ close: () => process.pool.end() });
    await record(process, [synced()]);
    await harness.append(syncFailed());
    const events = [hit()];
    const along = process.projector.along(events);
    const client = await process.pool.connect();
    expect(await along?.send(client)).toBe(true);
    client.release();

    const { position } = await process.store.append(events);
    const result = await process.projector.catchUp({
      until: position as NonNullable<typeof position>,
      expecting: events,
      along,
    });

    expect(result).toEqual({ position, events: 2, caughtUp: true });
  });

  it('tells of what others recorded, though the append is refused', async () => {
    const harness = await givenHarness();
    const process = givenProcess(harness.url);
    closing({ close: () => process.pool.end() });
    await record(process, [synced()]);
    const others = [syncFailed(), hit()];
    await harness.append(...others);
    await harness.pool.query('ALTER FUNCTION connector_event_append_together RENAME TO gone');
    const refused = [synced()];
    const along = process.projector.along(refused);

    await expect(process.store.append(refused, { behind: along?.send })).rejects.toThrow();

    expect(await along?.outcome).toMatchObject({ status: 'applied' });
    expect(idsOf(process.told.slice(1))).toEqual(idsOf(others));
    const { live, expected } = await liveAndExpected(harness);
    expect(live).toEqual(expected);
  });

  it('waits for whoever has the lock, as any other does', async () => {
    const harness = await givenHarness();
    const process = givenProcess(harness.url);
    closing({ close: () => process.pool.end() });
    await record(process, [synced()]);

    await harness.asAnother(async client => {
      await client.query(`SELECT pg_advisory_lock('projection_checkpoint'::regclass::oid::integer, 0)`);
      const along = process.projector.along([hit()]);
      const events = [hit()];
      const { position } = await process.store.append(events, { behind: along?.send });
      expect(await along?.outcome).toEqual({ status: 'busy' });
      const waiting = process.projector.catchUp({ until: position as never, along, timeoutMs: 0 });
      expect(await waiting).toMatchObject({ events: 0, caughtUp: false });
    });

    expect(await process.projector.catchUp()).toMatchObject({ events: 1, caughtUp: true });
  });

  it('counts each event once, of many processes that record and project at once', async () => {
    const harness = await givenHarness();
    const processes = Array.from({ length: 4 }, () => givenProcess(harness.url, { max: 2 }));
    closing({ close: () => Promise.all(processes.map(({ pool }) => pool.end())) });

    await Promise.all(
      processes.map(async (process, n) => {
        for (let round = 0; round < 10; round++) {
          const userId = `user${(n + round) % 3}`;
          await record(process, [round === 0 ? synced({ userId }) : hit({ userId, count: n + 1 })]);
        }
      }),
    );

    const told = processes.flatMap(({ told }) => idsOf(told));
    expect(new Set(told).size).toBe(told.length);
    expect(told).toHaveLength(40);
    const { live, expected } = await liveAndExpected(harness);
    expect(live).toEqual(expected);
  });
});

describe.each([
  { effect: 'cut', step: 9 },
  { effect: 'stall', step: 23 },
] as const)(
  'a link that meets a $effect behind any message of an append and its page',
  ({ effect, step }) => {
    it.each(['client', 'server'] as const)(
      'stores and applies each event once: the %s',
      async from => {
        const harness = await givenHarness();
        const proxy = closing(await startCountingProxy(harness.url));
        await recordThrough(proxy, undefined);
        const messages = await recordThrough(proxy, undefined);
        const ofSide = messages.filter(message => message.startsWith('>') === (from === 'client')).length;

        let recorded = 2;
        for (let message = 1; message <= ofSide; message += step) {
          await recordThrough(proxy, { from, message, effect });
          recorded++;
        }

        const { rows } = await harness.pool.query('SELECT count(*)::int AS n FROM connector_event');
        expect(rows).toEqual([{ n: 2 * recorded }]);
        const { live, expected } = await liveAndExpected(harness, projections);
        expect(live).toEqual(expected);
      },
      120_000,
    );
  },
);

/** With the fault, and until it is known to be stored and projected without. @returns the messages of the first attempt */
async function recordThrough(proxy: CountingProxy, fault: Fault | undefined): Promise<string[]> {
  const process = givenProcess(proxy.url, {
    max: 2,
    ...(fault?.effect === 'stall' && { queryTimeoutMs: STALL_MS }),
  });
  await process.store.head();
  const events = [synced(), hit()];
  proxy.messages();
  proxy.fail(fault);
  await record(process, events).catch(() => undefined);
  const messages = proxy.messages();
  proxy.fail(undefined);
  // The pool may hold connections that have died since.
  const stored = await untilItWorks(() => process.store.append(events, { timeoutMs: 10_000 }));
  const until = stored.position as NonNullable<typeof stored.position>;
  const result = await untilItWorks<Awaited<ReturnType<Projector['catchUp']>>>(() =>
    process.projector.catchUp({ until }),
  );
  expect(result.caughtUp).toBe(true);
  await process.pool.end();
  return messages;
}

const TRIES = 20;

async function untilItWorks<T>(work: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await work();
    } catch (error) {
      if (tries === TRIES) throw error;
    }
  }
}
