/** The service beside the hot path: invalidation, clean-up, figures, the audit trail. */
import { randomUUID } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import type { MeasuredOffset } from '../../src/cache/measurement.js';
import { fixedTtl } from '../../src/clock/ttl.js';
import type { ConnectorRef, ConnectorStateCacheService } from '../../src/index.js';
import { eventsOf, givenWorld, measurements, SIMULATOR_SCOPE, type World } from '../support/world.js';

const REF: ConnectorRef = {
  userId: 'user123',
  credentialId: 'cred456',
  exchange: 'BYBIT',
  environment: 'TESTNET',
  scope: SIMULATOR_SCOPE,
};

async function measuredNow(
  cache: ConnectorStateCacheService,
  change: { agoMs?: number; offsetMs?: number; ttlMs?: number } = {},
): Promise<MeasuredOffset> {
  const { agoMs = 0, offsetMs = 145, ttlMs = 900_000 } = change;
  const lookup = await cache.refresh(REF);
  const link = lookup.hit ? lookup.state.link : lookup.link;
  if (!link) throw new Error('no database');
  const atMs = Math.round(cache.clock.now() + link.offsetMs - agoMs);
  return {
    syncId: randomUUID(),
    estimate: { offsetMs, uncertaintyMs: 10, atMs },
    link,
    roundTripMs: 20,
    samples: 1,
    ttl: fixedTtl(ttlMs),
  };
}

const rows = (world: World) =>
  world.sql<{ sync_id: string; is_valid: boolean }>('SELECT sync_id, is_valid FROM connector_state_cache');

describe('contradict', () => {
  it('records what nobody signs by: neither this process, nor, once it is stored, another', async () => {
    const world = await givenWorld();
    const { cache, ...process } = await world.process({ machineName: 'one' });
    cache.set(REF, await measuredNow(cache, { agoMs: 10 }), 'absent');
    cache.contradict(REF, await measuredNow(cache, { offsetMs: 5_000 }), 'passive');

    expect(await cache.peek(REF)).toMatchObject({ hit: false, reason: 'contested' });
    await process.flush();
    const elsewhere = await world.process({ machineName: 'two' });
    expect(await elsewhere.cache.peek(REF)).toMatchObject({ hit: false, reason: 'contested' });
  });
});

describe('set', () => {
  it('is visible to this process at once, and to others after a flush', async () => {
    const world = await givenWorld();
    const [here, there] = [await world.process(), await world.process()];
    const state = here.cache.set(REF, await measuredNow(here.cache), 'warm-up');

    expect(await here.cache.get(REF)).toMatchObject({
      hit: true,
      tier: 'memory',
      state: { syncId: state.syncId },
    });
    expect(await there.cache.get(REF)).toMatchObject({ hit: false });
    await here.flush();
    expect(await there.cache.get(REF)).toMatchObject({
      hit: true,
      tier: 'postgres',
      state: { syncId: state.syncId, estimate: { offsetMs: 145, uncertaintyMs: 10 } },
    });
  });

  it.each<[string, (good: MeasuredOffset) => MeasuredOffset]>([
    ['an offset that is no number', m => ({ ...m, estimate: { ...m.estimate, offsetMs: Number.NaN } })],
    ['an offset of a fortnight', m => ({ ...m, estimate: { ...m.estimate, offsetMs: 1.3e9 } })],
    ['a negative uncertainty', m => ({ ...m, estimate: { ...m.estimate, uncertaintyMs: -1 } })],
    ['a time in seconds', m => ({ ...m, estimate: { ...m.estimate, atMs: m.estimate.atMs / 1000 } })],
    ['an endless TTL', m => ({ ...m, ttl: { ...m.ttl, ttlMs: Number.POSITIVE_INFINITY } })],
    ['no TTL', m => ({ ...m, ttl: { ...m.ttl, ttlMs: 0 } })],
    ['a sync without an id', m => ({ ...m, syncId: 'mine' })],
  ])('refuses %s, and remembers nothing of it', async (_, spoil) => {
    const world = await givenWorld();
    const { cache } = await world.process();
    const bad = spoil(await measuredNow(cache));
    expect(() => cache.set(REF, bad, 'warm-up')).toThrow(expect.objectContaining({ code: 'INVALID_INPUT' }));
    expect(await cache.get(REF)).toMatchObject({ hit: false, reason: 'absent' });
  });

  it.each<[string, Partial<Record<keyof ConnectorRef, unknown>>]>([
    ['an empty id', { userId: '' }],
    ['an oversized id', { credentialId: 'x'.repeat(129) }],
    ['an id that is no string', { userId: 7 }],
    ['a newline in an id', { userId: 'a\nb' }],
    ['a name that no exchange can have', { exchange: 'kraken' }],
    ['an unknown environment', { environment: 'testnet' }],
  ])('and its siblings refuse %s', async (_, change) => {
    const world = await givenWorld();
    const { cache } = await world.process();
    const bad = { ...REF, ...change } as ConnectorRef;
    const invalid = expect.objectContaining({ code: 'INVALID_INPUT' });
    await expect(cache.get(bad)).rejects.toEqual(invalid);
    await expect(cache.refresh(bad)).rejects.toEqual(invalid);
    const measured = await measuredNow(cache);
    expect(() => cache.set(bad, measured, 'warm-up')).toThrow(invalid);
    expect(() => cache.recordAuthFailure(bad, { exchangeCode: '1', failureClass: 'unknown' })).toThrow(
      invalid,
    );
    if (change.exchange || change.environment) return;
    await expect(cache.invalidate(bad.userId, bad.credentialId)).rejects.toEqual(invalid);
    await expect(cache.history(bad.userId, bad.credentialId)).rejects.toEqual(invalid);
    await expect(cache.stateAt(bad.userId, bad.credentialId, Date.now())).rejects.toEqual(invalid);
  });
});

describe('invalidate (promise 4)', () => {
  it('forces the next init to measure, in this process and in others', async () => {
    const world = await givenWorld();
    const [here, there] = [await world.process(), await world.process()];
    await world.connector(here, 'BYBIT').initialize();
    const before = await here.cache.get(REF);

    const condemned = await here.cache.invalidate('user123', 'cred456', 'ops');

    expect(condemned).toEqual({ syncId: before.hit && before.state.syncId });
    for (const { cache } of [here, there]) expect(await cache.get(REF)).toMatchObject({ reason: 'invalid' });
    await world.connector(there, 'BYBIT').initialize();
    await there.flush();
    expect(await rows(world)).toEqual([
      { sync_id: expect.not.stringMatching(String(condemned?.syncId)), is_valid: true },
    ]);
    const [invalidated] = eventsOf(
      await here.cache.history('user123', 'cred456'),
      'ConnectorStateInvalidated',
    );
    expect(invalidated?.data).toMatchObject({
      reason: 'manual',
      by: 'ops',
      condemnedSyncId: condemned?.syncId,
    });
  });

  it('of nothing is nothing', async () => {
    const world = await givenWorld();
    const { cache } = await world.process();
    expect(await cache.invalidate('user123', 'nobody')).toBeUndefined();
    expect(await cache.history('user123', 'nobody')).toEqual([]);
  });

  it.each([
    ['exchange', "'kraken'"],
    ['environment', "''"],
    ['last_sync_time', "'infinity'"],
    ['reference_clock', "''"],
  ])('of a row with %s = %s is nothing either: no lookup believes it anyway', async (column, value) => {
    const world = await givenWorld();
    const process = await world.process();
    await world.connector(process, 'BYBIT').initialize();
    await process.flush();
    await world.sql(`UPDATE connector_state_cache SET ${column} = ${value}`);
    const operator = await world.process();
    expect(await operator.cache.invalidate('user123', 'cred456')).toBeUndefined();
    expect((await operator.cache.getStats()).recorder).toMatchObject({ recorded: 0, rejected: 0 });
  });

  it('never removes a newer sync, also when it arrives late', async () => {
    const world = await givenWorld();
    const [slow, quick] = [await world.process(), await world.process()];
    const old = slow.cache.set(REF, await measuredNow(slow.cache, { agoMs: 60_000 }), 'warm-up');
    await slow.flush();
    // The slow container condemns the old sync, but its fact waits while another measures anew.
    slow.cache.condemn(REF, old, 'timestamp-refused', 'test');
    const newer = quick.cache.set(REF, await measuredNow(quick.cache), 'warm-up');
    await quick.flush();
    await slow.flush();

    expect(await rows(world)).toEqual([{ sync_id: newer.syncId, is_valid: true }]);
    expect(await (await world.process()).cache.get(REF)).toMatchObject({
      hit: true,
      state: { syncId: newer.syncId },
    });
    // And the condemned one does not come back with a late flush of its own.
    const late = await world.process();
    late.cache.set(
      REF,
      { ...(await measuredNow(late.cache, { agoMs: 60_000 })), syncId: old.syncId },
      'warm-up',
    );
    await late.flush();
    expect(await rows(world)).toEqual([{ sync_id: newer.syncId, is_valid: true }]);
  });

  it('in this process never touches a newer state in memory', async () => {
    const world = await givenWorld();
    const { cache } = await world.process();
    const old = cache.set(REF, await measuredNow(cache, { agoMs: 60_000 }), 'warm-up');
    const newer = cache.set(REF, await measuredNow(cache), 'warm-up');
    cache.condemn(REF, old, 'timestamp-refused', 'test');
    expect(await cache.get(REF)).toMatchObject({ hit: true, state: { syncId: newer.syncId } });
  });
});

describe('cleanupExpired', () => {
  it('removes what has ended by the database, and nothing else', async () => {
    const world = await givenWorld();
    const process = await world.process();
    await world.connector(process, 'BYBIT').initialize();
    await world.connector(process, 'BINGX', { userId: 'fresh' }).initialize();
    await process.flush();
    await world.sql(
      `UPDATE connector_state_cache SET expires_at = now() - interval '1 s' WHERE user_id = 'user123'`,
    );

    expect(await process.cache.cleanupExpired('test')).toBe(1);
    expect(await process.cache.cleanupExpired('test')).toBe(0);

    expect(await world.sql('SELECT user_id FROM connector_state_cache')).toEqual([{ user_id: 'fresh' }]);
    const cleanups = await world.sql(
      `SELECT stream FROM connector_event WHERE type = 'ExpiredStatesCleaned'`,
    );
    expect(cleanups).toHaveLength(1);
    // The trail outlives the row.
    expect(await process.cache.history('user123', 'cred456')).not.toHaveLength(0);
  });
});

describe('getStats', () => {
  it('divides hits by lookups, so that the rate never passes 1', async () => {
    const world = await givenWorld();
    const process = await world.process();
    expect(await process.cache.getStats()).toMatchObject({
      total: 0,
      hitRate: 0,
      totalHits: 0,
      totalMisses: 0,
    });
    const bybit = world.connector(process, 'BYBIT');
    await bybit.initialize();
    for (let i = 0; i < 8; i++) await bybit.initialize();
    await world.connector(process, 'BINGX').initialize();

    const stats = await process.cache.getStats();

    expect(stats).toMatchObject({
      totalHits: 8,
      totalMisses: 2,
      hitRate: 0.8,
      hitsByTier: { memory: 8 },
      syncFailures: 0,
      authFailures: 0,
      invalidations: 0,
      recorder: { pending: 0, droppedFacts: 0 },
    });
    expect(stats).toMatchObject({ total: 1, valid: 1, expired: 0, invalid: 0, byExchange: { BINGX: 1 } });
  });

  it('counts what has ended and what was condemned', async () => {
    const world = await givenWorld();
    const process = await world.process();
    for (const userId of ['a', 'b', 'c']) await world.connector(process, 'BINGX', { userId }).initialize();
    await process.cache.invalidate('a', 'cred456');
    await world.sql(`UPDATE connector_state_cache SET expires_at = now() WHERE user_id = 'b'`);
    expect(await process.cache.getStats()).toMatchObject({
      total: 3,
      valid: 1,
      expired: 1,
      invalid: 1,
      invalidations: 1,
      byExchange: { BINGX: 3 },
    });
  });
});

describe('getStats, of the clocks', () => {
  it('tells what is known of each exchange now, and what contradicts it', async () => {
    const world = await givenWorld();
    const process = await world.process();
    await world.connector(process, 'BYBIT').initialize();
    await world.connector(process, 'BINGX').initialize();

    const { clocks } = await process.cache.getStats();

    expect(clocks).toMatchObject([
      {
        exchange: 'BINGX',
        environment: 'TESTNET',
        epoch: 1,
        isValid: true,
        hasEnded: false,
        contested: null,
      },
      {
        exchange: 'BYBIT',
        environment: 'TESTNET',
        epoch: 1,
        isValid: true,
        hasEnded: false,
        contested: null,
      },
    ]);
    for (const { offsetMs, uncertaintyMs, samples } of clocks) {
      expect(samples).toBeGreaterThan(0);
      expect(samples).toEqual(expect.any(Number));
      expect(uncertaintyMs).toBeGreaterThan(0);
      // Simulated exchanges on this very machine: what is left is the uncertainty.
      expect(Math.abs(offsetMs)).toBeLessThanOrEqual(uncertaintyMs);
    }

    await world.sql(
      `UPDATE exchange_clock SET contested_since = clock_timestamp() - interval '90 s', rival_host = 'host:liar',
              rival_sync_id = gen_random_uuid(), rival_offset = time_offset + 400, rival_uncertainty_ms = 3,
              rival_measured_at = measured_at
        WHERE exchange = 'BYBIT'`,
    );
    const [, contested] = (await process.cache.getStats()).clocks;
    expect(contested).toMatchObject({ contested: { rivalHost: 'host:liar' } });
    expect(contested?.contested?.apartMs).toBeCloseTo(400, 0);
    expect(contested?.contested?.forMs).toBeGreaterThanOrEqual(90_000);
  });

  it('counts the server times that this process did not believe, by the reason', async () => {
    const world = await givenWorld();
    const process = await world.process({ firstContact: 'verify-first' });
    const connector = world.connector(process, 'BYBIT');
    await world.simulator.set({ toldTime: 'seconds' }, 'BYBIT');
    await connector.initialize();
    await connector.fundingRate('BTCUSDT');
    expect((await process.cache.getStats()).badSamples.seconds).toBeGreaterThanOrEqual(2);
    expect(process.log.text().match(/seconds: dropped a server time/g)).toHaveLength(1);
  });

  it('leaves out those seen against the clock of another server', async () => {
    const world = await givenWorld();
    const process = await world.process();
    await world.connector(process, 'BYBIT').initialize();
    await process.flush();
    await world.sql(`UPDATE exchange_clock SET reference_clock = 'pg:1:1'`);

    expect(await process.cache.getStats()).toMatchObject({ clocks: [] });
  });
});

describe('the audit trail', () => {
  it('tells what happened to one connector, oldest first, and nothing of others', async () => {
    const world = await givenWorld();
    const process = await world.process();
    const connector = world.connector(process, 'BINGX');
    await world.connector(process, 'BINGX', { userId: 'other' }).initialize();
    await connector.initialize();
    await connector.initialize();
    await process.flush();
    await world.later();
    world.simulator.step(-10_000, 'BINGX');
    await connector.initialize();

    const history = await process.cache.history('user123', 'cred456');

    expect(history.map(event => event.type)).toEqual([
      'ConnectorSynced',
      'ConnectorStateHit',
      'ConnectorStateHit',
      'ConnectorAuthFailed',
      'ConnectorStateInvalidated',
      'ConnectorSynced',
      'ConnectorStateHit',
    ]);
    expect(history.every(event => event.decoded === 'known')).toBe(true);
    const recordedAt = history.map(event => event.recordedAt);
    expect(recordedAt).toEqual([...recordedAt].sort((a, b) => a - b));
    // The first contact's, and one more after the refusal.
    expect(measurements(world, 'BINGX')).toBe(2);
  });

  it('knows the state at any time past, also after it was replaced or cleaned up', async () => {
    const world = await givenWorld();
    const { cache } = await world.process();
    const first = cache.set(REF, await measuredNow(cache, { offsetMs: 100 }), 'warm-up');
    await cache.flush();
    await world.later();
    const second = cache.set(REF, await measuredNow(cache, { offsetMs: 200 }), 'warm-up');
    await cache.flush();
    await world.later();
    await cache.invalidate('user123', 'cred456');
    await world.sql('DELETE FROM connector_state_cache');

    const [a, b, condemned] = (await cache.history('user123', 'cred456')).filter(
      event => event.type !== 'ConnectorStateHit',
    );
    const at = (event: typeof a, ms = 0) =>
      cache.stateAt('user123', 'cred456', (event?.recordedAt ?? 0) + ms);

    expect(await at(a, -1)).toBeUndefined();
    expect(await at(a)).toMatchObject({ syncId: first.syncId, timeOffset: 100, isUsable: true });
    expect(await at(b, -1)).toMatchObject({ syncId: first.syncId });
    expect(await at(b)).toMatchObject({ syncId: second.syncId, timeOffset: 200, isUsable: true });
    expect(await at(condemned)).toMatchObject({ isValid: false, invalidReason: 'manual', isUsable: false });
    expect(await at(a, 900_001)).toMatchObject({ isUsable: false });
    expect(await cache.stateAt('user123', 'cred456', new Date((a?.recordedAt ?? 0) + 1))).toMatchObject({
      syncId: first.syncId,
    });
    for (const time of [Number.NaN, new Date('never')]) {
      await expect(cache.stateAt('user123', 'cred456', time)).rejects.toMatchObject({
        code: 'INVALID_INPUT',
      });
    }
  });

  it('pages through long streams', async () => {
    const world = await givenWorld();
    const { cache } = await world.process({ maxPendingEvents: 10_000 });
    for (let i = 0; i < 2_100; i++) {
      cache.recordAuthFailure(REF, { exchangeCode: String(i), failureClass: 'unknown' });
    }
    const codes = eventsOf(await cache.history('user123', 'cred456'), 'ConnectorAuthFailed').map(
      ({ data }) => data.exchangeCode,
    );
    expect(codes).toEqual(Array.from({ length: 2_100 }, (_, i) => String(i)));
  });
});

describe('closing', () => {
  it('stores what is pending, and may be repeated', async () => {
    const world = await givenWorld();
    const process = await world.process();
    await world.connector(process, 'BYBIT').initialize();
    await Promise.all([process.close(), process.close()]);
    expect(await rows(world)).toHaveLength(1);
  });
});

describe('log lines', () => {
  it('are those of the logging strategy', async () => {
    const world = await givenWorld();
    const process = await world.process();
    const connector = world.connector(process, 'BYBIT');
    await connector.initialize();
    await connector.initialize();
    const lines = process.log.messages('info');
    expect(lines).toContain('[ConnectorStateCache] Cache MISS: user123_cred456 (absent)');
    expect(lines).toContainEqual(
      expect.stringMatching(
        /^\[ConnectorStateCache\] Cached state for user123_cred456 \(expires: \d{4}-.*Z\)$/,
      ),
    );
    expect(lines).toContainEqual(
      expect.stringMatching(/^\[ConnectorStateCache\] Cache HIT: user123_cred456 \(age: \d+s\)$/),
    );
    expect(lines).toContainEqual(
      expect.stringMatching(/^\[BybitConnectorWithCache\] Initialized in \d+ms \(cache MISS\)$/),
    );
    expect(lines).toContainEqual(
      expect.stringMatching(/^\[BybitConnectorWithCache\] Initialized in \d+ms \(cache HIT ⚡\)$/),
    );
  });
});

describe('text that no database can store', () => {
  it.each([
    ['a NUL', 'a\u0000b', 'a\ufffdb'],
    ['half a surrogate pair', 'a\ud800', 'a\ufffd'],
  ])('is replaced, and costs neither its fact nor the others (%s)', async (_, exchangeCode, stored) => {
    const world = await givenWorld();
    const process = await world.process();
    for (let i = 0; i < 200; i++) {
      const failure = {
        exchangeCode: i === 77 ? exchangeCode : '10003',
        failureClass: 'credentials',
      } as const;
      process.cache.recordAuthFailure({ ...REF, userId: `u${i}` }, failure);
    }

    expect(await process.flush()).toMatchObject({ ok: true, pending: 0, lost: 0 });

    expect(
      await world.sql(
        `SELECT data->>'userId' AS "userId", data->>'exchangeCode' AS code FROM connector_event
          WHERE data->>'exchangeCode' <> '10003'`,
      ),
    ).toEqual([{ userId: 'u77', code: stored }]);
    expect(await world.sql('SELECT count(*)::int AS n FROM connector_event')).toEqual([{ n: 200 }]);
  });

  it('does not come of a long text that is cut between the halves of a character', async () => {
    const world = await givenWorld();
    const process = await world.process();
    process.cache.recordAuthFailure(REF, { exchangeCode: `${'x'.repeat(199)}😀`, failureClass: 'unknown' });

    expect(await process.flush()).toMatchObject({ ok: true, lost: 0 });
  });
});
