/** The examples, as they are given to users, against the simulator. Next.js has a test of its own (npm run test:apps). */
import { resolve } from 'node:path';
import { expect, it } from '@jest/globals';
import { build } from 'esbuild';
import { Miniflare } from 'miniflare';
import { type ClockStore, keyOfClock } from '../../src/edge/index.js';
import { runNode, spawnNode } from '../support/run.js';
import { ACCOUNT, closing, givenWorld, verifications, type World } from '../support/world.js';

const envOf = ({ databaseUrl, simulator }: World) => ({
  DATABASE_URL: databaseUrl,
  BYBIT_API_KEY: ACCOUNT.apiKey,
  BYBIT_API_SECRET: ACCOUNT.apiSecret,
  BYBIT_BASE_URL: simulator.bybitUrl,
  // The machine that runs the tests is busy.
  LOOKUP_DEADLINE_MS: '10000',
});

it('AWS Lambda: a call after an hour in the freezer is signed right at the first try', async () => {
  const world = await givenWorld({ knobs: { skewMs: 40_000 } });

  const { code, stdout, stderr } = await runNode([resolve('test/examples/lambda-driver.mjs')], {
    env: envOf(world),
  });

  expect([code, stderr]).toEqual([0, expect.not.stringContaining('Error')]);
  const [cold, thawed] = stdout
    .trim()
    .split('\n')
    .map(line => JSON.parse(line));
  expect(cold).toMatchObject({ statusCode: 200 });
  expect(thawed).toMatchObject({ statusCode: 200 });
  expect(JSON.parse(thawed.body)).toMatchObject({ cacheHit: true });
  // The cold one was a guess, which the exchange corrected; the thawed one was none.
  const told = verifications(world, 'BYBIT');
  expect(told.at(-1)).toBe('0');
  expect(told.filter(outcome => outcome !== '0').length).toBeLessThanOrEqual(1);
});

it('Express: serves, stores what it learned when it is told to stop, and the next process is warm', async () => {
  const world = await givenWorld();
  const serveOnce = async () => {
    const server = spawnNode([resolve('examples/express/server.mjs')], {
      env: { ...envOf(world), PORT: '0', LOG_LEVEL: 'silent' },
    });
    closing({ close: () => server.process.kill('SIGKILL') });
    const port = /listening on (\d+)/.exec(await server.waitForLine(/listening on \d+/))?.[1];
    const answer = await fetch(`http://127.0.0.1:${port}/funding/BTCUSDT`);
    const body = (await answer.json()) as { cacheHit: boolean; rate: number };
    server.process.kill('SIGTERM');
    expect(await server.ended).toMatchObject({ code: 0, stderr: '' });
    return { status: answer.status, ...body };
  };

  expect(await serveOnce()).toMatchObject({ status: 200, cacheHit: false, rate: expect.any(Number) });
  expect(await serveOnce()).toMatchObject({ status: 200, cacheHit: true });
});

it('Cloudflare Worker: the first signed request is one read of KV and one call, and nothing else', async () => {
  const world = await givenWorld({ knobs: { skewMs: 25_000 } });
  const counting = `
    import worker from './examples/cloudflare-worker/worker.mjs';
    export default { async fetch(request, env) {
      const reads = [];
      const CLOCKS = { get: (...key) => { reads.push(key[0]); return env.CLOCKS.get(...key); } };
      const answer = await worker.fetch(request, { ...env, CLOCKS });
      return Response.json({ reads, status: answer.status, ...(await answer.json()) });
    } };`;
  const { outputFiles } = await build({
    stdin: { contents: counting, resolveDir: process.cwd(), loader: 'js' },
    bundle: true,
    write: false,
    format: 'esm',
    platform: 'browser',
    target: 'es2022',
    alias: { 'connector-state/edge': './src/edge/index.ts' },
  });
  const name = { exchange: 'BYBIT', environment: 'MAINNET', scope: 'example' } as const;
  const worker = new Miniflare({
    modules: true,
    script: outputFiles[0]?.text ?? '',
    compatibilityDate: '2026-04-01',
    kvNamespaces: ['CLOCKS'],
    bindings: {
      BYBIT_API_KEY: ACCOUNT.apiKey,
      BYBIT_API_SECRET: ACCOUNT.apiSecret,
      BYBIT_BASE_URL: world.simulator.bybitUrl,
      CLOCK_SCOPE: name.scope,
    },
  });
  closing({ close: () => worker.dispose() });
  const published = {
    v: 1,
    ...name,
    offsetMs: 25_000,
    uncertaintyMs: 3,
    atMs: Date.now(),
    epoch: 1,
    isValid: true,
  };
  // Miniflare's own type needs Cloudflare's of all of Workers.
  const kv = (await worker.getKVNamespace('CLOCKS')) as unknown as ClockStore;
  await kv.put(keyOfClock(name), JSON.stringify(published), { expirationTtl: 60 });
  const ask = async () => (await worker.dispatchFetch('http://worker.test/')).json();
  const before = world.simulator.requests('BYBIT').length;

  expect(await ask()).toEqual({
    reads: [keyOfClock(name)],
    status: 200,
    retCode: 0,
    retMsg: expect.any(String),
    clock: 'synchronized',
  });
  expect(world.simulator.requests('BYBIT').length - before).toBe(1);
  // From then on the isolate knows better than KV does.
  expect(await ask()).toMatchObject({ reads: [], retCode: 0 });
  expect(world.simulator.requests('BYBIT').length - before).toBe(2);
});
