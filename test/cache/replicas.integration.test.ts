/** Lookups in read replicas: real standbys that stream from a real primary, one of them with a clock that is hours off. */
import { spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { fixedTtl } from '../../src/clock/ttl.js';
import type { ConnectorRef } from '../../src/events/connector.js';
import '../../src/events/ids.js';
import { silentLogger } from '../../src/base/logging.js';
import { checkReplicas } from '../../src/cli/doctor/replica-check.js';
import { readSettings } from '../../src/composition/settings.js';
import { type ConnectorState, type ConnectorStateOptions, createConnectorState } from '../../src/index.js';
import { freePort } from '../../src/postgres/embedded/launch.js';
import { createPool } from '../../src/postgres/pool.js';
import { migrate } from '../../src/read-model/migrate.js';
import { machine } from '../support/clocks.js';
import { itWhen } from '../support/it-when.js';
import { keptLog } from '../support/log.js';
import { type Streaming, startStreaming } from '../support/streaming.js';
import { startTcpProxy } from '../support/tcp-proxy.js';
import { closing, eventually } from '../support/world.js';

const hasFaketime = spawnSync('faketime', ['--version']).status === 0;
const itWithFaketime = itWhen(hasFaketime, 'needs faketime: apt-get install faketime');

const DATABASE = 'postgres';
let streaming: Streaming;
/** Of the primary, of a replica, and of one whose clock is three hours ahead. */
let url: string;
let near: string;
let off: string;

beforeAll(async () => {
  streaming = await startStreaming([[], hasFaketime ? ['faketime', '-f', '+3h'] : []]);
  url = streaming.primary.urlOf(DATABASE);
  [near, off] = streaming.standbys.map(standby => standby.urlOf(DATABASE)) as [string, string];
  await migrate(url);
  await streaming.caughtUp(DATABASE);
  // Nobody has linked them yet: the primary answers, and they are linked by the way.
  for (const replica of [near, off]) {
    const process = await open(replica);
    expect(await process.cache.get(refOf('nobody'))).toMatchObject({ hit: false, reason: 'absent' });
    expect(await replicasOf(process)).toEqual({ hits: 0, misses: { 'no-link': 1 } });
    await eventually(async () => expect(await links()).toBe(replica === near ? 1 : 2));
    await process.close();
  }
});
afterAll(() => streaming.close());

const links = async () => (await streaming.primary.query('SELECT FROM connector_replica_link')).length;

const open = (replica: string | undefined, options: ConnectorStateOptions = {}) =>
  createConnectorState({
    databaseUrl: url,
    databaseReplicaUrl: replica,
    lookupDeadlineMs: 20_000,
    flushIntervalMs: 600_000,
    logger: keptLog(),
    clock: machine(),
    random: () => 0,
    ...options,
  });
const givenProcess = async (replica: string | undefined, options?: ConnectorStateOptions) =>
  closing(await open(replica, options));

/** Measured now, 145 ms ahead of the primary. @returns the sync and the place where it was stored */
async function record({ cache, flush }: ConnectorState, ref: ConnectorRef) {
  const found = await cache.refresh(ref);
  const link = found.hit ? found.state.link : found.link;
  if (!link) throw new Error('no database');
  const { syncId } = cache.set(
    ref,
    {
      syncId: randomUUID(),
      estimate: { offsetMs: 145, uncertaintyMs: 10, atMs: Math.round(cache.clock.now() + link.offsetMs) },
      link,
      roundTripMs: 20,
      samples: 1,
      ttl: fixedTtl(900_000),
    },
    'warm-up',
  );
  const flushed = await flush();
  expect(flushed).toMatchObject({ ok: true });
  return { syncId, position: flushed.position as string };
}

const replicasOf = async ({ cache }: ConnectorState) => (await cache.getStats()).replicas;

const refOf = (userId: string): ConnectorRef => ({
  userId,
  credentialId: 'cred456',
  exchange: 'BYBIT',
  environment: 'TESTNET',
});

let connectors = 0;
/** A state of a connector of its own that all servers have, and links that were renewed just now. */
async function givenState() {
  const ref = refOf(`user${++connectors}`);
  const one = await givenProcess(undefined);
  const recorded = await record(one, ref);
  await streaming.primary.query('UPDATE connector_replica_link SET renewed_at = clock_timestamp()');
  await streaming.caughtUp(DATABASE);
  return { one, ref, recorded };
}

async function stateOf({ cache }: ConnectorState, ref: ConnectorRef) {
  const found = await cache.get(ref);
  if (!found.hit) throw new Error(`a miss: ${found.reason}`);
  return found.state;
}

/** What is recorded meanwhile reaches the replica afterwards. */
async function whileReplayStands<T>(work: () => Promise<T>): Promise<T> {
  const [near] = streaming.standbys;
  await near?.query('SELECT pg_wal_replay_pause()');
  await eventually(async () => {
    const [row] =
      (await near?.query<{ state: string }>('SELECT pg_get_wal_replay_pause_state() AS state')) ?? [];
    expect(row?.state).toBe('paused');
  });
  try {
    return await work();
  } finally {
    await near?.query('SELECT pg_wal_replay_resume()');
  }
}

describe('a read replica', () => {
  it('answers what another process measured, relative to the primary, also while that is away', async () => {
    const { one, ref } = await givenState();
    const mine = await stateOf(one, ref);
    const toPrimary = closing(await startTcpProxy(url));
    const two = await givenProcess(near, { databaseUrl: toPrimary.url });
    await toPrimary.refuse();
    const its = await stateOf(two, ref);
    expect(its).toMatchObject({ ...mine, link: expect.anything(), estimate: expect.anything() });
    expect(its.link.clockId).toBe(mine.link.clockId);
    // Both hosts read this machine's clock.
    const apartMs = Math.abs(its.link.offsetMs - mine.link.offsetMs);
    expect(apartMs).toBeLessThanOrEqual(its.link.uncertaintyMs + mine.link.uncertaintyMs);
    await toPrimary.recover();
    expect(await replicasOf(two)).toEqual({ hits: 1, misses: {} });
  });

  itWithFaketime('may have a clock that is hours off', async () => {
    const { one, ref } = await givenState();
    const mine = await stateOf(one, ref);
    const two = await givenProcess(off);
    const its = await stateOf(two, ref);
    expect(await replicasOf(two)).toEqual({ hits: 1, misses: {} });
    expect(its.link.clockId).toBe(mine.link.clockId);
    const apartMs = Math.abs(its.link.offsetMs - mine.link.offsetMs);
    expect(apartMs).toBeLessThanOrEqual(its.link.uncertaintyMs + mine.link.uncertaintyMs);
  });

  it('is not believed that there is nothing', async () => {
    const { one, ref } = await givenState();
    const two = await givenProcess(near, { memoryEntries: 0 });
    const other = refOf('nobody');
    expect(await two.cache.get(other)).toMatchObject({ hit: false, reason: 'absent' });
    expect(await replicasOf(two)).toEqual({ hits: 0, misses: { unusable: 1 } });
    expect(await two.cache.get(ref)).toMatchObject({ hit: true });
    expect(await replicasOf(two)).toMatchObject({ hits: 1 });
    expect(await one.cache.getStats()).not.toHaveProperty('replicas');
  });

  it('that is behind the place asked for is passed over, and asked once it is there', async () => {
    const { one, ref } = await givenState();
    const two = await givenProcess(near, { memoryEntries: 0 });
    const { syncId, position } = await whileReplayStands(async () => {
      const recorded = await record(one, ref);
      const found = await two.cache.get(ref, { atLeast: recorded.position });
      expect(found).toMatchObject({ hit: true, state: { syncId: recorded.syncId } });
      expect(found).not.toHaveProperty('behind');
      expect(await replicasOf(two)).toEqual({ hits: 0, misses: { unusable: 1 } });
      return recorded;
    });
    await streaming.caughtUp(DATABASE);
    const found = await two.cache.get(ref, { atLeast: position });
    expect(found).toMatchObject({ hit: true, state: { syncId } });
    expect(await replicasOf(two)).toMatchObject({ hits: 1 });
  });

  it('that lacks what this process stored is passed over', async () => {
    const { ref, recorded } = await givenState();
    const two = await givenProcess(near, { memoryEntries: 0 });
    await whileReplayStands(async () => {
      const { syncId } = await record(two, ref);
      expect(syncId).not.toBe(recorded.syncId);
      expect(await two.cache.get(ref)).toMatchObject({ hit: true, state: { syncId } });
      expect(await replicasOf(two)).toMatchObject({ hits: 0, misses: { behind: 1 } });
    });
    await streaming.caughtUp(DATABASE);
    expect(await two.cache.get(ref)).toMatchObject({ hit: true });
    expect(await replicasOf(two)).toMatchObject({ hits: 1 });
  });

  it('that is down, or stands still, costs a share of the deadline: the next one, or the primary, answers', async () => {
    const { ref } = await givenState();
    const toReplica = closing(await startTcpProxy(near));
    const two = await givenProcess(toReplica.url, { memoryEntries: 0, lookupDeadlineMs: 8_000 });
    toReplica.behave('hang');
    expect(await two.cache.get(ref)).toMatchObject({ hit: true });
    expect(await replicasOf(two)).toMatchObject({ hits: 0, misses: { unreachable: 1 } });
    await toReplica.refuse();
    expect(await two.cache.get(ref)).toMatchObject({ hit: true });
    expect(await replicasOf(two)).toMatchObject({ hits: 0, misses: { unreachable: 2 } });

    const three = await givenProcess(`${toReplica.url},${near}`, { memoryEntries: 0 });
    for (let n = 0; n < 3; n++) expect(await three.cache.get(ref)).toMatchObject({ hit: true });
    expect(await replicasOf(three)).toMatchObject({ hits: 2, misses: { unreachable: 1 } });
  });

  it('is examined by the doctor, as is what is none', async () => {
    const pool = createPool({ connectionString: url, max: 1, log: silentLogger });
    const examine = (databaseReplicaUrl: string) =>
      checkReplicas(pool, readSettings({ databaseUrl: url, databaseReplicaUrl }, {}), silentLogger);
    await givenState();
    const nobody = `postgres://postgres@127.0.0.1:${await freePort()}/x`;
    expect(await examine(`${near},${url},${nobody}`)).toEqual([
      expect.objectContaining({ status: 'ok', message: expect.stringMatching(/linked to pg:\d+:1 within/) }),
      expect.objectContaining({ status: 'warn', message: expect.stringMatching(/is the primary itself/) }),
      expect.objectContaining({ status: 'warn', remedy: expect.stringMatching(/^start it/) }),
    ]);
    await pool.end();
  });

  // The last: afterwards it is no replica any more.
  it('that was promoted is not believed, by whom it was asked before or not', async () => {
    const { one, ref, recorded } = await givenState();
    const before = await givenProcess(near, { memoryEntries: 0 });
    expect(await before.cache.get(ref)).toMatchObject({ hit: true });
    expect(await replicasOf(before)).toEqual({ hits: 1, misses: {} });
    await streaming.standbys[0]?.query('SELECT pg_promote()');
    await streaming.standbys[0]?.query(`UPDATE connector_state_cache SET time_offset = 99999`);
    const after = await givenProcess(near, { memoryEntries: 0 });
    for (const each of [before, after]) {
      expect(await stateOf(each, ref)).toMatchObject({
        syncId: recorded.syncId,
        estimate: { offsetMs: expect.closeTo(145, 0) },
      });
      expect(await replicasOf(each)).toMatchObject({ misses: { promoted: 1 } });
    }
    expect(await one.cache.get(ref)).toMatchObject({ hit: true });
  });
});
