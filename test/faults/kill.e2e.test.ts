/**
 * The projector, the relay or the server killed at random moments while others write: afterwards every acknowledged
 * event is in the store exactly once and in its writer's order, and the live rows equal rebuilt ones.
 *
 * All three are processes that die as processes do, by SIGKILL, and are started again by a supervisor; what the server
 * acknowledged survives in its journal. A failure prints its seed: KILL_SEED=… repeats the decisions, though not the
 * machine's timing. KILL_ROUNDS sets the number of rounds; `npm run test:kill` runs 200.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterEach, expect, it } from '@jest/globals';
import type { Pool } from 'pg';
import { createEventStoreDbStore } from '../../src/event-store/eventstoredb/index.js';
import { createOutboxTable, type OutboxTable } from '../../src/event-store/outbox/index.js';
import type { StoredEvent } from '../../src/events/event.js';
import { type Random, seededRandom } from '../../src/exchanges/simulator/random.js';
import { pg } from '../../src/postgres/driver.js';
import { createProjector } from '../../src/projector/index.js';
import { cli, json, spawnCli } from '../cli/support.js';
import { readToHead } from '../contract/harness.js';
import { createTestDatabase } from '../support/database.js';
import { spawnNode } from '../support/run.js';
import { eventually } from '../support/world.js';
import { createWriter, type Load, type Writer } from './load.js';
import { Supervised } from './supervised.js';

const ROUNDS = Number(process.env.KILL_ROUNDS ?? 20);
const SEED = Number(process.env.KILL_SEED ?? Date.now() % 2 ** 31);

const SERVER = fileURLToPath(new URL('../support/esdb-server/main.ts', import.meta.url));
/** With a real server (`npm run test:esdb`), what is killed in its place is the way to it. */
const GATEWAY = fileURLToPath(new URL('../support/esdb-gateway/main.ts', import.meta.url));
const REAL_SERVER_URL = process.env.ESDB_TEST_URL || undefined;
const TYPESCRIPT = new URL('../support/typescript.mjs', import.meta.url).href;
/** Below what the kernel gives to outgoing connections, or one of those could take it while the server is down. */
const FIRST_PORT = 15_000;
const PORTS = 15_000;

/** At most so long after the one to be killed is at work, and mostly sooner. */
const LATEST_KILL_MS = 300;
/** Now and then a process dies before it is at work. */
const EARLY_KILLS = 0.2;
const LATEST_EARLY_KILL_MS = 600;
/** After which a writer's facts wait in the outbox: from impatient to the product's default. */
const APPEND_TIMEOUTS_MS = [1_000, 3_000, 3_000];
/**
 * Kills come faster than a relay empties the outbox, and behind what waits everything waits. In every so many rounds
 * writers therefore hold until it is empty, so that the server is also killed while it answers them.
 */
/** Asked as patiently as people are told: an append's own question gives up after a second, which a busy machine takes. */
const doesWait = async (outbox: OutboxTable): Promise<boolean> => (await outbox.status()).waiting > 0;

const ROUNDS_A_BUSY_SERVER = 5;
const DIRECT_APPENDS = 5;
/** For what always comes, also on a machine that has much else to do. */
const PATIENCE_MS = 120_000;
/** Of the relay's transaction. */
const RELAY_LOCK = `SELECT FROM pg_locks WHERE locktype = 'advisory' AND classid = 1668507761
  AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`;

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function findFreePort(): Promise<number> {
  for (;;) {
    const port = FIRST_PORT + Math.floor(Math.random() * PORTS);
    const probe = createServer();
    const isFree = await new Promise<boolean>(resolve => {
      probe.once('error', () => resolve(false)).listen(port, '127.0.0.1', () => resolve(true));
    });
    if (!isFree) continue;
    await new Promise(resolve => probe.close(resolve));
    return port;
  }
}

async function givenDeployment() {
  const database = await createTestDatabase();
  closers.push(() => database.drop());
  const directory = await mkdtemp(join(tmpdir(), 'connector-state-kill-'));
  closers.push(() => rm(directory, { recursive: true }));
  const pool = new pg.Pool({ connectionString: database.url, max: 6 });
  closers.push(() => pool.end());
  const outbox = createOutboxTable(pool, true);

  const port = await findFreePort();
  const eventStoreUrl = `esdb://localhost:${port}?tls=false`;
  const env = {
    DATABASE_URL: database.url,
    EVENT_STORE_URL: eventStoreUrl,
    PROJECTION: 'worker',
    LOG_FORMAT: 'json',
  };
  const supervised = (options: ConstructorParameters<typeof Supervised>[0]) => {
    const process = new Supervised(options);
    closers.push(() => process.stop('SIGKILL'));
    return process;
  };
  const program = REAL_SERVER_URL
    ? [GATEWAY, String(port), REAL_SERVER_URL, `connector-state-test-${port}-${SEED}-`]
    : [SERVER, String(port), join(directory, 'journal')];
  const outage = { isOn: false };
  const server = supervised({
    name: 'server',
    isNeeded: async () => !outage.isOn,
    spawn: () => spawnNode(['--import', TYPESCRIPT, ...program]),
    ready: /listening/,
  });
  await eventually(() => {
    expect(server.findings).toEqual([]);
    return server.isAtWork;
  });
  const projector = supervised({
    name: 'projector',
    spawn: () => spawnCli(['project'], { env }),
    ready: /projecting until/,
  });
  const relay = supervised({
    name: 'relay',
    spawn: () => spawnCli(['relay', '--json'], { env }),
    isNeeded: () => doesWait(outbox),
    // 3: something still waits, for its server is down.
    exitCodes: [0, 3],
  });
  return {
    pool,
    outbox,
    env,
    eventStoreUrl,
    server,
    projector,
    relay,
    /** Kills the server, and leaves it so until facts wait in the outbox. */
    async haveFactsWait() {
      outage.isOn = true;
      server.kill();
      await eventually(() => doesWait(outbox), PATIENCE_MS);
      outage.isOn = false;
    },
  };
}

type Deployment = Awaited<ReturnType<typeof givenDeployment>>;

/** @returns when the victim is dead */
async function killOne(
  deployment: Deployment,
  writers: readonly Writer[],
  load: Load,
  round: number,
  random: Random,
): Promise<void> {
  const { server, projector, relay, outbox, pool } = deployment;
  const isBusyServer = round % ROUNDS_A_BUSY_SERVER === 0;
  const anyone = [server, projector, relay][Math.floor(random() * 3)] as Supervised;
  const victim = isBusyServer ? server : anyone;
  const isEarly = random() < EARLY_KILLS && !isBusyServer;
  const share = random() ** 2;
  const appendedBefore = sum(writers, ({ direct }) => direct());
  const isReady = async () => {
    if (isBusyServer) {
      load.isHeld = await doesWait(outbox);
      return sum(writers, ({ direct }) => direct()) >= appendedBefore + DIRECT_APPENDS;
    }
    // A relay is there when something waits, which is when the server was away.
    if (victim === relay && !(await doesWait(outbox))) await deployment.haveFactsWait();
    return isEarly ? victim.isThere : isAtWork(victim, relay, pool);
  };
  try {
    await eventually(async () => {
      if (!(await isReady())) return false;
      await pause(share * (isEarly ? LATEST_EARLY_KILL_MS : LATEST_KILL_MS));
      // Who has ended by himself meanwhile is waited for again.
      return victim.kill();
    }, PATIENCE_MS);
  } catch (error) {
    const { name, findings } = victim;
    const found = { isBusyServer, isEarly, findings, outbox: await outbox.status() };
    throw new Error(`round ${round}: no moment to kill the ${name} came: ${JSON.stringify(found)}`, {
      cause: error,
    });
  } finally {
    load.isHeld = false;
  }
}

const sum = (writers: readonly Writer[], of: (writer: Writer) => number): number =>
  writers.reduce((total, writer) => total + of(writer), 0);

async function isAtWork(victim: Supervised, relay: Supervised, pool: Pool): Promise<boolean> {
  if (victim !== relay) return victim.isAtWork;
  return relay.isThere && ((await pool.query(RELAY_LOCK)).rowCount ?? 0) > 0;
}

function expectEachWritersOrder(writers: readonly Writer[], stored: readonly StoredEvent[]): void {
  const placeOf = new Map(stored.map(({ id }, place) => [id, place]));
  for (const { acknowledged } of writers) {
    for (const stream of new Set(acknowledged.map(event => event.stream))) {
      const places = acknowledged
        .filter(event => event.stream === stream)
        .map(({ id }) => placeOf.get(id) as number);
      expect(places).toEqual([...places].sort((a, b) => a - b));
    }
  }
}

it(`${ROUNDS} kills of the projector, the relay or the server lose nothing and double nothing (seed ${SEED})`, async () => {
  const random = seededRandom(SEED);
  const deployment = await givenDeployment();
  const { pool, outbox, env, eventStoreUrl, server, projector, relay } = deployment;
  const writers = APPEND_TIMEOUTS_MS.map((appendTimeoutMs, index) =>
    createWriter({ name: `writer-${index}`, eventStoreUrl, pool, appendTimeoutMs }),
  );
  closers.push(() => Promise.all(writers.map(writer => writer.close())));
  const load: Load = { isHeld: false, isOver: false };
  closers.push(() => {
    load.isOver = true;
  });
  const writing = Promise.all(
    writers.map((writer, index) => writer.write(seededRandom(SEED + index + 1), load)),
  );

  const startedMs = performance.now();
  for (let round = 1; round <= ROUNDS; round++) await killOne(deployment, writers, load, round, random);
  const tookMs = performance.now() - startedMs;

  load.isOver = true;
  await writing;
  await eventually(async () => (await outbox.status()).waiting === 0, PATIENCE_MS);
  const store = createEventStoreDbStore({ url: eventStoreUrl });
  closers.push(() => store.close());
  const { lag } = createProjector({ store, pool });
  await eventually(async () => (await lag()).events === 0, PATIENCE_MS);
  await relay.stop();
  await projector.stop();

  const acknowledged = writers.flatMap(writer => writer.acknowledged.map(({ id }) => id));
  const stored = await readToHead(store, undefined);
  const storedIds = stored.map(({ id }) => id);
  expect(new Set(storedIds).size).toBe(storedIds.length);
  // Nothing else either: a recorder retries until it is told that a fact was stored.
  const [known, there] = [new Set(acknowledged), new Set(storedIds)];
  expect({
    missing: acknowledged.filter(id => !there.has(id)),
    unknown: storedIds.filter(id => !known.has(id)),
  }).toEqual({ missing: [], unknown: [] });
  expectEachWritersOrder(writers, stored);
  for (const { recorder } of writers)
    expect(recorder.stats()).toMatchObject({ pending: 0, droppedFacts: 0, droppedHits: 0, rejected: 0 });
  expect(await outbox.status()).toMatchObject({ waiting: 0, dead: 0 });

  const checked = json(await cli(['rebuild', '--check', '--json'], { env })) as {
    equal: boolean;
    tables: { name: string; rows: number; differing: number }[];
  };
  expect(checked).toMatchObject({ equal: true, events: stored.length });
  expect(checked.tables.filter(({ differing }) => differing > 0)).toEqual([]);
  // Nobody ran in shadow mode.
  expect(checked.tables.filter(({ rows }) => rows === 0).map(({ name }) => name)).toEqual(['shadow_outcome']);
  expect((await pool.query('SELECT * FROM projection_dead_letter')).rows).toEqual([]);
  expect([server, projector, relay].flatMap(({ findings }) => findings)).toEqual([]);

  process.stdout.write(
    `${ROUNDS} rounds in ${(tookMs / 1_000).toFixed(1)} s (seed ${SEED}): killed the server ${server.kills}, the projector ${projector.kills} and the relay ${relay.kills} times; ${stored.length} events stored once, ${sum(writers, ({ waited }) => waited())} of them by way of the outbox; ${checked.tables.map(({ name, rows }) => `${rows} rows of ${name}`).join(', ')} equal rebuilt ones\n`,
  );
  // The test is worth nothing if one way to the store was never used.
  expect(sum(writers, ({ waited }) => waited())).toBeGreaterThan(0);
  expect(sum(writers, ({ direct }) => direct())).toBeGreaterThan(0);
}, 1_800_000);
