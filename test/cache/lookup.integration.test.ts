/**
 * Lookups: shared, batched, bounded in time. Queries are counted on the wire, between the pool and PostgreSQL, by
 * a batcher around the real lookup.
 */
import { connect, createServer, type Socket } from 'node:net';
import { describe, expect, it } from '@jest/globals';
import { silentLogger } from '../../src/base/logging.js';
import { createGuardedLookup, type LookupAnswer, toAnswers } from '../../src/cache/guarded-lookup.js';
import { LookupBatcher, LookupTimeoutError } from '../../src/cache/lookup-batcher.js';
import { systemClock } from '../../src/clock/host-clock.js';
import { estimateFromSample } from '../../src/clock/offset.js';
import { createPool } from '../../src/postgres/pool.js';
import { type LookupKey, type LookupReply, lookup } from '../../src/read-model/lookup.js';
import { migrate } from '../../src/read-model/migrate.js';
import { createTestDatabase } from '../support/database.js';
import { closing, eventually, givenWorld, SIMULATOR_SCOPE, type World } from '../support/world.js';

const key = (n: number): LookupKey => ({
  cacheKey: `u${n}_c`,
  exchange: 'BYBIT',
  environment: 'TESTNET',
  scope: SIMULATOR_SCOPE,
});
const ref = (n: number) =>
  ({
    userId: `u${n}`,
    credentialId: 'c',
    exchange: 'BYBIT',
    environment: 'TESTNET',
    scope: SIMULATOR_SCOPE,
  }) as const;

function givenPool(url: string, max = 4) {
  const pool = createPool({ connectionString: url, max, log: silentLogger });
  closing({ close: () => pool.end() });
  return pool;
}

/** How many statements PostgreSQL was sent over this pool, by name. */
async function givenCountedProcess(world: World) {
  const process = await world.process({ memoryEntries: 0 });
  const count = async () => {
    const [row] = await world.sql<{ n: number }>(
      `SELECT coalesce(sum(idx_scan), 0)::int AS n FROM pg_stat_user_indexes
        WHERE indexrelname = 'connector_state_cache_cache_key_key'`,
    );
    return row?.n ?? 0;
  };
  return { process, count };
}

describe('concurrent lookups', () => {
  it('of different keys travel in one query, and each gets its own answer', async () => {
    const world = await givenWorld();
    const pool = givenPool(world.databaseUrl);
    const queries: number[] = [];
    const batcher = new LookupBatcher<LookupKey, LookupAnswer>(
      (keys, signal) => {
        queries.push(keys.length);
        return lookup(pool, keys, {
          namedStatements: true,
          now: () => systemClock.now(),
          wall: () => systemClock.wall(),
          signal,
        }).then(toAnswers);
      },
      { deadlineMs: 10_000, maxInFlight: 4 },
    );
    const process = await world.process();
    for (const n of [1, 2, 3]) {
      await world.connector(process, 'BYBIT', { userId: `u${n}`, credentialId: 'c' }).initialize();
    }
    await process.flush();

    const answers = await Promise.all([1, 2, 3, 4].map(n => batcher.lookup(key(n))));

    expect(queries).toEqual([4]);
    expect(answers.map(answer => answer.state?.userId)).toEqual(['u1', 'u2', 'u3', undefined]);
    expect(answers.every(answer => answer.clock !== undefined && answer.clockId.startsWith('pg:'))).toBe(
      true,
    );
  });

  it('wait in larger batches while as many queries are under way as there are connections', async () => {
    const batches: string[][] = [];
    const replies: (() => void)[] = [];
    const batcher = new LookupBatcher<LookupKey, LookupAnswer>(
      keys => {
        batches.push(keys.map(({ cacheKey }) => cacheKey));
        return new Promise(resolve => {
          replies.push(() => resolve(toAnswers(replyTo(keys))));
        });
      },
      { deadlineMs: 60_000, maxInFlight: 1 },
    );
    const first = batcher.lookup(key(0));
    await turn();
    const rest = [];
    for (let n = 1; n <= 3; n++) {
      rest.push(batcher.lookup(key(n)));
      await turn();
    }
    expect(batches).toEqual([['u0_c']]);
    replies.shift()?.();
    await first;
    await turn();
    replies.shift()?.();
    expect((await Promise.all(rest)).map(answer => answer.state?.userId)).toEqual(['u1_c', 'u2_c', 'u3_c']);
    expect(batches).toEqual([['u0_c'], ['u1_c', 'u2_c', 'u3_c']]);
  });

  it('of one key share one query', async () => {
    const world = await givenWorld();
    const lookedUp: string[][] = [];
    const process = await world.process({ memoryEntries: 0 });
    const { cache } = process;
    const counted = await givenCountedCache(world, lookedUp);

    const answers = await Promise.all(Array.from({ length: 50 }, () => counted.get(ref(1))));

    expect(lookedUp).toEqual([['u1_c']]);
    expect(new Set(answers).size).toBe(1);
    // Afterwards the database is asked anew.
    await counted.get(ref(1));
    expect(lookedUp).toHaveLength(2);
    await cache.flush();
  });

  it('of many connectors are answered in the order asked, duplicates included', async () => {
    const world = await givenWorld();
    const process = await world.process({ memoryEntries: 0 });
    for (const n of [1, 2]) {
      await world.connector(process, 'BYBIT', { userId: `u${n}`, credentialId: 'c' }).initialize();
    }
    await process.flush();

    const lookups = await process.cache.getMany([ref(2), ref(9), ref(1), ref(2)]);

    expect(lookups.map(found => found.hit)).toEqual([true, false, true, true]);
    expect(lookups[0]).toEqual(lookups[3]);
    expect(await process.cache.getMany([])).toEqual([]);
    await expect(process.cache.getMany([ref(1), { ...ref(2), userId: '' }])).rejects.toMatchObject({
      code: 'INVALID_INPUT',
    });
  });

  it('read by index, never by scanning, however often', async () => {
    const world = await givenWorld();
    const { process, count } = await givenCountedProcess(world);
    const before = await count();
    for (let n = 0; n < 20; n++) await process.cache.get(ref(n));
    await process.close();
    // The statistics arrive when a connection ends.
    await eventually(async () => expect(await count()).toBeGreaterThanOrEqual(before + 20));
  });

  it('work without named statements too', async () => {
    const world = await givenWorld();
    const process = await world.process({ namedStatements: false, memoryEntries: 0 });
    await world.connector(process, 'BYBIT').initialize();
    await process.flush();
    for (let n = 0; n < 3; n++) {
      expect(await process.cache.get(world.connector(process, 'BYBIT').ref)).toMatchObject({ hit: true });
    }
  });
});

describe('promise 3: a lookup never throws and never outlasts its deadline', () => {
  it('a batch that gets no answer is a timeout for all in it', async () => {
    const batcher = new LookupBatcher<LookupKey, LookupAnswer>(() => new Promise(() => undefined), {
      deadlineMs: 1,
      maxInFlight: 1,
    });
    const outcomes = await Promise.allSettled([batcher.lookup(key(1)), batcher.lookup(key(2))]);
    expect(outcomes).toMatchObject([
      { status: 'rejected', reason: expect.any(LookupTimeoutError) },
      { status: 'rejected', reason: expect.any(LookupTimeoutError) },
    ]);
  });

  it('a batch that still waits for its turn is, too, and is never sent', async () => {
    let queries = 0;
    const batcher = new LookupBatcher<LookupKey, LookupAnswer>(
      () => {
        queries++;
        return new Promise(() => undefined);
      },
      { deadlineMs: 5, maxInFlight: 1 },
    );
    const first = batcher.lookup(key(1));
    await turn();
    const second = batcher.lookup(key(2));
    expect(await Promise.allSettled([first, second])).toMatchObject([
      { reason: expect.any(LookupTimeoutError) },
      { reason: expect.any(LookupTimeoutError) },
    ]);
    expect(queries).toBe(1);
  });

  it('an answer that lies ready when the deadline passes is taken', async () => {
    const [near, far] = await givenSocketPair();
    const batcher = new LookupBatcher<LookupKey, LookupAnswer>(
      keys =>
        new Promise(resolve => {
          near.once('data', () => resolve(toAnswers(replyTo(keys))));
          far.write('the answer');
        }),
      { deadlineMs: 1, maxInFlight: 1 },
    );
    const answer = batcher.lookup(key(1));
    await Promise.resolve();
    // This process is busy past its own deadline, while the answer waits in the socket; timers come first.
    const until = performance.now() + 10;
    while (performance.now() < until);
    await expect(answer).resolves.toMatchObject({ state: { userId: 'u1_c' } });
  });

  it.each([
    ['accepts and never answers', (_: Socket) => undefined],
    ['hangs up at once', (socket: Socket) => socket.destroy()],
    ['talks nonsense', (socket: Socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n')],
  ])('a server that %s is a miss, and connectors start all the same', async (_, treat) => {
    const world = await givenWorld();
    const sockets = new Set<Socket>();
    const server = createServer(socket => {
      sockets.add(socket);
      socket.on('error', () => undefined);
      socket.on('data', () => undefined);
      treat(socket);
    });
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
    closing({
      close() {
        for (const socket of sockets) socket.destroy();
        return new Promise(resolve => server.close(resolve));
      },
    });
    const { port } = server.address() as { port: number };
    const process = await world.process({
      databaseUrl: `postgres://u:hunter2@127.0.0.1:${port}/db`,
      lookupDeadlineMs: 20,
    });

    const lookups = await Promise.all([1, 2, 3].map(n => process.cache.get(ref(n))));
    const result = await world.connector(process, 'BYBIT').initialize();
    const next = await world.connector(process, 'BYBIT', { userId: 'another' }).initialize();

    for (const found of lookups) expect(['timeout', 'database']).toContain(found.hit || found.reason);
    expect(result).toMatchObject({ cacheHit: false, authFailures: 0 });
    // Without the database the process still remembers what it measured itself.
    expect(next).toMatchObject({ cacheHit: true, tier: 'exchange-clock', authFailures: 0 });
    expect(await world.connector(process, 'BYBIT').initialize()).toMatchObject({ tier: 'memory' });
    expect(process.log.messages('warn')).toContainEqual(expect.stringContaining('without the database'));
    expect(process.log.text()).not.toContain('hunter2');
  });

  it('the breaker leaves a failing database alone, and lets one query through to see', async () => {
    const world = await givenWorld();
    const proxy = await world.proxy();
    const pool = givenPool(proxy.url);
    let now = 0;
    const { batcher, close } = createGuardedLookup(pool, {
      deadlineMs: 10_000,
      breakerResetMs: 500,
      maxInFlight: 4,
      namedStatements: true,
      now: () => now++,
      wall: () => now,
    });
    closing({ close });
    await batcher.lookup(key(1));
    await proxy.refuse();

    const problems: string[] = [];
    await eventually(async () => {
      await batcher.lookup(key(1)).catch(error => problems.push(error.code));
      return problems.includes('EOPENBREAKER');
    });
    expect(problems).toContain('ECONNREFUSED');

    await proxy.recover();
    await eventually(() => batcher.lookup(key(1)).then(() => true));
    await batcher.lookup(key(2));
  });

  it('a connection that breaks in the middle of a query is a miss, not the end of the process', async () => {
    const world = await givenWorld();
    const proxy = await world.proxy();
    const process = await world.process({ databaseUrl: proxy.url, poolSize: 1, memoryEntries: 0 });
    proxy.behave('hang');
    const asked = process.cache.get(ref(1));
    await turn();
    proxy.cut();

    expect(await asked).toMatchObject({ hit: false, reason: 'database' });

    await proxy.recover();
    await eventually(async () => {
      expect(await process.cache.get(ref(1))).toMatchObject({ hit: false, reason: 'absent' });
    });
    expect(process.log.messages('info')).toContain('the database answers again');
  });

  it('a lookup that ran out of time gives its connection up, so that the next is not held back', async () => {
    const world = await givenWorld();
    const proxy = await world.proxy();
    const process = await world.process({
      databaseUrl: proxy.url,
      poolSize: 1,
      memoryEntries: 0,
      lookupDeadlineMs: 2_000,
    });
    proxy.behave('swallow-answers');
    expect(await process.cache.get(ref(1))).toMatchObject({ hit: false, reason: 'timeout' });
    proxy.behave('forward');
    await eventually(async () => {
      expect(await process.cache.get(ref(1))).toMatchObject({ hit: false, reason: 'absent' });
    });
  });
});

/** A cache over the real lookup, that writes down what it asks. */
async function givenCountedCache(world: World, lookedUp: string[][]) {
  const { ConnectorStateCacheService } = await import('../../src/cache/connector-state-cache-service.js');
  const { Recorder } = await import('../../src/cache/recorder.js');
  const pool = givenPool(world.databaseUrl);
  const store = () => Promise.reject(new Error('not needed'));
  return new ConnectorStateCacheService({
    pool,
    batcher: new LookupBatcher<LookupKey, LookupAnswer>(
      (keys, signal) => {
        lookedUp.push(keys.map(({ cacheKey }) => cacheKey));
        return lookup(pool, keys, {
          namedStatements: true,
          now: () => systemClock.now(),
          wall: () => systemClock.wall(),
          signal,
        }).then(toAnswers);
      },
      { deadlineMs: 10_000, maxInFlight: 4 },
    ),
    recorder: new Recorder({
      store,
      newId: store,
      maxPending: 10,
      flushIntervalMs: 600_000,
      host: 'h',
      wall: Date.now,
      log: silentLogger,
    }),
    store,
    outbox: store,
    comparePositions: store,
    lookupDeadlineMs: 10_000,
    clock: systemClock,
    log: silentLogger,
    memoryEntries: 0,
    memoryTtlMs: 1,
    cacheMode: 'on',
    firstContact: 'verify-first',
    clockPolicy: 'fixed',
    ttlMs: 900_000,
    release: async () => undefined,
  });
}

async function givenSocketPair(): Promise<[Socket, Socket]> {
  const server = createServer();
  const accepted = new Promise<Socket>(resolve => server.once('connection', resolve));
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  const near = connect(port, '127.0.0.1');
  const far = await accepted;
  closing({
    close() {
      near.destroy();
      far.destroy();
      return new Promise(resolve => server.close(resolve));
    },
  });
  return [near, far];
}

function replyTo(keys: readonly LookupKey[]): LookupReply {
  const rows = keys.map(({ cacheKey }) => ({ state: { userId: cacheKey }, clock: undefined }));
  return {
    rows: rows as unknown as LookupReply['rows'],
    clockId: 'pg:1:1',
    sample: { sentAtMs: 0, receivedAtMs: 0, serverTimeMs: 0 },
  };
}

const turn = () => new Promise(resolve => setImmediate(resolve));

it('a lookup during which this host froze is asked again, for it would misplace the database’s time', async () => {
  const world = await givenWorld();
  const pool = givenPool(world.databaseUrl);
  let reads = 0;
  let asleepMs = 0;
  const now = () => systemClock.now() - asleepMs;
  // Between the first query's two readings the machine sleeps for a minute: its monotonic clock stands.
  const wall = () => {
    if (++reads === 1) asleepMs = 60_000;
    return systemClock.wall();
  };
  const signal = new AbortController().signal;

  const keys = [
    { cacheKey: 'a_b', exchange: 'BYBIT', environment: 'TESTNET', scope: SIMULATOR_SCOPE },
  ] as const;
  const { sample } = await lookup(pool, keys, { namedStatements: true, now, wall, signal });

  expect(reads).toBe(4);
  const { offsetMs, uncertaintyMs } = estimateFromSample(sample);
  expect(Math.abs(offsetMs - 60_000)).toBeLessThanOrEqual(uncertaintyMs + 50);
});

it('an id that a database’s encoding has no letters for is not there, and those asked for with it are', async () => {
  const database = await createTestDatabase({ migrated: false, encoding: 'LATIN1' });
  closing({ close: () => database.drop() });
  await migrate(database.url);
  const { batcher, breaker, close } = createGuardedLookup(givenPool(database.url), {
    deadlineMs: 60_000,
    breakerResetMs: 60_000,
    maxInFlight: 1,
    namedStatements: true,
    now: () => performance.now(),
    wall: () => Date.now(),
  });
  closing({ close });
  const all = ['a', 'é', '日', 'b', '😀', 'c'].map(id => ({ ...key(0), cacheKey: `${id}_c` }));

  for (let n = 0; n < 10; n++) {
    const answers = await Promise.all(all.map(each => batcher.lookup(each)));
    expect(answers.map(({ state, clockId }) => [state, clockId])).toEqual(
      all.map(() => [undefined, expect.stringMatching(/^pg:/)]),
    );
  }
  expect(breaker()).toBe('closed');
});
