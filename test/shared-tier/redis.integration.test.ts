/** The shared tier over a real Redis: what is found, what is not, and what becomes of a Redis that fails. */
import { describe, expect } from '@jest/globals';
import type { ConnectorRef } from '../../src/events/connector.js';
import { createKeys } from '../../src/shared-tier/keys.js';
import { itWhen } from '../support/it-when.js';
import { findRedis, NO_REDIS, type RedisServer, startRedis } from '../support/redis.js';
import { closing, eventually, givenWorld, measurements, type Process, type World } from '../support/world.js';

const itWithRedis = itWhen(findRedis() !== undefined, NO_REDIS);

async function givenRedisWorld(): Promise<{ world: World; redis: RedisServer }> {
  const redis = closing(await startRedis());
  return { world: await givenWorld(), redis };
}

/** The machine that runs the tests is busy; what a deadline does has a test of its own. */
const over = ({ url }: { url: string }) => ({ redisUrl: url, redisDeadlineMs: 5_000 }) as const;

/** One process has measured, and everybody could know. */
async function givenState(world: World, redis: RedisServer): Promise<{ one: Process; ref: ConnectorRef }> {
  const one = await world.process(over(redis));
  const connector = world.connector(one, 'BYBIT');
  await connector.initialize();
  expect(await one.flush()).toMatchObject({ ok: true });
  return { one, ref: connector.ref };
}

const STATE_KEY = createKeys('cs', false).state('0', 'user123_cred456');
const CLOCK_KEY = 'cs1:c:BYBIT TESTNET simulator';

const tierOf = async (process: Process, ref: ConnectorRef) => {
  const found = await process.cache.peek(ref);
  return found.hit ? found.tier : found.reason;
};
const scriptCalls = async (client: { info(section: string): Promise<string> }) =>
  Number(/cmdstat_evalsha:calls=(\d+)/.exec(await client.info('commandstats'))?.[1] ?? 0);
const missesOf = async (process: Process) => (await process.cache.getStats()).redis?.misses;

describe('the shared tier', () => {
  itWithRedis('answers what another process measured; PostgreSQL is not asked', async () => {
    const { world, redis } = await givenRedisWorld();
    const { one, ref } = await givenState(world, redis);
    const two = await world.process(over(redis));
    const [mine, its] = [await one.cache.get(ref), await two.cache.get(ref)];
    expect(its).toMatchObject({ hit: true, tier: 'redis' });
    if (!mine.hit || !its.hit) throw new Error('no hit');
    const { link: _, ...state } = mine.state;
    expect(its.state).toMatchObject({ ...state, estimate: expect.anything() });
    const [a, b] = [mine.state.estimate, its.state.estimate];
    expect(Math.abs(a.offsetMs - b.offsetMs) + a.uncertaintyMs).toBeLessThanOrEqual(b.uncertaintyMs);
    expect(b.uncertaintyMs - a.uncertaintyMs).toBeLessThan(0.1);
    expect(its.state.link.clockId).toBe(mine.state.link.clockId);
    expect(await two.cache.getStats()).toMatchObject({ redis: { hits: 1, misses: {} } });
    await two.flush();
    const tiers = await world.sql<{ tier: string }>(`SELECT data->>'tier' AS tier FROM connector_event
      WHERE type = 'ConnectorStateHit' AND data->>'tier' = 'redis'`);
    expect(tiers).toHaveLength(1);
  });

  itWithRedis('keeps a hit in memory while it would hear of its end, and no longer than Redis', async () => {
    const { world, redis } = await givenRedisWorld();
    const { ref } = await givenState(world, redis);
    const two = await world.process(over(redis));
    await eventually(async () => (await two.cache.getStats()).redis?.isListening);
    expect(await tierOf(two, ref)).toBe('redis');
    expect(await tierOf(two, ref)).toBe('memory');
    const client = await redis.client();
    await client.sendCommand(['CLIENT', 'KILL', 'TYPE', 'pubsub']);
    await eventually(async () => expect(await tierOf(two, ref)).toBe('redis'));
    await eventually(async () => (await two.cache.getStats()).redis?.isListening);
  });

  itWithRedis('has nothing of a row that a rebuild has taken away, and nobody keeps it', async () => {
    const { world, redis } = await givenRedisWorld();
    const { one, ref } = await givenState(world, redis);
    await world.sql(`INSERT INTO connector_state_cache SELECT (jsonb_populate_record(s,
      '{"id": "00000000-0000-7000-8000-00000000dead", "cache_key": "nobody_cred456", "user_id": "nobody"}')).*
      FROM connector_state_cache s`);
    const made = { ...ref, userId: 'nobody' };
    const two = await world.process(over(redis));
    await eventually(async () => (await two.cache.getStats()).redis?.isListening);
    expect(await tierOf(two, made)).toBe('postgres');
    await eventually(async () => expect(await tierOf(await world.process(over(redis)), made)).toBe('redis'));
    const three = await world.process(over(redis));
    await eventually(async () => (await three.cache.getStats()).redis?.isListening);
    expect(await tierOf(three, made)).toBe('redis');
    expect(await tierOf(three, made)).toBe('memory');

    const { differing } = await (await one.projector()).rebuild();
    expect(differing).toMatchObject({ connector_state_cache: 1 });
    await eventually(async () => expect(await tierOf(three, made)).toBe('absent'));
    expect(await tierOf(await world.process(over(redis)), made)).toBe('absent');
    expect(await tierOf(await world.process(over(redis)), ref)).toBe('redis');
  });

  itWithRedis('tells every process at once what was condemned, before it is projected', async () => {
    const { world, redis } = await givenRedisWorld();
    const { ref } = await givenState(world, redis);
    const two = await world.process(over(redis));
    const three = await world.process(over(redis));
    await eventually(async () => (await three.cache.getStats()).redis?.isListening);
    expect(await tierOf(three, ref)).toBe('redis');
    expect(await tierOf(three, ref)).toBe('memory');
    const found = await two.cache.get(ref);
    if (!found.hit) throw new Error('no hit');
    two.cache.condemn(ref, found.state, 'manual', 'test');
    // It lets the state go, and what PostgreSQL still says for a moment is not put in its place.
    await eventually(async () => {
      await three.cache.peek(ref);
      return (await missesOf(three))?.unusable !== undefined;
    });
    await two.flush();
    const four = await world.process(over(redis));
    expect(await tierOf(four, ref)).toBe('invalid');
    await eventually(async () => expect(await tierOf(three, ref)).toBe('invalid'));
  });

  itWithRedis('shows what a process has flushed to every other', async () => {
    const { world, redis } = await givenRedisWorld();
    const { one, ref } = await givenState(world, redis);
    const two = await world.process(over(redis));
    for (let n = 0; n < 3; n++) {
      await world.later();
      const connector = world.connector(one, 'BYBIT');
      await one.cache.invalidate('user123', 'cred456');
      await connector.initialize();
      const { position } = await one.flush();
      const mine = await one.cache.get(ref);
      const its = await two.cache.get(ref);
      if (!mine.hit || !its.hit) throw new Error('no hit');
      expect(its.state.syncId).toBe(mine.state.syncId);
      // What measured on behalf of others has stored it already, and then there is no position to wait for.
      const tier = position === undefined ? /memory|redis/ : /postgres/;
      expect(await two.cache.get(ref, { atLeast: position })).toMatchObject({
        hit: true,
        tier: expect.stringMatching(tier),
      });
    }
  });

  itWithRedis('fills in what it missed, for all the others', async () => {
    const { world, redis } = await givenRedisWorld();
    const alone = await world.process();
    const connector = world.connector(alone, 'BYBIT');
    await connector.initialize();
    await alone.flush();
    const [one, two] = [await world.process(over(redis)), await world.process(over(redis))];
    expect(await tierOf(one, connector.ref)).toBe('postgres');
    await eventually(async () => expect(await tierOf(two, connector.ref)).toBe('redis'));
    expect(measurements(world, 'BYBIT')).toBe(1);
  });

  itWithRedis('finds many in one round trip', async () => {
    const { world, redis } = await givenRedisWorld();
    const one = await world.process(over(redis));
    const refs = [];
    for (let n = 0; n < 20; n++) {
      const connector = world.connector(one, 'BYBIT', { userId: `u${n}` });
      await connector.initialize();
      refs.push(connector.ref);
    }
    await one.flush();
    const two = await world.process(over(redis));
    const client = await redis.client();
    await client.configResetStat();
    const found = await two.cache.getMany(refs);
    expect(found.map(each => each.hit && each.tier)).toEqual(refs.map(() => 'redis'));
    expect(await client.info('commandstats')).toMatch(/cmdstat_evalsha:calls=1,/);
  });
});

describe('what stands in Redis and is not in order', () => {
  const value = async (redis: RedisServer, key: string) => {
    const client = await redis.client();
    const { RESP_TYPES } = await import('redis');
    return (await client.sendCommand(['GET', key], {
      typeMapping: { [RESP_TYPES.BLOB_STRING]: Buffer },
    })) as Buffer;
  };
  const bad: [string, string, (redis: RedisServer) => Promise<unknown>, string][] = [
    ['by hand', STATE_KEY, async redis => (await redis.client()).set(STATE_KEY, 'hello'), 'corrupt'],
    [
      'of another kind',
      STATE_KEY,
      async redis => {
        const client = await redis.client();
        await client.del(STATE_KEY);
        await client.lPush(STATE_KEY, 'hello');
      },
      'absent',
    ],
    [
      'truncated',
      STATE_KEY,
      async redis => {
        const whole = await value(redis, STATE_KEY);
        await (await redis.client()).set(STATE_KEY, whole.subarray(0, whole.length - 9));
      },
      'ended|corrupt',
    ],
    [
      'of another release',
      STATE_KEY,
      async redis => {
        await (await redis.client()).setRange(STATE_KEY, 0, '\u0007');
      },
      'corrupt',
    ],
    [
      'of another connector',
      STATE_KEY,
      async redis => {
        await (await redis.client()).setRange(STATE_KEY, 28, 'abc');
      },
      'other-connector',
    ],
    [
      'of another database',
      STATE_KEY,
      async redis => {
        await (await redis.client()).setRange(STATE_KEY, 31, 'abcd');
      },
      'other-clock',
    ],
    [
      'a clock by hand',
      CLOCK_KEY,
      async redis => {
        const whole = await value(redis, CLOCK_KEY);
        const text = Buffer.concat([whole.subarray(0, 28), Buffer.from('{"clockId":'), whole.subarray(-6)]);
        await (await redis.client()).set(CLOCK_KEY, text);
      },
      'corrupt',
    ],
    ['a link by hand', 'cs1:link', async redis => (await redis.client()).set('cs1:link', '{}'), 'corrupt'],
  ];
  for (const [name, key, spoil, reason] of bad) {
    itWithRedis(`${name}: a miss with a reason, and healed`, async () => {
      const { world, redis } = await givenRedisWorld();
      const { ref } = await givenState(world, redis);
      await spoil(redis);
      const two = await world.process(over(redis));
      expect(await tierOf(two, ref)).toBe('postgres');
      expect(Object.keys((await missesOf(two)) ?? {}).join()).toMatch(new RegExp(reason));
      const three = await world.process(over(redis));
      await eventually(async () => expect(await tierOf(three, ref)).toBe('redis'));
      expect((await value(redis, key))[0]).toBe(1);
    });
  }

  itWithRedis('numbers that nobody measured are judged as a row is', async () => {
    const { world, redis } = await givenRedisWorld();
    const { ref } = await givenState(world, redis);
    await (await redis.client()).setRange(STATE_KEY, 44, '\u007f\u007f\u007f');
    const two = await world.process(over(redis));
    expect(await tierOf(two, ref)).toBe('postgres');
    expect(await missesOf(two)).toEqual({ unusable: 1 });
  });

  itWithRedis('a server that began anew voids all that was there before', async () => {
    const { world, redis } = await givenRedisWorld();
    const { ref } = await givenState(world, redis);
    const before = await value(redis, STATE_KEY);
    const clock = await value(redis, CLOCK_KEY);
    const link = await value(redis, 'cs1:link');
    await redis.restart();
    const client = await redis.client();
    await client.mSet([STATE_KEY, before as never, CLOCK_KEY, clock as never, 'cs1:link', link as never]);
    const two = await world.process(over(redis));
    expect(await tierOf(two, ref)).toBe('postgres');
    expect(await missesOf(two)).toEqual({ 'other-lineage': 1 });
    const three = await world.process(over(redis));
    await eventually(async () => expect(await tierOf(three, ref)).toBe('redis'));
  });
});

describe('a Redis that fails', () => {
  itWithRedis('that is not there: PostgreSQL answers, and it is said once', async () => {
    const { world, redis } = await givenRedisWorld();
    await redis.kill();
    const { one, ref } = await givenState(world, redis);
    const two = await world.process(over(redis));
    for (let n = 0; n < 8; n++) expect(await tierOf(two, ref)).toMatch(/postgres|memory/);
    expect(two.log.lines.filter(line => /without Redis/.test(JSON.stringify(line)))).toHaveLength(1);
    await redis.restart();
    await one.flush();
  });

  itWithRedis('that goes away and comes back is used again', async () => {
    const { world, redis } = await givenRedisWorld();
    const { ref } = await givenState(world, redis);
    const two = await world.process({ ...over(redis), memoryEntries: 0, breakerResetMs: 10 });
    expect(await tierOf(two, ref)).toBe('redis');
    await redis.kill();
    for (let n = 0; n < 8; n++) expect(await tierOf(two, ref)).toBe('postgres');
    await redis.restart();
    await eventually(async () => expect(await tierOf(two, ref)).toBe('redis'));
  });

  itWithRedis('that stands still costs its share of the deadline, and then nothing', async () => {
    const { world, redis } = await givenRedisWorld();
    const { ref } = await givenState(world, redis);
    const two = await world.process({
      ...over(redis),
      redisDeadlineMs: 30,
      memoryEntries: 0,
      breakerResetMs: 600_000,
    });
    expect(await tierOf(two, ref)).toMatch(/redis|postgres/);
    const client = await redis.client();
    const before = await scriptCalls(client);
    redis.freeze();
    for (let n = 0; n < 100; n++) expect(await tierOf(two, ref)).toBe('postgres');
    redis.goOn();
    // Each question that was sent is answered now. Most were not: the breaker knew.
    expect((await scriptCalls(client)) - before).toBeLessThan(50);
    expect(two.log.lines.filter(line => /without Redis/.test(JSON.stringify(line))).length).toBeGreaterThan(
      0,
    );
  });

  itWithRedis(
    'whose answer comes too late keeps others from filling in for no longer than a lookup takes',
    async () => {
      const { world, redis } = await givenRedisWorld();
      const { ref } = await givenState(world, redis);
      const client = await redis.client();
      const two = await world.process({
        ...over(redis),
        lookupDeadlineMs: 1_000,
        redisDeadlineMs: 30,
        memoryEntries: 0,
        breakerResetMs: 50,
      });
      await client.flushAll();
      redis.freeze();
      expect(await tierOf(two, ref)).toBe('postgres');
      redis.goOn();
      await client.ping();
      expect(await client.pTTL(`${STATE_KEY}:t`)).toBeLessThanOrEqual(1_250);
      await eventually(async () => expect(await tierOf(two, ref)).toBe('redis'));
    },
  );

  itWithRedis('that has no room', async () => {
    const { world, redis } = await givenRedisWorld();
    const { one, ref } = await givenState(world, redis);
    const client = await redis.client();
    await client.configSet('maxmemory', '1mb');
    const two = await world.process({ ...over(redis), memoryEntries: 0 });
    // What is there is still found; a condemnation must not leave it there for want of room.
    expect(await tierOf(two, ref)).toBe('redis');
    const found = await one.cache.get(ref);
    if (!found.hit) throw new Error('no hit');
    one.cache.condemn(ref, found.state, 'manual', 'test');
    await eventually(async () => expect(await client.exists(STATE_KEY)).toBe(0));
    await one.flush();
    expect(await tierOf(two, ref)).toBe('invalid');
  });

  itWithRedis('that is a read-only replica, or refuses the login', async () => {
    const { world, redis } = await givenRedisWorld();
    const replica = closing(await startRedis());
    await (await replica.client()).replicaOf('127.0.0.1', redis.port);
    const closed = closing(await startRedis());
    await (await closed.client()).configSet('requirepass', 'secret-of-redis');
    for (const server of [closed, replica]) {
      const { one, ref } = await givenState(world, server);
      const two = await world.process({ ...over(server), memoryEntries: 0 });
      expect(await tierOf(two, ref)).toBe('postgres');
      expect(JSON.stringify([one.log.lines, two.log.lines])).not.toContain('secret-of-redis');
      await one.close();
    }
  });
});
