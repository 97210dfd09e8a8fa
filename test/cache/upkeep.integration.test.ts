/** What operators ask for, while the event store takes facts and never says that it has. */
import { describe, expect, it } from '@jest/globals';
import { silentLogger } from '../../src/base/logging.js';
import { ConnectorStateCacheService } from '../../src/cache/connector-state-cache-service.js';
import type { HistoryEntry } from '../../src/cache/history.js';
import { Recorder } from '../../src/cache/recorder.js';
import { systemClock } from '../../src/clock/host-clock.js';
import { createPostgresEventStore } from '../../src/event-store/postgres/index.js';
import { newEventId } from '../../src/events/ids.js';
import { createPool } from '../../src/postgres/pool.js';
import { closing, givenWorld, type World } from '../support/world.js';

/** The database answers; only appends never end. */
function givenCacheThatCannotStore(world: World): ConnectorStateCacheService {
  const pool = createPool({ connectionString: world.databaseUrl, max: 4, log: silentLogger });
  closing({ close: () => pool.end() });
  const store = closing(createPostgresEventStore({ pool }));
  return new ConnectorStateCacheService({
    pool,
    batcher: { lookup: () => Promise.reject(new Error('not needed')) },
    recorder: new Recorder({
      store: async () => ({ append: () => new Promise(() => undefined) }),
      newId: async () => newEventId,
      maxPending: 100,
      flushIntervalMs: 600_000,
      host: 'h',
      wall: Date.now,
      log: silentLogger,
    }),
    store: async () => store,
    outbox: async () => ({ waiting: 0, waitingSeconds: 0, dead: 0 }),
    comparePositions: async () => store.compare,
    lookupDeadlineMs: 100,
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

describe('an event store that swallows what it is given', () => {
  it('does not hold up the commands that can do without, and fails those that cannot', async () => {
    const world = await givenWorld();
    const healthy = await world.process();
    const { ref } = world.connector(healthy, 'BYBIT');
    await world.connector(healthy, 'BYBIT').initialize();
    await healthy.flush();
    const cache = givenCacheThatCannotStore(world);
    const failure = { exchangeCode: '10003', failureClass: 'credentials' } as const;
    cache.recordAuthFailure(ref, failure);

    const [removed, history, invalidated] = await Promise.allSettled([
      cache.cleanupExpired(),
      cache.history(ref.userId, ref.credentialId),
      cache.invalidate(ref.userId, ref.credentialId),
    ]);

    expect(removed).toEqual({ status: 'fulfilled', value: 0 });
    // What is stored; the failure just recorded is not.
    expect(history).toMatchObject({ status: 'fulfilled' });
    expect(typesIn(history)).toEqual(new Set(['ConnectorSynced']));
    expect(invalidated).toMatchObject({
      status: 'rejected',
      reason: { code: 'DATABASE_UNAVAILABLE', message: expect.stringContaining('it stays pending') },
    });
  });
});

const typesIn = (history: PromiseSettledResult<HistoryEntry[]>): Set<string> =>
  new Set(history.status === 'fulfilled' ? history.value.map(({ type }) => type) : []);
