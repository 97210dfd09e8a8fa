/** What a team reads before it switches over, from recorded facts to the sums. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Pool } from 'pg';
import { createPostgresEventStore } from '../../src/event-store/postgres/index.js';
import type { NewEvent } from '../../src/events/event.js';
import { pg } from '../../src/postgres/driver.js';
import { createProjector } from '../../src/projector/index.js';
import { readShadowOutcomes, summariseShadow } from '../../src/read-model/shadow-queries.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { shadowed } from '../support/facts.js';

const LAST_HOUR = { agoMs: 3_600_000 };

let database: TestDatabase;
let pool: Pool;
beforeAll(async () => {
  database = await createTestDatabase();
  pool = new pg.Pool({ connectionString: database.url, max: 2 });
});
afterAll(async () => {
  await pool.end();
  await database.drop();
});

async function record(events: readonly NewEvent[]): Promise<void> {
  const store = createPostgresEventStore({ pool });
  await store.append(events);
  await createProjector({ store, pool }).catchUp();
  await store.close();
}

const offBy = (errorMs: number, more: Parameters<typeof shadowed>[0] = {}) =>
  shadowed({ ...more, comparison: { errorMs, refusal: errorMs > 2_000 ? 'certain' : 'no' } });

describe('summing up', () => {
  it('says that there is nothing while nothing was recorded, and of which span', async () => {
    const { fromMs, untilMs, outcomes } = await readShadowOutcomes(pool, { since: LAST_HOUR });

    expect(outcomes).toEqual([]);
    expect(fromMs % 3_600_000).toBe(0);
    expect(untilMs - fromMs).toBeGreaterThanOrEqual(3_600_000);
    expect(untilMs - fromMs).toBeLessThan(7_200_000);
    expect(summariseShadow(outcomes)).toMatchObject({ inits: 0, hitRate: 0, error: undefined });
  });

  it('gives the hit rate, the refusals and the distribution of errors', async () => {
    await record([
      ...Array.from({ length: 90 }, (_, i) => offBy(0.9 + i / 1_000)),
      ...Array.from({ length: 6 }, () => offBy(-9.5, { tier: 'memory' })),
      offBy(11, { tier: 'exchange-clock', contact: 'exchange-clock', missReason: 'absent' }),
      offBy(3_000, { stale: true }),
      shadowed({
        contact: 'sync',
        tier: undefined,
        missReason: 'expired',
        used: undefined,
        comparison: undefined,
      }),
      shadowed({ exchange: 'BINGX', measured: undefined, comparison: undefined }),
    ]);

    const { outcomes } = await readShadowOutcomes(pool, { since: LAST_HOUR });

    expect(summariseShadow(outcomes)).toEqual({
      inits: 100,
      hits: 99,
      hitRate: 0.99,
      hitsByTier: { postgres: 92, memory: 6, 'exchange-clock': 1 },
      firstContacts: 0,
      syncs: 1,
      missesByReason: { expired: 1 },
      stale: 1,
      unmeasured: 1,
      refused: 1,
      possiblyRefused: 0,
      // 3000 ms are more than 25 + 20.25.
      beyondBound: 1,
      error: {
        compared: 98,
        p50UpToMs: 1,
        p95UpToMs: 10,
        p99UpToMs: 3_000,
        maxMs: 3_000,
        measuredToMs: 20.25,
        toleranceMs: 2_000,
      },
    });
  });

  it('asks for one exchange, and for a span', async () => {
    const ofBingx = await readShadowOutcomes(pool, { since: LAST_HOUR, exchange: 'BINGX' });
    const future = await readShadowOutcomes(pool, { since: { atMs: Date.UTC(2100, 0, 1) } });

    expect(summariseShadow(ofBingx.outcomes)).toMatchObject({ inits: 1, hits: 1, error: undefined });
    expect(future.outcomes).toEqual([]);
  });
});
