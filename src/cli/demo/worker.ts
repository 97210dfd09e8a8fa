/**
 * One run of the demo's book, in a process of its own: nothing in memory survives from one to the next, as in
 * a serverless function. Takes its task as JSON on stdin (it holds a database password, which has no place on
 * a command line) and answers with one JSON object on stdout.
 *
 * `totalMs` runs from the first line that a function's handler would execute to the last connector's being
 * ready and its funding rate read; loading the code comes before it, and `loadMs` says how long that took.
 */
import { text } from 'node:stream/consumers';
import { systemClock } from '../../clock/host-clock.js';
import { estimateFromSample } from '../../clock/offset.js';
import { requestWindow } from '../../clock/request-window.js';
import { createConnectorState } from '../../composition/connector-state.js';
import { BingxConnectorWithCache } from '../../connectors/bingx-with-cache.connector.js';
import { BybitConnectorWithCache } from '../../connectors/bybit-with-cache.connector.js';
import { createBingxAdapter } from '../../exchanges/bingx/index.js';
import { createBybitAdapter } from '../../exchanges/bybit/index.js';
import type { AdapterOptions, ExchangeAdapter } from '../../exchanges/exchange-adapter.js';
import { FundingArbitrageService, type HedgedPosition } from '../../services/funding-arbitrage.service.js';
import { type DemoLeg, demoBook } from './book.js';
import type { WorkerResult, WorkerTask } from './worker-task.js';

const ENVIRONMENT = 'TESTNET';

async function restoreWithCache(task: WorkerTask): Promise<Omit<WorkerResult, 'loadMs'>> {
  const startedMs = performance.now();
  const state = await createConnectorState({
    databaseUrl: task.databaseUrl,
    // The demo's own, whatever the environment names.
    eventStoreUrl: task.databaseUrl,
    projection: 'inline',
    cacheMode: 'on',
    logLevel: task.logLevel,
    logFormat: task.logFormat,
    flushIntervalMs: 60_000,
  });
  const { cache } = state;
  const leg = ({ symbol: _, ...leg }: DemoLeg, baseUrl: string) =>
    ({ ...leg, cache, environment: ENVIRONMENT, baseUrl }) as const;
  const positions: HedgedPosition[] = demoBook().map(({ id, bybit, bingx }) => ({
    id,
    primary: { connector: new BybitConnectorWithCache(leg(bybit, task.bybitUrl)), symbol: bybit.symbol },
    hedge: { connector: new BingxConnectorWithCache(leg(bingx, task.bingxUrl)), symbol: bingx.symbol },
  }));
  const service = new FundingArbitrageService({ cache, concurrency: task.concurrency });
  const setUpMs = performance.now() - startedMs;
  const report = await service.restore(positions);
  for (const { primary, hedge } of positions) {
    primary.connector.close();
    hedge.connector.close();
  }
  // What a serverless function does in after(): the facts are stored and projected once the answer is out.
  const { pending } = await state.flush(10_000);
  await state.close();
  const { connectors, hits, misses, authFailures, failed } = report;
  const failures = report.positions.flatMap(({ primary, hedge }) =>
    [primary, hedge].flatMap(({ failure }) => (failure ? [`${failure.code} ${failure.message}`] : [])),
  );
  return {
    totalMs: setUpMs + report.durationMs,
    connectors,
    hits,
    misses,
    authFailures,
    failed,
    failures,
    pending,
  };
}

/** As today: each connector measures the clock, then verifies, one after the other. */
async function restoreWithoutCache(task: WorkerTask): Promise<Omit<WorkerResult, 'loadMs'>> {
  const startedMs = performance.now();
  const legs = demoBook().flatMap(({ bybit, bingx }) => [
    { leg: bybit, baseUrl: task.bybitUrl, create: createBybitAdapter },
    { leg: bingx, baseUrl: task.bingxUrl, create: createBingxAdapter },
  ]);
  const failures: string[] = [];
  for (const { leg, baseUrl, create } of legs) {
    try {
      await startAsToday(
        create,
        { environment: ENVIRONMENT, credentials: leg.credentials, baseUrl },
        leg.symbol,
      );
    } catch (error) {
      failures.push((error as Error).message);
    }
  }
  const totalMs = performance.now() - startedMs;
  const failed = failures.length;
  return {
    totalMs,
    connectors: legs.length,
    hits: 0,
    misses: legs.length,
    authFailures: 0,
    failed,
    failures,
    pending: 0,
  };
}

async function startAsToday(
  create: (options: AdapterOptions) => ExchangeAdapter,
  options: Pick<AdapterOptions, 'environment' | 'credentials' | 'baseUrl'>,
  symbol: string,
): Promise<void> {
  const { biasMs } = requestWindow();
  let offsetMs = 0;
  const adapter = create({
    ...options,
    now: () => systemClock.now(),
    timestamp: () => Math.floor(systemClock.now() + offsetMs + biasMs),
  });
  try {
    offsetMs = estimateFromSample(await adapter.serverTime()).offsetMs;
    await adapter.verifyAccount();
    await adapter.fundingRate(symbol);
  } finally {
    adapter.close();
  }
}

const loadMs = performance.now();
const task = JSON.parse(await text(process.stdin)) as WorkerTask;
const result = await (task.cached ? restoreWithCache(task) : restoreWithoutCache(task));
process.stdout.write(JSON.stringify({ ...result, loadMs } satisfies WorkerResult));
