/** The shared tier over a real cluster of six: where keys lie, a master that dies, slots that move. */
import { spawnSync } from 'node:child_process';
import { describe, expect } from '@jest/globals';
import type { ConnectorRef } from '../../src/events/connector.js';
import { createKeys } from '../../src/shared-tier/keys.js';
import { itWhen } from '../support/it-when.js';
import { findRedis, NO_REDIS, type RedisCluster, startRedisCluster } from '../support/redis.js';
import { closing, eventually, givenWorld, type Process, type World } from '../support/world.js';

const itWithRedis = itWhen(findRedis() !== undefined, NO_REDIS);
const keys = createKeys('cs', true);

const over = ({ url }: RedisCluster) =>
  ({ redisUrl: url, redisDeadlineMs: 5_000, memoryEntries: 0, breakerResetMs: 50 }) as const;

async function givenStates(world: World, cluster: RedisCluster, count: number) {
  const one = await world.process(over(cluster));
  const refs: ConnectorRef[] = [];
  for (let n = 0; n < count; n++) {
    const connector = world.connector(one, 'BYBIT', { userId: `u${n}` });
    await connector.initialize();
    refs.push(connector.ref);
  }
  expect(await one.flush()).toMatchObject({ ok: true });
  return refs;
}

/** The tier that answers each; none may be without an answer. */
async function tiersOf(process: Process, refs: readonly ConnectorRef[]): Promise<string[]> {
  const found = await Promise.all(refs.map(ref => process.cache.peek(ref)));
  return found.map(each => (each.hit ? each.tier : each.reason));
}

const all = (refs: readonly ConnectorRef[], tier: string) => refs.map(() => tier);

const cli = (port: number, ...args: string[]): string => {
  const { stdout } = spawnSync('redis-cli', ['-p', String(port), ...args], {
    encoding: 'utf8',
    timeout: 30_000,
  });
  return stdout;
};

const slotOf = (cluster: RedisCluster, key: string): number =>
  Number(cli((cluster.nodes[0] as { port: number }).port, 'CLUSTER', 'KEYSLOT', key));

/** As one of the nodes that are alive sees it. */
function ownerOf(slot: number, asked: number): number {
  const shards = JSON.parse(cli(asked, '--json', 'CLUSTER', 'SLOTS')) as [
    number,
    number,
    [string, number, string],
  ][];
  const owner = shards.find(([from, to]) => from <= slot && slot <= to);
  if (!owner) throw new Error(`nobody has slot ${slot}`);
  return owner[2][1];
}

describe('the shared tier over a cluster', () => {
  itWithRedis('finds states on every node, outlives a master, and a slot that moves', async () => {
    const cluster = closing(await startRedisCluster());
    const world = await givenWorld();
    const refs = await givenStates(world, cluster, 12);
    const two = await world.process(over(cluster));
    await eventually(async () => expect(await tiersOf(two, refs)).toEqual(all(refs, 'redis')));
    const cells = new Set(refs.map(ref => keys.cellOfState(`${ref.userId}_${ref.credentialId}`)));
    expect(cells.size).toBeGreaterThan(6);

    // A slot moves to another master while lookups go on: they are answered, by whom they may.
    const [ref] = refs as [ConnectorRef];
    const cacheKey = `${ref.userId}_${ref.credentialId}`;
    const stateKey = keys.state(keys.cellOfState(cacheKey), cacheKey);
    const slot = slotOf(cluster, stateKey);
    const anyPort = (cluster.nodes[0] as { port: number }).port;
    const from = ownerOf(slot, anyPort);
    const to = cluster.nodes
      .map(({ port }) => port)
      .find(port => port !== from && /role:master/.test(cli(port, 'INFO', 'replication'))) as number;
    const [fromId, toId] = [cli(from, 'CLUSTER', 'MYID').trim(), cli(to, 'CLUSTER', 'MYID').trim()];
    cli(to, 'CLUSTER', 'SETSLOT', String(slot), 'IMPORTING', fromId);
    cli(from, 'CLUSTER', 'SETSLOT', String(slot), 'MIGRATING', toId);
    for (const tier of await tiersOf(two, refs)) expect(tier).toMatch(/redis|postgres/);
    const moving = cli(from, 'CLUSTER', 'GETKEYSINSLOT', String(slot), '100')
      .trim()
      .split('\n')
      .filter(Boolean);
    for (const key of moving) {
      cli(from, 'MIGRATE', '127.0.0.1', String(to), key, '0', '5000', 'REPLACE');
      for (const tier of await tiersOf(two, [ref])) expect(tier).toMatch(/redis|postgres/);
    }
    for (const port of [to, from]) cli(port, 'CLUSTER', 'SETSLOT', String(slot), 'NODE', toId);
    // What came along was written by another server, whose last words may be missing: it is asked for anew.
    await eventually(async () => expect(await tiersOf(two, refs)).toEqual(all(refs, 'redis')));
    expect(ownerOf(slot, to)).toBe(to);

    // A master dies.
    const victim = cluster.nodes.find(({ port }) => port === to);
    await victim?.kill();
    const alive = cluster.nodes.find(({ port }) => port !== to)?.port as number;
    for (let n = 0; n < 5; n++)
      for (const tier of await tiersOf(two, refs)) expect(tier).toMatch(/redis|postgres/);
    await eventually(() => expect(ownerOf(slot, alive)).not.toBe(to), 60_000);
    for (const tier of await tiersOf(two, refs)) expect(tier).toMatch(/redis|postgres/);
    await eventually(async () => expect(await tiersOf(two, refs)).toEqual(all(refs, 'redis')), 60_000);
    const misses = (await two.cache.getStats()).redis?.misses;
    expect(misses?.['other-lineage']).toBeGreaterThan(0);
  });
});
