import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { cacheUsage, connectorStateCache, driftSample, projections } from '../../projections/index.js';
import { createPostgresEventStore } from '../../src/event-store/postgres/index.js';
import type { NewEvent } from '../../src/events/event.js';
import { pg } from '../../src/postgres/driver.js';
import { createProjector } from '../../src/projector/index.js';
import { MIN_ROWS } from '../../src/projector/narrow-updates.js';
import { createTestDatabase } from '../support/database.js';
import { cleaned, hit, id, invalidated, MINUTE_MS, synced, T0 } from '../support/facts.js';
import { crashingPool } from './crashing-pool.js';
import { createHarness, type Harness, liveAndExpected } from './harness.js';

let harness: Harness;
beforeEach(async () => {
  harness = await createHarness();
});
afterEach(() => harness.close());

const HOLD_LOCK = `SELECT pg_advisory_lock('projection_checkpoint'::regclass::oid::integer, 0)`;
const many = (n: number): NewEvent[] =>
  Array.from({ length: n }, (_, i) => synced({ userId: `user${i % 50}`, measuredAt: T0 + i }));

describe('catchUp', () => {
  it('applies everything up to the head and says how far it came', async () => {
    await harness.append(...many(250), hit({ userId: 'user7', count: 3 }));
    const projector = harness.projector({ pageSize: 100 });

    const result = await projector.catchUp();

    expect(result).toEqual({ position: await harness.store.head(), events: 251, caughtUp: true });
    const { live, expected } = await liveAndExpected(harness);
    expect(live).toEqual(expected);
    expect(projector.counters).toMatchObject({ pages: 3, events: 251, deadLetters: 0, unknownEvents: 0 });
  });

  it('has nothing to do in an empty store, nor a second time', async () => {
    const projector = harness.projector();

    expect(await projector.catchUp()).toEqual({ position: undefined, events: 0, caughtUp: true });
    await harness.append(synced(), hit());
    await projector.catchUp();
    expect(await projector.catchUp()).toMatchObject({ events: 0, caughtUp: true });
    expect(await harness.rows(connectorStateCache)).toMatchObject([{ hitCount: 1 }]);
  });

  it('leaves the same rows when it updates only the columns that changed in many', async () => {
    const users = Array.from({ length: 8 * MIN_ROWS }, (_, i) => `user${i}`);
    const pool = new pg.Pool({ connectionString: harness.url, max: 1 });
    try {
      const projector = harness.projector({ pool });
      await harness.append(...users.map((userId, i) => synced({ userId, measuredAt: T0 + i })));
      await projector.catchUp();

      // Of four connectors one is hit, one synced and hit, one invalidated, and one is swept away or made anew.
      await harness.append(
        ...users.flatMap((userId, i) => {
          const later = synced({ userId, measuredAt: T0 + 60_000 + i, offsetMs: 100 + i });
          if (i % 4 === 0) return [hit({ userId, count: 1 + (i % 3), lastAt: T0 + i })];
          if (i % 4 === 1) return [later, hit({ userId, count: 2 })];
          return i % 4 === 2 ? [invalidated({ userId, condemnedSyncId: id(i) })] : [];
        }),
        cleaned({ cutoff: T0 + 15 * MINUTE_MS + 200 }),
        synced({ userId: 'user3', measuredAt: T0 + 120_000 }),
      );
      await projector.catchUp();

      const { live, expected } = await liveAndExpected(harness);
      expect(live).toEqual(expected);
      const { rows } = await pool.query(
        `SELECT FROM pg_prepared_statements WHERE name LIKE 'cs_update_%connector_state_cache_%'`,
      );
      expect(rows.length).toBeGreaterThanOrEqual(2);
      expect(await projector.verify()).toMatchObject({ equal: true });
    } finally {
      await pool.end();
    }
  });

  it('counts every event once when many functions do it at the same time (promise 1)', async () => {
    await harness.append(
      ...many(300),
      ...Array.from({ length: 300 }, (_, i) => hit({ userId: `user${i % 50}` })),
    );
    const functions = Array.from({ length: 6 }, () => harness.projector({ pageSize: 20 }));

    const results = await Promise.all(functions.map(projector => projector.catchUp()));

    expect(results.every(({ caughtUp }) => caughtUp)).toBe(true);
    expect(results.reduce((sum, { events }) => sum + events, 0)).toBe(600);
    const { live, expected } = await liveAndExpected(harness);
    expect(live).toEqual(expected);
  });

  it.each(['before', 'after'] as const)(
    'applies exactly once when the connection breaks %s any statement (promise 1)',
    async when => {
      let broken = 0;
      for (let statement = 0; statement < 16; statement++) {
        await harness.append(synced({ measuredAt: T0 + statement }), hit({ count: 1 }));
        const pool = crashingPool(harness.pool, [{ statement, when }]);
        await harness
          .projector({ pool })
          .catchUp()
          .catch(error => {
            broken += 1;
            expect(error).toMatchObject({ code: 'DATABASE_UNAVAILABLE' });
          });
        expect(await harness.projector().catchUp()).toMatchObject({ caughtUp: true });
        expect(await harness.rows(connectorStateCache)).toMatchObject([
          { hitCount: statement + 1, streamVersion: statement + 1 },
        ]);
      }
      expect(broken).toBeGreaterThan(10);
    },
  );

  it('says honestly that it did not get there when another holds the lock and does not move', async () => {
    await harness.append(synced());
    let nowMs = 0;
    const projector = harness.projector({
      nowMs: () => nowMs,
      sleep: async ms => {
        nowMs += ms;
      },
    });

    await harness.asAnother(async other => {
      await other.query(HOLD_LOCK);

      expect(await projector.catchUp({ timeoutMs: 500 })).toEqual({
        position: undefined,
        events: 0,
        caughtUp: false,
      });
    });

    expect(nowMs).toBeGreaterThanOrEqual(500);
    expect(await projector.catchUp()).toMatchObject({ events: 1, caughtUp: true });
  });

  it('returns as soon as the one who holds the lock has applied the event waited for', async () => {
    await harness.append(synced());
    const until = await harness.store.head();
    await harness.append(hit());
    let waits = 0;

    await harness.asAnother(async other => {
      await other.query(HOLD_LOCK);
      const projector = harness.projector({
        sleep: async () => {
          waits += 1;
          await other.query('UPDATE projection_checkpoint SET position = $1', [until]);
        },
      });

      expect(await projector.catchUp({ ...(until && { until }) })).toEqual({
        position: until,
        events: 0,
        caughtUp: true,
      });
    });
    expect(waits).toBe(1);
  });

  it('works with a pool of one connection, and without named statements', async () => {
    await harness.append(...many(30));
    const pool = new pg.Pool({ connectionString: harness.url, max: 1 });
    const store = createPostgresEventStore({ pool, useNamedStatements: false });
    try {
      const projector = createProjector({ store, pool, pageSize: 7, namedStatements: false });

      expect(await projector.catchUp()).toMatchObject({ events: 30, caughtUp: true });
    } finally {
      await store.close();
      await pool.end();
    }
    const { live, expected } = await liveAndExpected(harness);
    expect(live).toEqual(expected);
  });

  it('brings a projection that is new from the first event, and counts nothing twice for the others', async () => {
    await harness.append(synced(), hit({ count: 2 }));
    const old = projections.filter(projection => projection !== cacheUsage);
    await harness.projector({ projections: old }).catchUp();
    await harness.append(hit({ count: 3 }), cleaned({ cutoff: T0 }));

    await harness.projector({ pageSize: 1 }).catchUp();

    const { live, expected } = await liveAndExpected(harness);
    expect(live).toEqual(expected);
    expect(await harness.rows(connectorStateCache)).toMatchObject([{ hitCount: 5 }]);
  });

  it('moves the checkpoint past events that concern nobody', async () => {
    await harness.append(synced(), synced());

    await harness.projector({ projections: [{ ...driftSample, handles: [] }] }).catchUp();

    expect(await harness.projector({ projections: [driftSample] }).lag()).toMatchObject({ events: 0 });
  });

  it('stops when asked to', async () => {
    await harness.append(synced());
    const reason = new Error('enough');

    await expect(harness.projector().catchUp({ signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
  });

  it('says what to do when the database was not migrated', async () => {
    const empty = await createTestDatabase({ migrated: false });
    const pool = new pg.Pool({ connectionString: empty.url });
    try {
      await expect(createProjector({ store: harness.store, pool }).lag()).rejects.toMatchObject({
        code: 'DATABASE_NOT_MIGRATED',
        message: expect.stringContaining('connector-state migrate'),
      });
    } finally {
      await pool.end();
      await empty.drop();
    }
  });
});

describe('lag', () => {
  it('is zero at the head, and tells events and seconds behind it', async () => {
    const projector = harness.projector();
    await harness.append(synced());
    await projector.catchUp();
    expect(await projector.lag()).toMatchObject({
      events: 0,
      seconds: 0,
      position: await harness.store.head(),
    });

    await harness.append(hit(), hit());
    const lag = await projector.lag();

    expect(lag.events).toBe(2);
    expect(lag.seconds).toBeGreaterThan(0);
    expect(lag.seconds).toBeLessThan(60);
    expect(Object.keys(lag.perProjection).sort()).toEqual(projections.map(({ name }) => name).sort());
  });

  it('is that of the projection furthest behind', async () => {
    await harness.append(synced(), hit());
    await harness.projector({ projections: [driftSample] }).catchUp();

    const lag = await harness.projector().lag();

    expect(lag.events).toBe(2);
    expect(lag.perProjection[driftSample.name]).toMatchObject({ events: 0 });
  });

  it('is only looked at: where nothing was projected yet no checkpoint is made, nor by a verification', async () => {
    await harness.append(synced(), hit());
    const projector = harness.projector();

    expect(await projector.lag()).toMatchObject({ events: 2, position: undefined });
    expect(await projector.verify()).toMatchObject({ equal: true, events: 0 });

    expect((await harness.pool.query('SELECT * FROM projection_checkpoint')).rows).toEqual([]);
    await projector.catchUp();
    expect(await projector.lag()).toMatchObject({ events: 0 });
  });
});
