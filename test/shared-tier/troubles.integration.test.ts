/**
 * A Redis that will not, over a real one: lookups stay true, and what is told is the cause, by the log, by `getStats()` and
 * by `doctor`.
 */
import { afterEach, beforeAll, describe, expect } from '@jest/globals';
import type { RedisClientType } from 'redis';
import { checkRedis } from '../../src/cli/doctor/shared-tier-check.js';
import { readSettings } from '../../src/composition/settings.js';
import type { ConnectorRef } from '../../src/events/connector.js';
import { itWhen } from '../support/it-when.js';
import { findRedis, NO_REDIS, type RedisServer, startRedis } from '../support/redis.js';
import { closing, eventually, givenWorld, keepForFile, type Process, type World } from '../support/world.js';

const itWithRedis = itWhen(findRedis() !== undefined, NO_REDIS);

const PASSWORD = 's3cret-of-redis';
let redis: RedisServer;
let client: RedisClientType;
let world: World;
const user = (...rules: string[]) => client.sendCommand(['ACL', 'SETUSER', 'app', ...rules]);
const set = (name: string, value: string) => client.sendCommand(['CONFIG', 'SET', name, value]);

beforeAll(async () => {
  if (findRedis() === undefined) return;
  redis = closing(await startRedis());
  client = await redis.client();
  world = await givenWorld();
  keepForFile();
});
const healed = async () => {
  if (findRedis() === undefined) return;
  await set('maxmemory', '0');
  await set('min-replicas-to-write', '0');
  await client.sendCommand(['REPLICAOF', 'NO', 'ONE']);
  await client.flushAll();
};
afterEach(healed);

const url = (login = `app:${PASSWORD}@`) => `redis://${login}127.0.0.1:${redis.port}`;
const over = (redisUrl: string) =>
  ({ redisUrl, redisDeadlineMs: 5_000, memoryEntries: 0, breakerResetMs: 50 }) as const;

/** A process that knows of a state, and has told every tier that would hear it. */
async function givenState(redisUrl: string): Promise<{ one: Process; ref: ConnectorRef }> {
  const one = await world.process(over(redisUrl));
  const connector = world.connector(one, 'BYBIT', { userId: `user${Math.random()}` });
  await connector.initialize();
  await one.flush();
  return { one, ref: connector.ref };
}
const tierOf = async (process: Process, ref: ConnectorRef) => {
  const found = await process.cache.peek(ref);
  return found.hit ? found.tier : found.reason;
};
const troublesOf = async (process: Process) =>
  ((await process.cache.getStats()).redis?.troubles ?? []).map(
    trouble => `${trouble.with}: ${trouble.cause}`,
  );
const doctor = (redisUrl: string) =>
  checkRedis(readSettings({ databaseUrl: world.databaseUrl, redisUrl }, {}));

/** PostgreSQL answers, and the cause is known. */
async function isTold(process: Process, ref: ConnectorRef, trouble: string): Promise<void> {
  await eventually(async () => {
    expect(await tierOf(process, ref)).toBe('postgres');
    expect(await troublesOf(process)).toContain(trouble);
  });
  expect(process.log.text()).not.toContain(PASSWORD);
}

describe('a Redis that will not', () => {
  itWithRedis('let anybody in whose password is another now; it is used again once it does', async () => {
    await user('reset', 'on', `>${PASSWORD}`, '~*', '&*', '+@all');
    const { one, ref } = await givenState(url());
    await eventually(async () => expect(await tierOf(one, ref)).toBe('redis'));
    await user('resetpass', '>another');
    await client.sendCommand(['CLIENT', 'KILL', 'USER', 'app']);
    await isTold(one, ref, 'lookups: login');
    expect(await doctor(url())).toMatchObject({
      status: 'warn',
      message: expect.stringContaining('WRONGPASS'),
      remedy: expect.stringContaining('user or password of REDIS_URL are refused'),
    });
    await user(`>${PASSWORD}`);
    await eventually(async () => expect(await tierOf(one, ref)).toBe('redis'));
  });

  itWithRedis(
    'run a command that the user lacks the right to; without GET no order could be kept',
    async () => {
      for (const [command, trouble] of [
        ['evalsha', 'lookups: right'],
        ['get', 'writes: right'],
      ] as const) {
        await client.flushAll();
        await user('reset', 'on', `>${PASSWORD}`, '~*', '&*', '+@all', `-${command}`);
        const { one, ref } = await givenState(url());
        await isTold(one, ref, trouble);
        expect(await doctor(url())).toMatchObject({
          status: 'warn',
          remedy: expect.stringMatching(/^grant/),
        });
      }
      await user('reset', 'on', `>${PASSWORD}`, '~*', '&*', '+@all', '-subscribe');
      const { one, ref } = await givenState(url());
      await eventually(async () => expect(await troublesOf(one)).toEqual(['invalidations: right']));
      expect(await tierOf(one, ref)).toBe('redis');
    },
  );

  itWithRedis('take what is written: a replica, one without replicas, one without room', async () => {
    const master = closing(await startRedis());
    for (const [spoil, cause] of [
      [() => client.sendCommand(['REPLICAOF', '127.0.0.1', String(master.port)]), 'read-only'],
      [() => set('min-replicas-to-write', '1'), 'no-replicas'],
      [() => set('maxmemory', '1mb'), 'full'],
    ] as const) {
      await healed();
      await spoil();
      const { one, ref } = await givenState(url(''));
      await isTold(one, ref, `writes: ${cause}`);
      expect(await troublesOf(one)).not.toContainEqual(expect.stringContaining('lookups'));
      expect(await doctor(url(''))).toMatchObject({ status: 'warn' });
      await one.close();
    }
  });

  itWithRedis(
    'void what was condemned: who heard of it does not use it, and it is void once it will',
    async () => {
      const { one, ref } = await givenState(url(''));
      const two = await world.process(over(url('')));
      await eventually(async () => (await two.cache.getStats()).redis?.isListening);
      const found = await two.cache.peek(ref);
      if (!found.hit) throw new Error('no hit');
      expect(found.tier).toBe('redis');
      await set('min-replicas-to-write', '1');
      // Its fact is not projected, so PostgreSQL does not know either.
      one.cache.condemn(ref, found.state, 'manual', 'test');
      await eventually(async () => expect(await tierOf(two, ref)).toBe('invalid'));
      expect(await troublesOf(one)).toEqual(['writes: no-replicas']);
      await set('min-replicas-to-write', '0');
      const three = await world.process(over(url('')));
      await eventually(async () => expect((await one.cache.getStats()).redis?.waiting).toBe(0));
      await three.cache.peek(ref);
      expect((await three.cache.getStats()).redis).toMatchObject({ misses: { unusable: 1 } });
    },
  );

  itWithRedis('be what the URL says, or lets no scripts run', async () => {
    const node = closing(await startRedis({ args: ['--cluster-enabled', 'yes'] }));
    await (await node.client()).sendCommand(['CLUSTER', 'ADDSLOTSRANGE', '0', '16383']);
    const old = closing(
      await startRedis({
        args: ['--rename-command', 'EVALSHA', '', '--rename-command', 'HELLO', ''],
        clientOptions: { RESP: 2 },
      }),
    );
    const { one, ref } = await givenState(url(''));
    await one.flush();
    for (const [redisUrl, cause] of [
      [`${url('')}?cluster=true`, 'no-cluster'],
      [`redis://127.0.0.1:${node.port}`, 'cluster'],
      [`redis://127.0.0.1:${old.port}`, 'commands'],
      [`${url('')}/77`, 'database'],
      [`redis+sentinel://127.0.0.1:${redis.port}/mymaster`, 'sentinel'],
    ] as const) {
      const process = await world.process({ ...over(redisUrl), redisDeadlineMs: 200 });
      await isTold(process, ref, `lookups: ${cause}`);
      expect((await doctor(redisUrl)).status).toBe('warn');
    }
  });

  itWithRedis('speak RESP3: RESP2 is enough', async () => {
    const old = closing(
      await startRedis({ args: ['--rename-command', 'HELLO', ''], clientOptions: { RESP: 2 } }),
    );
    const { ref } = await givenState(old.url);
    const two = await world.process(over(old.url));
    await eventually(async () =>
      expect((await two.cache.getStats()).redis).toMatchObject({ isListening: true }),
    );
    expect(await tierOf(two, ref)).toBe('redis');
    expect(await doctor(old.url)).toMatchObject({ status: 'ok' });
  });
});
