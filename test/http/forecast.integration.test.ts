/** When connectors and clocks are used next, over HTTP and in the library. */
import { beforeAll, describe, expect, it } from '@jest/globals';
import { silentLogger } from '../../src/base/logging.js';
import type { Backtest } from '../../src/forecast/backtest.js';
import { keepModel } from '../../src/forecast/model-store.js';
import { createPool } from '../../src/postgres/pool.js';
import { hit } from '../support/facts.js';
import { givenServer, type TestServer } from './support.js';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

let server: TestServer;
beforeAll(async () => {
  server = await givenServer({ keep: true });
  const nowMs = Date.now();
  const used = (userId: string, count: number) =>
    hit({
      userId,
      count,
      firstAt: nowMs - 50 * MINUTE_MS,
      lastAt: nowMs - 10 * MINUTE_MS,
      occurredAt: nowMs,
    });
  await (await server.state.store()).append([used('alice', 9), used('bob', 9), used('carol', 2)]);
  await (await server.state.projector()).catchUp();
});

const connectors = async (query = '', as = 'analyst') =>
  (await server.ask(`/v1/analytics/forecast/connectors${query}`, as)).body;
const users = ({ connectors }: { connectors: { userId: string }[] }) =>
  connectors.map(({ userId }) => userId);

describe('the forecast', () => {
  it('of a clock says how likely it is used soon, and has what there is to be drawn', async () => {
    const { status, body } = await server.ask('/v1/analytics/forecast/clocks?within=15m', 'analyst');
    expect(status).toBe(200);
    expect(body).toMatchObject({ withinMs: 15 * MINUTE_MS });
    const [clock] = body.clocks;
    expect(clock).toMatchObject({
      exchange: 'BYBIT',
      environment: 'MAINNET',
      scope: 'default',
      uses: 20,
      basis: 'history',
    });
    expect(clock.probability).toBeGreaterThanOrEqual(0);
    expect(clock.probability).toBeLessThanOrEqual(1);
    expect(clock.idle.reduce((sum: number, { count }: { count: number }) => sum + count, 0)).toBe(19);
    expect(clock.weekUses).toHaveLength(168);
    expect(clock.weekUses.reduce((sum: number, uses: number) => sum + uses, 0)).toBe(20);
    expect((await server.ask('/v1/analytics/forecast/clocks?exchange=BINGX', 'analyst')).body.clocks).toEqual(
      [],
    );
    const [same] = await server.state.clockForecasts({ withinMs: 15 * MINUTE_MS });
    expect(same).toMatchObject({ uses: 20, idle: clock.idle, weekUses: clock.weekUses });
  });

  it('of a connector with too little history is the baseline, and says so', async () => {
    const { connectors: found } = await connectors();
    expect(found).toMatchObject([
      { userId: 'alice', credentialId: 'cred456', uses: 9, basis: 'history' },
      { userId: 'bob', basis: 'history' },
      { userId: 'carol', uses: 2, basis: 'baseline' },
    ]);
    for (const { likelyAtMs, lastUseMs } of found.slice(2)) expect(likelyAtMs).toBeGreaterThan(lastUseMs);
    expect(await server.state.connectorForecasts({ userId: 'carol' })).toMatchObject([{ basis: 'baseline' }]);
    await expect(server.state.connectorForecasts({ withinMs: 0 })).rejects.toMatchObject({
      code: 'INVALID_INPUT',
    });
  });

  it('comes in pages, and refuses a cursor or a span that is none', async () => {
    const first = await connectors('?limit=2');
    expect(users(first)).toEqual(['alice', 'bob']);
    const second = await connectors(`?limit=2&cursor=${first.next}`);
    expect(users(second)).toEqual(['carol']);
    expect(second.next).toBeUndefined();
    for (const query of [
      '?cursor=bm9uZQ',
      '?cursor=WyJcdTAwMDAiLCIiLCIiLCIiXQ',
      '?within=soon',
      '?limit=0',
    ]) {
      const { status, body } = await server.ask(`/v1/analytics/forecast/connectors${query}`, 'analyst');
      expect([query, status, body.code]).toEqual([query, 400, 'INVALID_INPUT']);
    }
  });

  it('shows a bound token nobody but its own user', async () => {
    expect(users(await connectors('', 'analyst@bob'))).toEqual(['bob']);
    expect(users(await connectors('?userId=bob', 'analyst@bob'))).toEqual(['bob']);
    expect(users(await connectors('?userId=alice', 'analyst@bob'))).toEqual([]);
    expect(users(await connectors('', 'analyst@mallory'))).toEqual([]);
  });

  it('looks further ahead with a larger probability', async () => {
    const [soon, later] = await Promise.all(
      [5 * MINUTE_MS, 48 * HOUR_MS].map(withinMs =>
        server.state.connectorForecasts({ userId: 'carol', withinMs }),
      ),
    );
    expect(soon?.[0]?.probability).toBeLessThan(later?.[0]?.probability ?? 0);
  });

  it('tells the probabilities of the trained model once that is what won', async () => {
    const told = async () => (await server.ask('/v1/analytics/forecast/clocks', 'analyst')).body;
    expect(await told()).toMatchObject({ policy: 'none', modelVersion: null });
    const pool = createPool({ connectionString: server.state.databaseUrl, max: 1, log: silentLogger });
    // By its weights a use is as good as certain, whatever was.
    const model = {
      version: 1,
      weights: [10, 0, 0, 0, 0],
      ttlMs: 1,
      fromMs: 0,
      untilMs: 1,
      questions: 200,
    } as const;
    const keep = (winner: string) => keepModel(pool, model, { winner } as Backtest);
    try {
      const lost = await keep('hazard');
      const byHistogram = await told();
      expect(byHistogram).toMatchObject({ policy: 'hazard', modelVersion: lost });
      expect(byHistogram.clocks[0].probability).toBeLessThan(0.999);
      await keep('seasonal');
      const bySeason = await told();
      expect(bySeason.policy).toBe('seasonal');
      // No week has been seen yet, so its hours say nothing: still the histogram's.
      expect(bySeason.clocks[0].probability).toBeCloseTo(byHistogram.clocks[0].probability, 3);
      const won = await keep('learned');
      const byModel = await told();
      expect(byModel).toMatchObject({ policy: 'learned', modelVersion: won });
      expect(byModel.clocks[0].probability).toBeGreaterThan(0.9999);
      const { connectors: found, policy } = await connectors();
      expect(policy).toBe('learned');
      expect(found[0]).toMatchObject({ userId: 'alice', probability: byModel.clocks[0].probability });
      const [same] = await server.state.clockForecasts();
      expect(same?.probability).toBe(byModel.clocks[0].probability);
    } finally {
      await pool.end();
    }
  });
});
