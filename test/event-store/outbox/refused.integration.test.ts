/** Facts that the event store refuses: their own stream waits behind them, in order, and nobody else's. */
import { afterEach, describe, expect, it } from '@jest/globals';
import type { Pool } from 'pg';
import { checkOutbox } from '../../../src/cli/doctor/event-checks.js';
import type { EventStore } from '../../../src/event-store/event-store.js';
import { EventStoreFailure } from '../../../src/event-store/eventstoredb/failure.js';
import { createEventStoreDbStore } from '../../../src/event-store/eventstoredb/index.js';
import { createOutboxTable, Relay, withOutbox } from '../../../src/event-store/outbox/index.js';
import type { NewEvent } from '../../../src/events/event.js';
import { pg } from '../../../src/postgres/driver.js';
import { idsOf } from '../../contract/harness.js';
import { many, sampleConnector } from '../../contract/sample-events.js';
import { createTestDatabase } from '../../support/database.js';
import { startTestServer } from '../../support/esdb-server/index.js';
import { keptLog } from '../../support/log.js';

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function givenOutboxOfAServer() {
  const [server, database] = [await startTestServer(), await createTestDatabase()];
  closers.push(
    () => server.close(),
    () => database.drop(),
  );
  const pool: Pool = new pg.Pool({ connectionString: database.url, max: 4 });
  closers.push(() => pool.end());
  const direct = createEventStoreDbStore({ url: server.url });
  closers.push(() => direct.close());
  /** Streams to which a right is missing until it is granted. */
  const forbidden = new Set<string>();
  let isAway = false;
  let appends = 0;
  /** What each was given, and how long it might take. */
  const given: { ids: readonly string[]; timeoutMs: number | undefined }[] = [];
  const remote: EventStore = {
    ...direct,
    async append(events, options) {
      appends++;
      given.push({ ids: idsOf(events), timeoutMs: options?.timeoutMs });
      if (isAway) throw new EventStoreFailure('the event store could not append (away)', true);
      const stream = events.map(event => event.stream).find(each => forbidden.has(each));
      if (stream) throw new EventStoreFailure('access denied', false, { stream });
      return direct.append(events, options);
    },
  };
  const log = keptLog();
  const table = createOutboxTable(pool, true);
  const newRelay = () => new Relay({ store: remote, pool, log, retryRefusedMs: 0 });
  return {
    server,
    remote,
    pool,
    table,
    log,
    forbidden,
    store: withOutbox(remote, { pool, log }),
    relay: newRelay(),
    newRelay,
    appends: () => appends,
    given,
    setAway(away: boolean) {
      isAway = away;
    },
    stored: async (stream: string) => idsOf(await direct.readStream(stream)),
  };
}

const tombstone = async (url: string, streams: readonly string[]) => {
  const { EventStoreDBClient } = await import('@eventstore/db-client');
  const client = EventStoreDBClient.connectionString(url);
  for (const stream of streams) await client.tombstoneStream(stream);
  await client.dispose();
};

const FRESH_STORE = { retryRefusedMs: 60_000 };

describe('facts that the event store refuses', () => {
  it('stop nobody but their own stream, however many stand first', async () => {
    const world = await givenOutboxOfAServer();
    const gone = many(45, sampleConnector);
    const healthy = many(3, sampleConnector);
    await tombstone(
      world.server.url,
      gone.map(({ stateStream }) => stateStream),
    );
    world.setAway(true);
    const facts = gone.flatMap(({ fact }) => [fact(), fact()]);
    const others: NewEvent[] = [];
    for (const events of [facts, ...many(4, () => healthy.map(({ fact }) => fact()))]) {
      await world.store.append(events);
      if (events !== facts) others.push(...events);
    }
    world.setAway(false);
    const relay = new Relay({ store: world.remote, pool: world.pool, log: world.log, ...FRESH_STORE });

    for (let i = 0; i < 4; i++) await relay.drain({ force: true });

    for (const { stateStream } of healthy) {
      expect(await world.stored(stateStream)).toEqual(
        idsOf(others.filter(({ stream }) => stream === stateStream)),
      );
    }
    const status = await world.table.status();
    expect(status).toMatchObject({
      waiting: 90,
      dead: 0,
      refused: {
        events: 90,
        streams: 45,
        stream: gone[0]?.stateStream,
        error: expect.stringContaining('deleted for good'),
      },
    });
  });

  it('are all named by one append, however many', async () => {
    const world = await givenOutboxOfAServer();
    const [gone, healthy] = [many(60, sampleConnector), sampleConnector()];
    await tombstone(
      world.server.url,
      gone.map(({ stateStream }) => stateStream),
    );
    world.setAway(true);
    await world.store.append([...gone.map(({ fact }) => fact()), healthy.fact()]);
    world.setAway(false);
    const before = world.appends();
    const relay = new Relay({ store: world.remote, pool: world.pool, log: world.log, ...FRESH_STORE });

    await relay.drain({ force: true });

    expect(await world.table.status()).toMatchObject({ waiting: 60, refused: { events: 60, streams: 60 } });
    expect(await world.stored(healthy.stateStream)).toHaveLength(1);
    // All together, and what is left.
    expect(world.appends() - before).toBe(2);
  });

  it('do not make a full batch look like the last one, for which others are kept out and a second must do', async () => {
    const world = await givenOutboxOfAServer();
    const [gone, healthy] = [sampleConnector(), sampleConnector()];
    const others = many(5, () => healthy.fact());
    world.forbidden.add(gone.stateStream);
    world.setAway(true);
    await world.store.append([...many(3, () => gone.fact()), ...others]);
    world.setAway(false);
    const relay = new Relay({
      store: world.remote,
      pool: world.pool,
      log: world.log,
      batchSize: 4,
      appendTimeoutMs: 9_000,
      ...FRESH_STORE,
    });

    await relay.drain({ force: true });

    expect(await world.stored(healthy.stateStream)).toEqual(idsOf(others));
    expect(world.given.at(-1)).toEqual({ ids: idsOf(others.slice(1)), timeoutMs: 9_000 });
  });

  it('are named with each cause that there is, the oldest first', async () => {
    const world = await givenOutboxOfAServer();
    const [gone, forbidden] = [many(2, sampleConnector), many(2, sampleConnector)];
    await tombstone(
      world.server.url,
      gone.map(({ stateStream }) => stateStream),
    );
    for (const { stateStream } of forbidden) world.forbidden.add(stateStream);
    world.setAway(true);
    await world.store.append([...gone, ...forbidden].map(({ fact }) => fact()));
    world.setAway(false);

    await world.relay.drain({ force: true });

    const { refused } = await world.table.status();
    expect(refused).toMatchObject({ streams: 4, stream: gone[0]?.stateStream });
    expect(refused.error).toMatch(/^[^;]*deleted for good[^;]*; access denied$/);
  });

  it('let facts of other streams go to the store at once, and keep those of their own in order', async () => {
    const world = await givenOutboxOfAServer();
    const [a, b] = [sampleConnector(), sampleConnector()];
    world.forbidden.add(a.stateStream);
    const first = [a.fact(), a.fact(), b.fact()];
    await world.store.append(first);
    await world.relay.drain({ force: true });
    expect(await world.stored(b.stateStream)).toEqual([first[2]?.id]);

    const second = [b.fact(), a.fact(), b.fact()];
    const result = await world.store.append(second);

    expect(result).toMatchObject({ waiting: 1, position: expect.stringMatching(/^esdb/) });
    expect(idsOf(result.events)).toEqual([second[0]?.id, second[2]?.id]);
    const third = b.fact();
    expect(await world.store.append([third])).not.toHaveProperty('waiting');
    expect(idsOf(await world.store.readStream(a.stateStream))).toEqual(
      idsOf([first[0], first[1], second[1]] as NewEvent[]),
    );

    world.forbidden.clear();
    expect(await world.newRelay().drain({ force: true })).toBe('empty');
    expect(await world.stored(a.stateStream)).toEqual(idsOf([first[0], first[1], second[1]] as NewEvent[]));
    expect(await world.table.status()).toMatchObject({ waiting: 0, refused: { events: 0 } });
  });

  it('are tried again by themselves, and told once', async () => {
    const world = await givenOutboxOfAServer();
    const connector = sampleConnector();
    world.forbidden.add(connector.stateStream);
    const facts = many(3, () => connector.fact());
    await world.store.append(facts);
    for (let i = 0; i < 3; i++) await world.relay.drain({ force: true });
    expect(world.log.messages('error')).toHaveLength(1);
    expect(world.relay.counters).toMatchObject({ refused: 1, dead: 0, forwarded: 0 });

    world.forbidden.clear();
    await world.relay.drain({ force: true });

    expect(await world.stored(connector.stateStream)).toEqual(idsOf(facts));
  });

  it('are all tried again as soon as one of them is taken', async () => {
    const world = await givenOutboxOfAServer();
    const connectors = many(5, sampleConnector);
    for (const { stateStream } of connectors) world.forbidden.add(stateStream);
    await world.store.append(connectors.map(({ fact }) => fact()));
    const relay = new Relay({ store: world.remote, pool: world.pool, log: world.log, ...FRESH_STORE });
    await relay.drain({ force: true });
    world.forbidden.clear();
    // One of them is due.
    await world.pool.query(
      `UPDATE connector_outbox SET dead_at = dead_at - interval '2 minutes' WHERE stream = $1`,
      [connectors[3]?.stateStream],
    );

    await new Relay({ store: world.remote, pool: world.pool, log: world.log }).drain({ force: true });

    expect(await world.table.status()).toMatchObject({ waiting: 0 });
  });

  it('are what doctor names, with whose fault it is and what to do', async () => {
    const world = await givenOutboxOfAServer();
    const connector = sampleConnector();
    await world.store.append([connector.fact()]);
    await tombstone(world.server.url, [connector.stateStream]);
    await world.store.append([connector.fact(), connector.fact()]);
    await world.relay.drain({ force: true });

    expect(world.log.messages('warn')).toEqual([expect.stringContaining('refuses')]);
    const { status, message, remedy } = await checkOutbox(world.table);
    expect(status).toBe('warn');
    expect(message).toContain(`2 events of 1 stream(s) wait behind one`);
    expect(message).toContain(connector.stateStream);
    expect(message).toMatch(/deleted for good.*nothing else waits/);
    expect(remedy).toContain('--retry-dead');
    expect(await world.table.reviveDead()).toBe(1);
    expect(await world.table.status()).toMatchObject({ refused: { events: 0 }, waiting: 2 });
  });

  it('of a stream that takes none any more are set aside, each with its cause, and kept', async () => {
    const world = await givenOutboxOfAServer();
    const [gone, other] = [sampleConnector(), sampleConnector()];
    await world.store.append([gone.fact()]);
    await tombstone(world.server.url, [gone.stateStream]);
    const facts = many(3, () => gone.fact());
    await world.store.append([...facts, other.hit()]);
    await world.relay.drain({ force: true });
    expect(await world.table.setAside(other.hitsStream)).toBe(0);

    expect(await world.table.setAside(gone.stateStream)).toBe(3);

    expect(await world.newRelay().drain({ force: true })).toBe('empty');
    expect(await world.table.status()).toMatchObject({ waiting: 0, dead: 3, refused: { events: 0 } });
    const { message } = await checkOutbox(world.table);
    expect(message).toMatch(
      /3 events were called invalid or set aside; .*set aside by hand: .*deleted for good/,
    );
    const { rows } = await world.pool.query('SELECT event_id, last_error FROM connector_outbox ORDER BY id');
    expect(rows).toEqual(
      facts.map(({ id }) => ({ event_id: id, last_error: expect.stringContaining('deleted for good') })),
    );
    // The next fact of that stream is named anew.
    await world.store.append([gone.fact()]);
    await world.newRelay().drain({ force: true });
    expect(await world.table.status()).toMatchObject({ waiting: 1, refused: { stream: gone.stateStream } });
  });
});
