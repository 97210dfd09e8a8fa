/** The history of drift, as read from samples and from hours: both must tell the same story. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Pool } from 'pg';
import { driftLines } from '../../src/clock/drift-history.js';
import { createPostgresEventStore } from '../../src/event-store/postgres/index.js';
import { pg } from '../../src/postgres/driver.js';
import { createProjector } from '../../src/projector/index.js';
import { HOURS_SQL, readDrift, SAMPLES_SQL } from '../../src/read-model/drift-queries.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { type DriftWorld, eventOf, measure, truth } from '../support/drift-world.js';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

let database: TestDatabase;
let pool: Pool;
let now: number;
let world: DriftWorld;
/** The steps but for the last: in the middle of a day, and between two. */
let early: readonly number[];

beforeAll(async () => {
  database = await createTestDatabase();
  pool = new pg.Pool({ connectionString: database.url, max: 2 });
  const store = createPostgresEventStore({ pool });
  now = Date.now();
  // A step two hours ago; machine "b" only on the other exchange. More than a month, so more than one partition.
  const midnight = Math.floor(now / DAY_MS) * DAY_MS;
  early = [midnight - 20 * DAY_MS + 13 * HOUR_MS, midnight - 10 * DAY_MS];
  world = {
    fromMs: now - 40 * DAY_MS,
    toMs: now,
    offsetMs: 145,
    ratePpm: 0.1,
    steps: [
      { atMs: early[0] as number, byMs: 90 },
      { atMs: early[1] as number, byMs: 3_000 },
      { atMs: now - 2 * HOUR_MS, byMs: -3_000 },
    ],
    machines: [{ host: 'host:a/1-x', everyMs: 20 * MINUTE_MS, thereMs: 5, backMs: 8 }],
    seed: 1,
  };
  const elsewhere = {
    ...world,
    fromMs: now - 5 * HOUR_MS,
    steps: [],
    machines: [{ host: 'host:b/1-x', everyMs: 5 * MINUTE_MS, thereMs: 50, backMs: 50 }],
    seed: 2,
  };
  await store.append([
    ...measure(world).map(m => eventOf(m)),
    ...measure(elsewhere).map(m => eventOf(m, { exchange: 'BINGX', environment: 'TESTNET' })),
  ]);
  await createProjector({ store, pool }).catchUp();
  await store.close();
});
afterAll(async () => {
  await pool.end();
  await database.drop();
});

describe('readDrift', () => {
  it('reads short ranges from the samples, in cells that a terminal can show', async () => {
    const found = await readDrift(pool, { since: { agoMs: 4 * HOUR_MS }, exchange: 'BYBIT' });

    expect(found).toMatchObject({ source: 'samples', cellMs: 2 * MINUTE_MS, rows: expect.any(Number) });
    expect(found.rows).toBeGreaterThan(10);
    expect(found.rows).toBeLessThan(14);
    expect(driftLines(found.cells, 'exchange')).toMatchObject([
      { samples: found.rows, steps: [{ hosts: 1 }] },
    ]);
  });

  it('reads long ranges from the hours, whole ones', async () => {
    const found = await readDrift(pool, { since: { agoMs: 7 * DAY_MS }, exchange: 'BYBIT' });

    expect(found).toMatchObject({ source: 'hours', cellMs: HOUR_MS });
    expect(found.fromMs % HOUR_MS).toBe(0);
    expect(found.cells.map(({ startMs }) => startMs)).toEqual(
      found.cells.map(({ startMs }) => startMs).sort((a, b) => a - b),
    );
    const [line] = driftLines(found.cells, 'exchange');
    expect(line?.samples).toBeGreaterThan(500);
    expect(line?.steps).toHaveLength(1);
    expect(Math.abs((line?.drift.ratePpm ?? 9) - 0.1)).toBeLessThanOrEqual(line?.drift.errorPpm ?? 0);
  });

  it('finds in the hours just what the samples say', async () => {
    const hours = await readDrift(pool, { since: { agoMs: 7 * HOUR_MS } });
    // The same span, from its first full hour, sample by sample.
    const samples = await readDrift(pool, { since: { atMs: hours.fromMs + 2 * HOUR_MS } });
    expect([hours.source, samples.source]).toEqual(['hours', 'samples']);
    const later = hours.cells.filter(({ startMs }) => startMs >= samples.fromMs);

    const figures = (line: ReturnType<typeof driftLines>[number]) => ({
      exchange: line.exchange,
      host: line.host,
      samples: line.samples,
      firstAtMs: line.firstAtMs,
      lastAtMs: line.lastAtMs,
      minOffsetMs: line.minOffsetMs,
      maxOffsetMs: line.maxOffsetMs,
      tightestUncertaintyMs: line.tightestUncertaintyMs,
      roundTripMinMs: line.roundTripMinMs,
      steps: line.steps.length,
    });
    expect(driftLines(later, 'host').map(figures)).toEqual(driftLines(samples.cells, 'host').map(figures));
  });

  it('puts the hours of days together without losing anything, but where a clock stepped', async () => {
    const hours = await readDrift(pool, { since: { agoMs: 60 * DAY_MS } });
    const days = await readDrift(pool, { since: { agoMs: 120 * DAY_MS } });

    expect([hours.source, days.source, days.cellMs]).toEqual(['hours', 'days', DAY_MS]);
    // Of three steps, one of them at midnight, and with room for the one that is made two hours ago.
    const torn = new Set(
      days.cells
        .filter(({ startMs }) => startMs % DAY_MS > 0)
        .map(({ startMs }) => Math.floor(startMs / DAY_MS)),
    );
    const dayOf = (ms: number) => Math.floor(ms / DAY_MS);
    const [inDay, atMidnight] = early.map(dayOf) as [number, number];
    expect([...torn].filter(day => day < dayOf(now) - 2)).toEqual([
      ...[inDay - 1, inDay, inDay + 1],
      ...[atMidnight - 1, atMidnight],
    ]);
    expect(days.rows).toBeLessThan(45 + 24 * 9);

    const [byHour, byDay] = [hours, days].map(({ cells }) => driftLines(cells, 'exchange'));
    for (const [i, line] of (byHour ?? []).entries()) {
      const { points, meanOffsetMs, drift, offsetMs, uncertaintyMs, steps, ...same } = line;
      expect(byDay?.[i]).toMatchObject({
        ...same,
        steps: steps.map(({ byMs, ...step }) => ({ ...step, byMs: expect.closeTo(byMs ?? Number.NaN, 3) })),
      });
      expect(byDay?.[i]?.meanOffsetMs).toBeCloseTo(meanOffsetMs, 6);
      // Within a day a rate is not told; over forty it is the same.
      if (i === 1) expect(byDay?.[i]?.drift.rate.ratePpm).toBeCloseTo(drift.rate.ratePpm, 2);
      // All that the day's hours allow at its end is within what the last of them allows by itself.
      expect(
        Math.abs((byDay?.[i]?.offsetMs ?? 0) - offsetMs) + (byDay?.[i]?.uncertaintyMs ?? 0),
      ).toBeLessThanOrEqual(uncertaintyMs + 1e-6);
    }
    for (const { atMs, offsetMs, uncertaintyMs } of byDay?.[1]?.points ?? []) {
      expect(Math.abs(offsetMs - truth(world, atMs))).toBeLessThanOrEqual(uncertaintyMs);
    }
  });

  it('takes only what was asked for', async () => {
    const machinesOf = async (query: Partial<Parameters<typeof readDrift>[1]>) => {
      const both = [{ agoMs: 5 * HOUR_MS }, { agoMs: 8 * HOUR_MS }, { agoMs: 300 * DAY_MS }].map(since =>
        readDrift(pool, { since, ...query }),
      );
      const [samples, hours, days] = (await Promise.all(both)).map(({ cells }) => [
        ...new Set(cells.map(({ machine }) => machine)),
      ]);
      expect(samples?.sort()).toEqual(hours?.sort());
      expect(days?.sort()).toEqual(hours?.sort());
      return samples;
    };

    expect(await machinesOf({})).toEqual(['a', 'b']);
    expect(await machinesOf({ exchange: 'BINGX' })).toEqual(['b']);
    expect(await machinesOf({ environment: 'MAINNET' })).toEqual(['a']);
    expect(await machinesOf({ host: 'b' })).toEqual(['b']);
    expect(await machinesOf({ host: 'b', exchange: 'BYBIT' })).toEqual([]);
  });

  it('leaves its connection as it was', async () => {
    await readDrift(pool, { since: { agoMs: HOUR_MS } });
    await expect(readDrift(pool, { since: { atMs: Number.NaN } })).rejects.toThrow();

    const { rows } = await pool.query(
      `SELECT count(*)::int AS open FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in%'`,
    );
    expect(rows).toEqual([{ open: 0 }]);
  });
});

describe('the plans', () => {
  const planOf = async (text: string, values: unknown[]) => {
    const { rows } = await pool.query<{ 'QUERY PLAN': string }>(
      `EXPLAIN (ANALYZE, COSTS off) ${text}`,
      values,
    );
    return rows.map(row => row['QUERY PLAN']).join('\n');
  };

  it('touch only the partitions that the range lies in', async () => {
    const { rows } = await pool.query(
      `SELECT count(*)::int AS partitions FROM pg_inherits WHERE inhparent = 'drift_sample'::regclass`,
    );
    expect(rows[0].partitions).toBeGreaterThanOrEqual(2);
    const month = new Date(now).toISOString().slice(0, 7).replace('-', '_');

    const plan = await planOf(SAMPLES_SQL, [
      Date.UTC(new Date(now).getUTCFullYear(), new Date(now).getUTCMonth()),
      null,
      'BYBIT',
      null,
      'default',
    ]);

    expect(plan).toContain(`drift_sample_${month}`);
    expect(new Set(plan.match(/drift_sample_\d{4}_\d\d(?!_)/g))).toEqual(new Set([`drift_sample_${month}`]));
  });

  it('find the hours by their key', async () => {
    await pool.query('ANALYZE drift_hourly');

    expect(await planOf(HOURS_SQL, [now - 12 * HOUR_MS, null, null, null, null, null])).toMatch(
      /drift_hourly_pkey/,
    );
  });
});
