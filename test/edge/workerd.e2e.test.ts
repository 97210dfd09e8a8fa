/**
 * In the runtime of Cloudflare Workers itself (workerd, by way of miniflare) with its KV, against the simulator: a clock
 * that connectors in Node have measured is published to KV, and a Worker signs by it.
 */
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Miniflare } from 'miniflare';
import { silentLogger } from '../../src/base/logging.js';
import { ClockPublisher, type ClockStore, keyOfClock } from '../../src/edge/index.js';
import { createPool } from '../../src/postgres/pool.js';
import { usableClocks } from '../../src/read-model/clock-queries.js';
import { ACCOUNT, closing, givenWorld, SIMULATOR_SCOPE } from '../support/world.js';
import { bundle } from './bundle.js';

const WORKER = `
  import { createEdgeClock, createEdgeConnector } from 'edge';
  let clock, requests = 0;
  export default {
    async fetch(request, env) {
      const { exchange, path, query, baseUrl, scope } = await request.json();
      clock ??= createEdgeClock({ exchange, environment: 'TESTNET', baseUrl, scope });
      const unusable = [];
      const connector = createEdgeConnector({
        clock, source: env.CLOCKS, apiKey: env.KEY, apiSecret: env.SECRET, onUnusable: it => unusable.push(it),
      });
      const before = clock.now();
      const answer = await (await connector.request(path, { query })).json();
      return Response.json({ before, after: clock.now(), requests: ++requests, unusable, answer });
    },
  };`;

const GZIP_LIMIT = 15_000;

let script = '';
beforeAll(async () => {
  script = await bundle(WORKER);
});

const started: Miniflare[] = [];
afterAll(() => Promise.all(started.map(each => each.dispose())));

function givenWorker(): Miniflare {
  const worker = new Miniflare({
    modules: true,
    script,
    compatibilityDate: '2026-04-01',
    kvNamespaces: ['CLOCKS'],
    bindings: { KEY: ACCOUNT.apiKey, SECRET: ACCOUNT.apiSecret },
  });
  started.push(worker);
  return worker;
}

/** Miniflare's own type needs Cloudflare's of all of Workers. */
const clocksIn = async (worker: Miniflare): Promise<ClockStore> =>
  (await worker.getKVNamespace('CLOCKS')) as unknown as ClockStore;

interface Told {
  readonly before: { readonly status: string };
  readonly after: { readonly status: string; readonly earliestMs: number; readonly latestMs: number };
  readonly requests: number;
  readonly unusable: readonly string[];
  readonly answer: { readonly retCode: number };
}

describe('connector-state/edge in workerd', () => {
  it(`is less than ${GZIP_LIMIT / 1000} kB, compressed, and needs nothing of Node`, async () => {
    const bytes = gzipSync(await bundle(`export * from 'edge'`)).length;
    expect(bytes).toBeLessThan(GZIP_LIMIT);
    // A bundle that lost its content would be small as well.
    expect(bytes).toBeGreaterThan(2_000);
  });

  it('signs its first request by what connectors elsewhere have measured, with one read and one call', async () => {
    const world = await givenWorld({ knobs: { skewMs: 33_000 } });
    const process = await world.process({ projection: 'inline' });
    await world.connector(process, 'BYBIT').initialize();
    await process.flush();
    const pool = createPool({ connectionString: world.databaseUrl, max: 1, log: silentLogger });
    closing({ close: () => pool.end() });
    const worker = givenWorker();
    const kv = await clocksIn(worker);
    const publisher = new ClockPublisher({ read: () => usableClocks(pool), store: kv });
    expect(await publisher.publish()).toEqual({ written: 1, unchanged: 0, failed: [] });
    expect(await publisher.publish()).toEqual({ written: 0, unchanged: 1, failed: [] });

    const ask = async () => {
      const body = {
        exchange: 'BYBIT',
        path: '/v5/account/wallet-balance',
        query: { accountType: 'UNIFIED' },
        baseUrl: world.simulator.bybitUrl,
        scope: SIMULATOR_SCOPE,
      };
      const response = await worker.dispatchFetch('http://worker.test/', {
        method: 'POST',
        body: JSON.stringify(body),
      });
      return (await response.json()) as Told;
    };
    const verified = () => world.simulator.requests('BYBIT').filter(({ route }) => route === 'verify').length;
    const timed = () => world.simulator.requests('BYBIT').filter(({ route }) => route === 'time').length;
    const [verifiedBefore, timedBefore] = [verified(), timed()];

    const first = await ask();
    expect(first.answer).toMatchObject({ retCode: 0 });
    expect(first.unusable).toEqual([]);
    expect(first.before.status).toBe('unknown');
    expect(first.after.status).toBe('synchronized');
    const nowMs = world.simulator.serverTimeMs('BYBIT');
    expect(first.after.latestMs).toBeGreaterThan(nowMs - 5_000);
    expect(first.after.earliestMs).toBeLessThan(nowMs);
    expect(verified() - verifiedBefore).toBe(1);

    // A step between two requests of one isolate, and requests side by side, each with I/O of its own.
    world.simulator.step(-20_000, 'BYBIT');
    const healed = await ask();
    expect(healed).toMatchObject({ requests: 2, answer: { retCode: 0 } });
    expect(verified() - verifiedBefore).toBe(3);
    const many = await Promise.all(Array.from({ length: 10 }, ask));
    expect(many.map(({ answer }) => answer.retCode)).toEqual(Array(10).fill(0));
    expect(verified() - verifiedBefore).toBe(13);
    expect(timed()).toBe(timedBefore);
  });

  it('heals by the refusal where the published clock was condemned after it was read', async () => {
    const world = await givenWorld();
    const worker = givenWorker();
    const kv = await clocksIn(worker);
    const name = { exchange: 'BYBIT', environment: 'TESTNET', scope: SIMULATOR_SCOPE };
    await kv.put(
      keyOfClock(name),
      JSON.stringify({
        v: 1,
        ...name,
        offsetMs: 15_000,
        uncertaintyMs: 3,
        atMs: Date.now(),
        epoch: 1,
        isValid: true,
      }),
      { expirationTtl: 60 },
    );
    const body = {
      exchange: 'BYBIT',
      path: '/v5/account/wallet-balance',
      query: { accountType: 'UNIFIED' },
      baseUrl: world.simulator.bybitUrl,
      scope: SIMULATOR_SCOPE,
    };
    const response = await worker.dispatchFetch('http://worker.test/', {
      method: 'POST',
      body: JSON.stringify(body),
    });
    expect(((await response.json()) as Told).answer).toMatchObject({ retCode: 0 });
    expect(world.simulator.requests('BYBIT').filter(({ route }) => route === 'verify')).toHaveLength(2);
  });
});
