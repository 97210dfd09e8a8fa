/** The product over EventStoreDB: outbox, relay, projector, read-your-writes and copies, on the test server's faults. */

import { setTimeout as pause } from 'node:timers/promises';
import { EventStoreDBClient } from '@eventstore/db-client';
import { describe, expect, it } from '@jest/globals';
import { projections } from '../../projections/index.js';
import { silentLogger } from '../../src/base/logging.js';
import { createEventStoreDbStore } from '../../src/event-store/eventstoredb/index.js';
import { Relay, withOutbox } from '../../src/event-store/outbox/index.js';
import { copyLog } from '../../src/event-store/transfer/copy.js';
import type { NewEvent, Position } from '../../src/events/event.js';
import { seededRandom } from '../../src/exchanges/simulator/random.js';
import { pg } from '../../src/postgres/driver.js';
import { idsOf, readToHead } from '../contract/harness.js';
import { many, type SampleConnector, sampleConnector } from '../contract/sample-events.js';
import { createHarness } from '../projector/harness.js';
import { createTestDatabase } from '../support/database.js';
import { type Injection, startTestServer } from '../support/esdb-server/index.js';
import { cleaned, hit, id, invalidated, synced } from '../support/facts.js';
import { closing, eventually, givenWorld, SIMULATOR_SCOPE } from '../support/world.js';

const REF = {
  userId: 'user123',
  credentialId: 'cred456',
  exchange: 'BYBIT',
  environment: 'TESTNET',
  scope: SIMULATOR_SCOPE,
} as const;

const givenServer = async () => closing(await startTestServer());

describe('the product over EventStoreDB', () => {
  it('records, projects, remembers, and reads its own writes from another process', async () => {
    const server = await givenServer();
    const world = await givenWorld();
    const here = await world.process({ eventStoreUrl: server.url });
    await world.connector(here, 'BYBIT').initialize();

    const { ok, position } = await here.flush();

    expect({ ok, position }).toEqual({ ok: true, position: expect.stringMatching(/^esdb\//) });
    const there = await world.process({ eventStoreUrl: server.url });
    expect(await there.cache.get(REF, { atLeast: position })).toMatchObject({ hit: true, tier: 'postgres' });
    await expect(there.cache.get(REF, { atLeast: 'pg/1' as Position })).rejects.toMatchObject({
      code: 'INVALID_INPUT',
    });
    expect((await there.cache.history(REF.userId, REF.credentialId)).map(({ type }) => type)).toContain(
      'ConnectorSynced',
    );
    expect((await (await here.projector()).verify()).equal).toBe(true);
  });

  it('goes on while the server is down, and nothing is lost', async () => {
    const server = await givenServer();
    const world = await givenWorld();
    const here = await world.process({ eventStoreUrl: server.url });
    await world.connector(here, 'BYBIT').initialize();
    await here.flush();
    server.stop();

    await world.connector(here, 'BINGX', { userId: 'during', credentialId: 'outage' }).initialize();
    expect(await here.flush()).toMatchObject({ ok: true, pending: 0, waiting: expect.any(Number) });
    // A monitor sees it, though the event store cannot be asked.
    const { outbox } = await here.cache.getStats();
    expect(outbox).toMatchObject({ waiting: expect.any(Number), dead: 0 });
    expect(outbox.waiting).toBeGreaterThan(0);
    await server.start();

    await eventually(async () => {
      expect(await world.sql('SELECT count(*)::int FROM connector_outbox')).toEqual([{ count: 0 }]);
      expect(
        await world.sql(`SELECT exchange FROM connector_state_cache WHERE user_id = 'during'`),
      ).toHaveLength(1);
    });
    expect((await (await here.projector()).verify()).equal).toBe(true);
  });

  it('a read table of the other store is refused with the remedy, and a rebuild takes it over', async () => {
    const server = await givenServer();
    const world = await givenWorld();
    const before = await world.process();
    await world.connector(before, 'BYBIT').initialize();
    await before.flush();
    const after = await world.process({ eventStoreUrl: server.url });
    const projector = await after.projector();

    await expect(projector.catchUp()).rejects.toMatchObject({
      code: 'PROJECTION_FAILED',
      message: expect.stringMatching(/"pg".*"esdb".*connector-state rebuild/),
    });
    await copyLog({
      from: (await before.store()) as never,
      to: createCopyTarget(server.url),
    });
    await projector.rebuild();

    expect(await projector.catchUp()).toMatchObject({ caughtUp: true });
    expect(await world.sql('SELECT position FROM connector_state_cache')).toEqual([
      { position: expect.stringMatching(/^esdb\//) },
    ]);
  });
});

describe('a stream of facts that was deleted by hand', () => {
  it.each([
    ['the first of the log', 0],
    ['another', 1],
  ])(
    'stops the projector once it is scavenged, which then says so, and a rebuild goes on (%s)',
    async (_, place) => {
      const server = await givenServer();
      const harness = closing(await createHarness());
      const store = closing(createEventStoreDbStore({ url: server.url }));
      const connectors = many(3, sampleConnector);
      const [deleted, kept] = [connectors[place], connectors[2]] as [SampleConnector, SampleConnector];
      await store.append(connectors.map(connector => connector.fact()));
      const projector = () => harness.projector({ store });
      await projector().catchUp();

      const client = EventStoreDBClient.connectionString(server.url);
      await client.deleteStream(deleted.stateStream);
      await client.dispose();
      await store.append([kept.fact()]);
      expect(await projector().catchUp()).toMatchObject({ events: 1 });
      server.log.scavenge();
      await store.append([kept.fact()]);

      await expect(projector().catchUp()).rejects.toMatchObject({
        code: 'PROJECTION_FAILED',
        message: expect.stringMatching(
          /or (that one was|were) deleted and scavenged\).*connector-state rebuild/,
        ),
      });
      await projector().rebuild();
      await store.append([kept.fact()]);
      expect(await projector().catchUp()).toMatchObject({ events: 1, caughtUp: true });
    },
  );
});

function createCopyTarget(url: string) {
  return closing(createEventStoreDbStore({ url }));
}

/** A copy has positions of its own, and EventStoreDB keeps no login: a witness is a machine there (decision 34). */
const asCopied = (row: object) => ({
  ...JSON.parse(JSON.stringify(row).replaceAll('postgres/test-host', 'test-host')),
  position: undefined,
});

describe('a copy', () => {
  it('to EventStoreDB and back to PostgreSQL keeps every fact, and the rows that follow from them', async () => {
    const server = await givenServer();
    const [source, target] = [closing(await createHarness()), closing(await createHarness())];
    for (let n = 1; n <= 30; n++) {
      const userId = `u${n % 5}`;
      await source.append(
        synced({ id: id(n), syncId: id(n), userId, offsetMs: n + 0.5 }),
        hit({ userId, count: n }),
      );
    }
    await source.append(invalidated({ userId: 'u1', condemnedSyncId: id(26) }), cleaned());
    await source.appendRaw({
      id: sampleConnector().fact().id,
      stream: 'connector_state-x_y',
      type: 'FromTomorrow',
      data: { z: 1, a: [null, { ü: 'é' }] },
    });
    await source.projector().catchUp();
    const between = createCopyTarget(server.url);

    expect(await copyLog({ from: source.store as never, to: between, pageSize: 9 })).toMatchObject({
      equal: true,
      copied: 63,
    });
    // An interrupted copy goes on from what the target has.
    expect(await copyLog({ from: source.store as never, to: between })).toMatchObject({
      copied: 0,
      resumed: true,
    });
    expect(await copyLog({ from: between, to: target.store as never, pageSize: 11 })).toMatchObject({
      equal: true,
      copied: 63,
    });

    await target.projector().rebuild();
    for (const projection of projections) {
      const [a, b] = [await source.rows(projection), await target.rows(projection)];
      expect(b.map(asCopied)).toEqual(a.map(asCopied));
    }
  });
});

describe('the outbox before EventStoreDB', () => {
  async function givenWriters(count: number) {
    const server = await givenServer();
    const near = await createTestDatabase();
    closing({ close: () => near.drop() });
    const writers = many(count, () => {
      const pool = new pg.Pool({ connectionString: near.url, max: 3 });
      closing({ close: () => pool.end() });
      const remote = createEventStoreDbStore({ url: server.url, callTimeoutMs: 400 });
      const relay = new Relay({
        store: remote,
        pool,
        log: silentLogger,
        appendTimeoutMs: 500,
        pollIntervalMs: 50,
        batchSize: 20,
      });
      const store = withOutbox(remote, { pool, log: silentLogger, relay, appendTimeoutMs: 400 });
      closing({ close: () => store.close() });
      return { store, relay };
    });
    const direct = closing(createEventStoreDbStore({ url: server.url }));
    return { server, writers, stored: () => readToHead(direct, undefined) };
  }

  it('buries nothing while the server refuses everything', async () => {
    const { server, writers, stored } = await givenWriters(1);
    const [{ store, relay }] = writers as [(typeof writers)[number]];
    const { fact } = sampleConnector();
    const events = many(40, () => fact());
    const [allowAppend, allowBatch] = [
      server.inject({ kind: 'deny', rpc: 'append' }),
      server.inject({ kind: 'deny', rpc: 'batchAppend' }),
    ];
    expect(await store.append(events)).toMatchObject({ waiting: 40 });

    await relay.drain({ force: true });
    expect(await relay.outbox.status()).toMatchObject({
      waiting: 40,
      dead: 0,
      refused: { events: 40, streams: 1, error: expect.stringContaining('access denied') },
    });

    allowAppend();
    allowBatch();
    await relay.outbox.reviveDead();
    expect(await relay.drain({ force: true })).toBe('empty');
    expect(idsOf(await stored())).toEqual(idsOf(events));
  });

  const ROUNDS = Number(process.env.CHAOS_ROUNDS ?? 40);
  const SEED = Number(process.env.CHAOS_SEED ?? Date.now() % 2 ** 31);

  it(`${ROUNDS} rounds of a server that stalls, refuses, loses answers and restarts (seed ${SEED})`, async () => {
    const random = seededRandom(SEED);
    const { server, writers, stored } = await givenWriters(3);
    const connectors = many(4, sampleConnector);
    const acknowledged = writers.map((): NewEvent[] => []);
    let isOver = false;
    const writing = writers.map(async ({ store, relay }, index) => {
      relay.start();
      const mine = seededRandom(SEED + index + 1);
      while (!isOver) {
        const batch = many(1 + Math.floor(mine() * 5), () => {
          const connector = connectors[Math.floor(mine() * 4)] as SampleConnector;
          return mine() < 0.3 ? connector.hit() : connector.fact();
        });
        // PostgreSQL is there, so everything is acknowledged.
        await store.append(batch);
        acknowledged[index]?.push(...batch);
        await pause(mine() * 10);
      }
    });

    for (let round = 0; round < ROUNDS; round++) {
      const kinds: Injection[] = [
        { kind: 'stall' },
        { kind: 'refuse' },
        { kind: 'lose-answer' },
        { kind: 'slow', delayMs: 60 },
        { kind: 'cut', afterMessages: 1 },
      ];
      const pick = Math.floor(random() * (kinds.length + 2));
      if (pick < kinds.length) server.inject(kinds[pick] as Injection);
      else if (pick === kinds.length) server.stop();
      else await server.restart();
      await pause(random() * 150);
      server.clearFaults();
      if (pick === kinds.length) await server.start();
      await pause(random() * 100);
    }
    isOver = true;
    await Promise.all(writing);
    await eventually(async () => {
      await Promise.all(writers.map(({ relay }) => relay.drain({ force: true })));
      expect(await writers[0]?.relay.outbox.status()).toMatchObject({ waiting: 0, dead: 0 });
    });

    const storedIds = idsOf(await stored());
    expect(new Set(storedIds).size).toBe(storedIds.length);
    expect(new Set(storedIds)).toEqual(new Set(acknowledged.flatMap(idsOf)));
    const placeOf = new Map(storedIds.map((id, place) => [id, place]));
    for (const mine of acknowledged) {
      for (const stream of new Set(mine.map(event => event.stream))) {
        const places = mine
          .filter(event => event.stream === stream)
          .map(({ id }) => placeOf.get(id) as number);
        expect(places).toEqual([...places].sort((a, b) => a - b));
      }
    }
  }, 240_000);
});
