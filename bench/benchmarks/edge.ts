/**
 * What a signed request costs an edge isolate: the decision which clock to sign by, the timestamp, the signature, and the
 * answer read and learned from, in workerd itself (by way of miniflare). The exchange is a function in the Worker, so that
 * nothing is waited for. A Worker's own clock stands still while it computes, so workerd's processor time is taken from
 * outside, from Linux; elsewhere the time that went by, which is more.
 */
import { build } from 'esbuild';
import { Miniflare } from 'miniflare';
import type { Benchmark } from '../benchmark.js';
import { processes } from '../processor-time.js';
import type { Figure } from '../report.js';
import { median } from '../statistics.js';

const WORKER = `
  import { createEdgeClock, createEdgeConnector } from './dist/src/edge/index.js';
  const exchange = async () => new Response('{"retCode":0,"retMsg":"OK","result":{},"time":' + Date.now() + '}');
  export default {
    async fetch(request) {
      const { exchange: name, requests, isBare } = await request.json();
      const clock = createEdgeClock({ exchange: name, environment: 'TESTNET' });
      const connector = createEdgeConnector({ clock, apiKey: 'key', apiSecret: 'secret', fetch: exchange });
      for (let i = 0; i < requests; i++) {
        if (isBare) await (await exchange()).text();
        else await connector.request('/v5/account/wallet-balance', { query: { accountType: 'UNIFIED' } });
      }
      return new Response('done');
    },
  };`;

export const edge: Benchmark = {
  name: 'edge',
  title: 'The edge: what a signed request costs an isolate of workerd',
  run: async ({ isQuick, progress }) => {
    const { outputFiles } = await build({
      stdin: { contents: WORKER, resolveDir: process.cwd(), loader: 'js' },
      bundle: true,
      write: false,
      minify: true,
      format: 'esm',
      platform: 'browser',
      target: 'es2022',
    });
    const worker = new Miniflare({
      modules: true,
      script: outputFiles[0]?.text ?? '',
      compatibilityDate: '2026-04-01',
    });
    try {
      await worker.ready;
      const requests = isQuick ? 200 : 4_000;
      const perRequest = async (exchange: string, isBare: boolean) => {
        const body = JSON.stringify({ exchange, requests, isBare });
        const startedMs = processorMs();
        const response = await worker.dispatchFetch('http://worker.test/', { method: 'POST', body });
        if ((await response.text()) !== 'done') throw new Error('the Worker did not sign');
        return (processorMs() - startedMs) / requests;
      };
      const figures: Figure[] = [];
      for (const exchange of ['BYBIT', 'BINGX']) {
        progress(exchange);
        const signed: number[] = [];
        const bare: number[] = [];
        for (let round = 0; round < (isQuick ? 1 : 5); round++) {
          bare.push(await perRequest(exchange, true));
          signed.push(await perRequest(exchange, false));
        }
        const value = median(signed);
        figures.push({
          name: `${exchange} decision, signature and answer`,
          value,
          unit: 'ms',
          peer: { name: 'the answer alone', value: median(bare) },
          ratio: value / Math.max(median(bare), 0.001),
          limit: { on: 'value', kind: 'at most', value: 1 },
        });
      }
      return { figures };
    } finally {
      await worker.dispose();
    }
  },
};

/** Of workerd, which is this process's child; without /proc, what time it is. */
function processorMs(): number {
  for (const { name, parent, ownMs } of processes().values())
    if (name === 'workerd' && parent === process.pid) return ownMs;
  return performance.now();
}
