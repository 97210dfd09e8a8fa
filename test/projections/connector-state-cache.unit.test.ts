import { describe, expect, it } from '@jest/globals';
import { connectorStateCache } from '../../projections/index.js';
import type { NewEvent } from '../../src/events/event.js';
import {
  authFailed,
  cleaned,
  connector,
  DATABASE_CLOCK,
  HOST_CLOCK,
  hit,
  id,
  invalidated,
  MINUTE_MS,
  stored,
  synced,
  syncFailed,
  T0,
} from '../support/facts.js';
import { plainFold } from '../support/plain-fold.js';

const rowAfter = (...events: NewEvent[]) => plainFold(connectorStateCache, stored(events))[0];

describe('a connector that synced', () => {
  it('has a valid row with the offset, its uncertainty and the time it ends', () => {
    const row = rowAfter(
      synced({ id: id(1), syncId: id(2), offsetMs: 145.5, measuredAt: T0, ttlMs: 15 * MINUTE_MS }),
    );

    expect(row).toMatchObject({
      id: id(1),
      cacheKey: 'user123_cred456',
      syncId: id(2),
      timeOffset: 145.5,
      uncertaintyMs: 20.25,
      referenceClock: DATABASE_CLOCK,
      lastSyncTime: T0,
      expiresAt: T0 + 15 * MINUTE_MS,
      isValid: true,
      hitCount: 0,
      lastHitAt: null,
      streamVersion: 1,
      position: 'test/1',
    });
  });

  it('keeps identity and hits when it syncs again', () => {
    const row = rowAfter(
      synced({ id: id(1) }),
      hit({ count: 4, lastAt: T0 + 5 }),
      synced({ id: id(2), syncId: id(3), measuredAt: T0 + 1, offsetMs: -7 }),
    );

    expect(row).toMatchObject({
      id: id(1),
      syncId: id(3),
      timeOffset: -7,
      hitCount: 4,
      lastHitAt: T0 + 5,
      createdAt: T0,
      updatedAt: T0 + 2,
      streamVersion: 2,
    });
  });

  it('stores identities in lower case, as the database returns them', () => {
    const upper = 'ABCDEF00-0000-7000-8000-00000000000A';

    const row = rowAfter(
      synced({ syncId: upper }),
      invalidated({ condemnedSyncId: upper, reason: 'manual' }),
    );

    expect(row).toMatchObject({ syncId: upper.toLowerCase(), isValid: false });
  });
});

describe('a flush that comes late', () => {
  it('does not replace a state measured later against the same clock', () => {
    const row = rowAfter(
      synced({ syncId: id(1), measuredAt: T0 + 1_000 }),
      synced({ syncId: id(2), measuredAt: T0 }),
    );

    expect(row).toMatchObject({ syncId: id(1), streamVersion: 2, position: 'test/2' });
  });

  it('replaces it when the lookup could not believe the row (promise 9: the next sync heals)', () => {
    const row = rowAfter(
      // Somebody wrote into the row: no event is believed that comes from so far in the future.
      synced({ syncId: id(1), measuredAt: T0 + 10 * MINUTE_MS }),
      synced({ syncId: id(2), measuredAt: T0, trigger: 'corrupt' }),
    );

    expect(row).toMatchObject({ syncId: id(2) });
  });

  it('does replace an older one, and one that is no longer valid', () => {
    expect(rowAfter(synced({ measuredAt: T0 }), synced({ syncId: id(2), measuredAt: T0 + 1 }))).toMatchObject(
      {
        syncId: id(2),
      },
    );
    expect(
      rowAfter(
        synced({ syncId: id(1), measuredAt: T0 + 1_000 }),
        invalidated({ condemnedSyncId: id(1), reason: 'manual' }),
        synced({ syncId: id(2), measuredAt: T0 }),
      ),
    ).toMatchObject({ syncId: id(2), isValid: true });
  });
});

describe("an offset against a host's clock", () => {
  const onDatabase = synced({ syncId: id(1), measuredAt: T0, ttlMs: MINUTE_MS });

  it("does not displace a living one against a database's clock", () => {
    const row = rowAfter(
      onDatabase,
      synced({ syncId: id(2), referenceClock: HOST_CLOCK, measuredAt: T0 + MINUTE_MS - 1 }),
    );

    expect(row).toMatchObject({ syncId: id(1) });
  });

  it('does when that one has ended', () => {
    const row = rowAfter(
      onDatabase,
      synced({ syncId: id(2), referenceClock: HOST_CLOCK, measuredAt: T0 + MINUTE_MS }),
    );

    expect(row).toMatchObject({ syncId: id(2), referenceClock: HOST_CLOCK });
  });

  it("gives way to any against a database's clock", () => {
    const row = rowAfter(
      synced({ syncId: id(2), referenceClock: HOST_CLOCK, measuredAt: T0 + MINUTE_MS }),
      onDatabase,
    );

    expect(row).toMatchObject({ syncId: id(1) });
  });
});

describe('an invalidation (promise 4: it condemns the sync it names, never a newer one)', () => {
  it('makes the named sync invalid, with the reason', () => {
    const row = rowAfter(
      synced({ syncId: id(1) }),
      invalidated({ condemnedSyncId: id(1), condemnedMeasuredAt: T0 }),
    );

    expect(row).toMatchObject({
      isValid: false,
      invalidReason: 'timestamp-refused',
      condemnedSyncId: id(1),
      condemnedMeasuredAt: T0,
      condemnedReferenceClock: DATABASE_CLOCK,
    });
  });

  it.each(['manual', 'timestamp-refused'] as const)('leaves a newer sync alone (%s)', reason => {
    const row = rowAfter(
      synced({ syncId: id(1), measuredAt: T0 }),
      synced({ syncId: id(2), measuredAt: T0 + 1 }),
      invalidated({ condemnedSyncId: id(1), condemnedMeasuredAt: T0, reason }),
    );

    expect(row).toMatchObject({ syncId: id(2), isValid: true, condemnedSyncId: id(1) });
  });

  it('by a refusal also ends what was measured before, against the same clock', () => {
    const refusal = invalidated({ condemnedSyncId: id(9), condemnedMeasuredAt: T0 });

    expect(rowAfter(synced({ measuredAt: T0 }), refusal)).toMatchObject({ isValid: false });
    expect(rowAfter(synced({ measuredAt: T0, referenceClock: HOST_CLOCK }), refusal)).toMatchObject({
      isValid: true,
    });
  });

  it('by hand ends nothing but the named sync', () => {
    const row = rowAfter(
      synced({ measuredAt: T0 - 1 }),
      invalidated({ condemnedSyncId: id(9), condemnedMeasuredAt: T0, reason: 'manual' }),
    );

    expect(row).toMatchObject({ isValid: true, condemnedSyncId: id(9), condemnedMeasuredAt: null });
  });

  it('keeps the condemned sync from coming back by a late flush or an adoption', () => {
    const condemned = [
      synced({ syncId: id(1), measuredAt: T0 }),
      invalidated({ condemnedSyncId: id(1), condemnedMeasuredAt: T0 }),
    ];

    expect(rowAfter(...condemned, synced({ syncId: id(1), basis: 'exchange-clock' }))).toMatchObject({
      isValid: false,
    });
    expect(rowAfter(...condemned, synced({ syncId: id(2), measuredAt: T0 - 5 }))).toMatchObject({
      isValid: false,
      syncId: id(1),
    });
    expect(rowAfter(...condemned, synced({ syncId: id(3), measuredAt: T0 + 1 }))).toMatchObject({
      isValid: true,
      syncId: id(3),
      invalidReason: null,
    });
  });

  it('is remembered across a new sync, and a weaker condemnation does not hide it', () => {
    const row = rowAfter(
      synced({ syncId: id(1), measuredAt: T0 }),
      invalidated({ condemnedSyncId: id(1), condemnedMeasuredAt: T0 }),
      invalidated({ condemnedSyncId: id(2), condemnedMeasuredAt: T0 - 10 }),
      synced({ syncId: id(1), measuredAt: T0 }),
    );

    expect(row).toMatchObject({ isValid: false, condemnedSyncId: id(1), condemnedMeasuredAt: T0 });
  });

  it('of a connector without a row leaves none', () => {
    expect(rowAfter(invalidated())).toBeUndefined();
  });
});

describe('hits', () => {
  it('are counted, whatever order they are flushed in', () => {
    const row = rowAfter(
      synced(),
      hit({ count: 2, lastAt: T0 + 9, tier: 'memory' }),
      hit({ count: 3, lastAt: T0 + 4, tier: 'redis' }),
    );

    expect(row).toMatchObject({ hitCount: 5, lastHitAt: T0 + 9, streamVersion: 1 });
  });

  it('from the shared clock are not hits of the row, nor are those of another exchange', () => {
    const row = rowAfter(synced(), hit({ tier: 'exchange-clock' }), hit({ exchange: 'BINGX' }));

    expect(row).toMatchObject({ hitCount: 0, lastHitAt: null });
  });

  it('without a row are dropped', () => {
    expect(rowAfter(hit())).toBeUndefined();
  });
});

describe('failures', () => {
  it('leave the state as it is and move only version and position', () => {
    const before = rowAfter(synced({ id: id(1), syncId: id(2) }));

    const row = rowAfter(synced({ id: id(1), syncId: id(2) }), syncFailed(), authFailed());

    expect(row).toEqual({ ...before, streamVersion: 3, position: 'test/3', updatedAt: T0 + 2 });
    expect(rowAfter(syncFailed(), authFailed())).toBeUndefined();
  });
});

describe('a clean-up', () => {
  it('removes what ended before the cut-off, and nothing else', () => {
    const rows = plainFold(
      connectorStateCache,
      stored([
        synced({ userId: 'ended', measuredAt: T0, ttlMs: MINUTE_MS }),
        synced({ userId: 'living', measuredAt: T0 + 1, ttlMs: MINUTE_MS }),
        cleaned({ cutoff: T0 + MINUTE_MS + 1 }),
      ]),
    );

    expect(rows.map(row => row.userId)).toEqual(['living']);
  });

  it('lets the next sync begin a new row', () => {
    const row = rowAfter(
      synced({ id: id(1) }),
      hit({ count: 8 }),
      cleaned({ cutoff: T0 + 16 * MINUTE_MS }),
      synced({ id: id(2) }),
    );

    expect(row).toMatchObject({ id: id(2), hitCount: 0, createdAt: T0 + 3 });
  });
});

describe('a credential that is used on another exchange (promise 6)', () => {
  it('takes the row over whole: nothing of the former is merged into it', () => {
    const row = rowAfter(
      synced({ syncId: id(1), measuredAt: T0 + 1_000 }),
      hit({ count: 5 }),
      invalidated({ condemnedSyncId: id(9), condemnedMeasuredAt: T0 + 5_000 }),
      synced({ id: id(2), exchange: 'BINGX', measuredAt: T0 }),
    );

    expect(row).toMatchObject({
      ...connector,
      id: id(2),
      exchange: 'BINGX',
      isValid: true,
      hitCount: 0,
      condemnedSyncId: null,
    });
  });

  it('is not invalidated by what concerns the former', () => {
    const row = rowAfter(
      synced({ exchange: 'BINGX', syncId: id(1) }),
      invalidated({ exchange: 'BYBIT', condemnedSyncId: id(1), condemnedMeasuredAt: T0 + 1 }),
    );

    expect(row).toMatchObject({ isValid: true, condemnedSyncId: null });
  });
});
