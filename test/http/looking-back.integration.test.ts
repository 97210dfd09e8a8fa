/** What the dashboard asks besides: who I am, single samples, refusals, and the last facts that an operator cares for. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { DAYS, writePast } from '../dashboard/past.js';
import { type RunningService, startService } from '../dashboard/service.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';

const DAY_MS = 86_400_000;

let database: TestDatabase;
let service: RunningService;
let nowMs: number;
let week: string;

beforeAll(async () => {
  database = await createTestDatabase();
  nowMs = await writePast(database.url);
  week = `from=${nowMs - DAYS * DAY_MS}&until=${nowMs}`;
  service = await startService(database.url, { pages: false });
  await service.project();
}, 120_000);

afterAll(async () => {
  await service?.close();
  await database?.drop();
});

async function ask(url: string, as = 'operator') {
  const answer = await service.server.inject({ url, headers: { authorization: `Bearer ${as}` } });
  return { status: answer.statusCode, body: answer.json() };
}

describe('GET /v1/me', () => {
  it('says what the caller may do, and 401 to a stranger', async () => {
    expect((await ask('/v1/me', 'analyst')).body).toEqual({
      id: 'test:analyst',
      roles: ['analyst'],
      userId: null,
    });
    expect((await ask('/v1/me', 'reader@alice')).body).toMatchObject({ userId: 'alice' });
    expect(await ask('/v1/me', 'nobody')).toMatchObject({ status: 401, body: { code: 'UNAUTHENTICATED' } });
  });
});

describe('looking back', () => {
  it('thins samples evenly, tells how many there were, and finds refusals and notable facts, newest first', async () => {
    const all = await ask(`/v1/analytics/samples?${week}&exchange=BYBIT&limit=5000`, 'analyst');
    expect(all.status).toBe(200);
    expect(all.body.samples.length).toBe(all.body.total);
    const few = await ask(`/v1/analytics/samples?${week}&exchange=BYBIT&limit=100`, 'analyst');
    expect(few.body.total).toBe(all.body.total);
    expect(few.body.samples.length).toBeGreaterThan(80);
    expect(few.body.samples.length).toBeLessThanOrEqual(100);
    // Of all, whatever is listed.
    const trips = all.body.samples.map(({ roundTripMs }: { roundTripMs: number }) => roundTripMs);
    trips.sort((a: number, b: number) => a - b);
    for (const { body } of [all, few]) {
      expect([body.roundTripMedianMs, body.roundTripP99Ms]).toEqual([
        trips[Math.ceil(trips.length * 0.5) - 1],
        trips[Math.ceil(trips.length * 0.99) - 1],
      ]);
    }
    const times = few.body.samples.map(({ atMs }: { atMs: number }) => atMs);
    expect(times).toEqual([...times].sort((a, b) => a - b));
    const tokyo = await ask(`/v1/analytics/samples?${week}&machine=fn-tokyo&limit=10`, 'analyst');
    expect(new Set(tokyo.body.samples.map(({ machine }: { machine: string }) => machine))).toEqual(
      new Set(['fn-tokyo']),
    );

    const { body: refused } = await ask(`/v1/analytics/refusals?${week}`, 'analyst');
    expect(refused).toMatchObject({ toleranceMs: 2_000, elsewhere: false });
    expect(refused.refusals.map(({ kind }: { kind: string }) => kind)).toEqual([
      'other',
      'late',
      'late',
      'wrong',
      'late',
    ]);
    const { body: bingx } = await ask(`/v1/analytics/refusals?${week}&exchange=BINGX`, 'analyst');
    expect(bingx.refusals.map(({ exchangeCode }: { exchangeCode: string }) => exchangeCode)).toEqual([
      '100413',
    ]);

    const { body: lately } = await ask(`/v1/activity?${week}&limit=2`, 'analyst');
    expect(lately.events.map(({ type }: { type: string }) => type)).toEqual([
      'ConnectorAuthFailed',
      'ConnectorSyncFailed',
    ]);
  });

  it('shows a bound caller only its own, and nothing to who may not look back', async () => {
    const { body } = await ask(`/v1/analytics/refusals?${week}`, 'analyst@user-007');
    expect(body.refusals.map(({ userId }: { userId: string }) => userId)).toEqual(['user-007']);
    const { body: own } = await ask(`/v1/activity?${week}`, 'analyst@user-007');
    expect(own.events).toMatchObject([{ data: { userId: 'user-007' } }]);
    expect(own.events[0]).not.toHaveProperty('host');
    const { body: all } = await ask(`/v1/activity?${week}&limit=1`, 'analyst');
    expect(all.events[0]).toHaveProperty('host');
    const { body: none } = await ask(`/v1/activity?${week}`, 'analyst@nobody');
    expect(none.events).toEqual([]);
    for (const path of ['analytics/samples', 'analytics/refusals', 'activity']) {
      expect([path, (await ask(`/v1/${path}?${week}`, 'reader')).status]).toEqual([path, 403]);
      expect([path, (await ask(`/v1/${path}?${week}`, 'nobody')).status]).toEqual([path, 401]);
    }
  });

  it('says so where the events lie in a store of their own, so that nothing listed is not taken for nothing there', async () => {
    const events = await createTestDatabase();
    const other = await startService(database.url, { pages: false, eventStoreUrl: events.url });
    try {
      for (const path of ['analytics/refusals', 'activity']) {
        const { statusCode, body } = await other.server.inject({
          url: `/v1/${path}?${week}`,
          headers: { authorization: 'Bearer analyst' },
        });
        expect([statusCode, JSON.parse(body)]).toMatchObject([200, { elsewhere: true }]);
      }
    } finally {
      await other.close();
      await events.drop();
    }
  });

  it('counts what was refused as wrong, came late, or met nobody, each apart', async () => {
    const { body } = await ask(`/v1/analytics/usage?${week}&bucketMs=${DAY_MS}`, 'analyst');
    const total = (what: string) =>
      body.buckets.reduce((sum: number, bucket: Record<string, number>) => sum + (bucket[what] as number), 0);
    expect(
      ['timestampRefusals', 'otherRefusals', 'lateRequests', 'unreachable', 'syncFailures'].map(what => [
        what,
        total(what),
      ]),
    ).toEqual([
      ['timestampRefusals', 1],
      ['otherRefusals', 1],
      ['lateRequests', 3],
      ['unreachable', 1],
      ['syncFailures', 1],
    ]);
  });

  it('refuses a range that is none', async () => {
    for (const query of [`from=${nowMs}&until=${nowMs - 1}`, 'from=yesterday', '', `from=${nowMs}&limit=0`]) {
      const { status, body } = await ask(`/v1/analytics/samples?${query}`, 'analyst');
      expect([query, status, body.code]).toEqual([query, 400, 'INVALID_INPUT']);
    }
  });
});

describe('GET /v1/overview', () => {
  it('tells in one answer what the single questions are told', async () => {
    const [{ body: all, status }, stats, usage, samples, lately, projections] = await Promise.all([
      ask('/v1/overview'),
      ask('/v1/stats'),
      ask('/v1/analytics/usage?from=24h'),
      ask('/v1/analytics/samples?from=1h&limit=1'),
      ask('/v1/activity?from=1h&limit=50'),
      ask('/v1/projections'),
    ]);
    expect(status).toBe(200);
    const { clocks, ...figures } = all.stats;
    expect(clocks.map(({ exchange }: { exchange: string }) => exchange)).toEqual(
      stats.body.clocks.map(({ exchange }: { exchange: string }) => exchange),
    );
    expect(figures).toMatchObject({
      total: stats.body.total,
      hitRate: stats.body.hitRate,
      toleranceMs: stats.body.toleranceMs,
    });
    expect(all.usage).toEqual(usage.body.buckets);
    const { total, roundTripMedianMs, roundTripP99Ms } = samples.body;
    expect(all.roundTrips).toEqual({ total, roundTripMedianMs, roundTripP99Ms });
    expect(all.activity).toEqual(lately.body);
    expect(Object.keys(all.projections)).toEqual(Object.keys(projections.body));
  });

  it('tells an analyst nothing of the projections, also where an operator was just answered', async () => {
    const headers = { 'cache-control': 'max-age=10' };
    const as = async (role: string) => {
      const answer = await service.server.inject({
        url: '/v1/overview',
        headers: { ...headers, authorization: `Bearer ${role}` },
      });
      return answer.json().projections;
    };
    expect(await as('operator')).not.toBeNull();
    expect(await as('analyst')).toBeNull();
  });
});

describe('GET /v1/analytics/clocks', () => {
  it('tells the clocks of a week with their step, and of a moment of it in finer cells', async () => {
    const { body, status } = await ask(`/v1/analytics/clocks?${week}&exchange=BYBIT`, 'analyst');
    expect(status).toBe(200);
    expect(body).toMatchObject({
      source: 'hours',
      cellMs: 3_600_000,
      lines: [{ exchange: 'BYBIT', hosts: 3 }],
    });
    expect(body.lines[0].steps).toHaveLength(1);
    // Within its hour the clock's own drift and the step cannot be told apart.
    expect(body.lines[0].steps[0].byMs).toBeGreaterThan(60);

    const [from, until] = [nowMs - 60 * 3_600_000, nowMs - 56 * 3_600_000];
    const { body: fine } = await ask(`/v1/analytics/clocks?from=${from}&until=${until}&by=host`, 'analyst');
    expect(fine).toMatchObject({ source: 'samples', untilMs: until });
    expect(fine.lines).toHaveLength(6);
    for (const { points } of fine.lines) {
      for (const { atMs } of points) expect(atMs).toBeLessThan(until);
    }
  });
});
