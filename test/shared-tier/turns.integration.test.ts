/** Single-flight over processes that share a Redis: one measures, the others wait for it, and not for the dead. */
import { describe, expect } from '@jest/globals';
import { createKeys } from '../../src/shared-tier/keys.js';
import { itWhen } from '../support/it-when.js';
import { findRedis, NO_REDIS, startRedis } from '../support/redis.js';
import { closing, eventually, givenWorld, measurements, SIMULATOR_SCOPE } from '../support/world.js';

const itWithRedis = itWhen(findRedis() !== undefined, NO_REDIS);
const LEASE = createKeys('cs', false).lease({
  exchange: 'BYBIT',
  environment: 'TESTNET',
  scope: SIMULATOR_SCOPE,
});

describe('whose turn it is to measure', () => {
  itWithRedis('of many processes one measures, and the others find what it measured', async () => {
    const redis = closing(await startRedis());
    const world = await givenWorld();
    const processes = [];
    for (let n = 0; n < 4; n++)
      processes.push(await world.process({ redisUrl: redis.url, redisDeadlineMs: 5_000 }));
    await Promise.all(
      processes.map((process, n) => world.connector(process, 'BYBIT', { userId: `u${n}` }).initialize()),
    );
    expect(measurements(world, 'BYBIT')).toBe(1);
    const client = await redis.client();
    await eventually(async () => expect(await client.exists(LEASE)).toBe(0));
  });

  itWithRedis(
    'a holder that died is not waited for beyond the lease, nor longer than five deadlines',
    async () => {
      const redis = closing(await startRedis());
      const world = await givenWorld();
      const client = await redis.client();
      await client.set(LEASE, 'somebody who died', { PX: 600_000 } as never);
      const process = await world.process({
        redisUrl: redis.url,
        redisDeadlineMs: 500,
        lookupDeadlineMs: 1_000,
      });
      await world.connector(process, 'BYBIT').initialize();
      expect(measurements(world, 'BYBIT')).toBe(1);
      expect(await client.get(LEASE)).toBe('somebody who died');
    },
  );

  itWithRedis(
    'is renewed while it is held, ends with its holder, and is given back by nobody else',
    async () => {
      const redis = closing(await startRedis());
      const { takeLease } = await import('../../src/shared-tier/lease.js');
      const { createConnections } = await import('../../src/shared-tier/connections.js');
      const { parseRedisUrl } = await import('../../src/shared-tier/redis-url.js');
      const { silentLogger } = await import('../../src/base/logging.js');
      const parsed = parseRedisUrl(redis.url);
      if (!('place' in parsed)) throw new Error(parsed.problem);
      const connections = closing(await createConnections(parsed.place, silentLogger));
      await connections.open();
      const client = await redis.client();
      const mine = await takeLease(connections, 'lease', 300);
      expect(mine).toBeDefined();
      // Renewed several times over, it is still held when its first life is over.
      let renewals = 0;
      let last = await client.pTTL('lease');
      await eventually(async () => {
        const left = await client.pTTL('lease');
        if (left > last) renewals++;
        last = left;
        return renewals >= 4;
      });
      expect(await takeLease(connections, 'lease', 300)).toBeUndefined();
      mine?.giveBack();
      await eventually(async () => expect(await client.exists('lease')).toBe(0));
      const other = await takeLease(connections, 'lease', 60_000);
      mine?.giveBack();
      expect(await client.exists('lease')).toBe(1);
      other?.giveBack();
    },
  );
});
