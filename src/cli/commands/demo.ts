import { join } from 'node:path';
import type { Command } from 'commander';
import type { WorkerResult } from '../demo/worker-task.js';
import { makeFirstContact } from '../first-contact.js';
import { type Output, table } from '../output.js';
import { duration } from '../quantities.js';
import { runSession, type Session } from '../session.js';

/** What one scenario came to; times are measured, none is computed. */
interface ScenarioReport extends Omit<WorkerResult, 'failures'> {
  readonly name: string;
}

interface DemoReport {
  readonly scenarios: readonly ScenarioReport[];
  readonly hitRate: number;
  readonly events: number;
  readonly rebuildEqualsLive: boolean;
}

/** The document's latencies; reading a funding rate is not among them and is kept out of the way. */
const LATENCY_MS = { time: 1500, verify: 200, funding: 5 };
const SKEW_MS = { bybit: 145, bingx: -320 };

export function addDemo(program: Command): void {
  program
    .command('demo')
    .description('a book of 20 connectors restored six ways against simulated exchanges, in about a minute')
    .addHelpText(
      'after',
      '\nUses an embedded PostgreSQL of its own under .data/demo, emptied first; DATABASE_URL and EVENT_STORE_URL are left alone.\n\nExample:\n  connector-state demo --json | jq .scenarios',
    )
    .action((options: { json?: boolean }) =>
      runSession(options.json === true, async session => {
        const report = await runDemo(session);
        session.out.data(report, () => show(report));
        if (!report.rebuildEqualsLive || report.scenarios.some(scenario => scenario.failed > 0))
          process.exitCode = 1;
      }),
    );
}

async function runDemo(session: Session): Promise<DemoReport> {
  const { out, signal, onEnd } = session;
  const [{ startExchangeSimulator }, { DemoDatabase, SCENARIOS }, { runWorker }, { createLogger }] =
    await Promise.all([
      import('../../exchanges/simulator/index.js'),
      import('../demo/scenarios.js'),
      import('../demo/run-worker.js'),
      import('../../base/logging.js'),
    ]);
  const settings = session.settings();
  const { dataDir, logFormat } = settings;
  const logLevel = process.env.LOG_LEVEL ? settings.logLevel : 'silent';
  await makeFirstContact({ ...settings, databaseUrl: undefined, eventStoreUrl: undefined });
  const demoDir = join(dataDir, 'demo');

  out.message('starting two simulated exchanges and an embedded PostgreSQL');
  const simulator = await startExchangeSimulator({
    knobs: { latencyMs: LATENCY_MS },
    bybit: { skewMs: SKEW_MS.bybit },
    bingx: { skewMs: SKEW_MS.bingx },
  });
  onEnd(() => simulator.close());
  const database = new DemoDatabase(join(demoDir, 'postgres'), await createLogger(logLevel, logFormat));
  onEnd(() => database.stop());
  await database.start();
  await database.empty();

  const stage = { simulator, database };
  const scenarios: ScenarioReport[] = [];
  for (const [index, scenario] of SCENARIOS.entries()) {
    const heading = `(${index + 1}/${SCENARIOS.length}) ${scenario.name}: ${scenario.title}`;
    out.progress(`${heading} …`, 'begin');
    await scenario.before?.(stage);
    const { failures, ...result } = await runWorker(
      {
        cached: scenario.cached,
        concurrency: scenario.concurrency,
        databaseUrl: database.url,
        bybitUrl: simulator.bybitUrl,
        bingxUrl: simulator.bingxUrl,
        logLevel,
        logFormat,
      },
      signal,
    );
    await scenario.after?.(stage);
    out.progress(`${heading}: ${duration(result.totalMs)}`, 'end');
    for (const failure of failures) out.message(`  failed: ${failure}`);
    scenarios.push({ name: scenario.name, ...result });
  }
  return { scenarios, ...(await inspect(session, database.url, out)) };
}

async function inspect({ open, signal }: Session, databaseUrl: string, out: Output) {
  const state = await open({
    databaseUrl,
    eventStoreUrl: databaseUrl,
    projection: 'inline',
    logLevel: 'error',
  });
  const [stats, store, projector] = await Promise.all([
    state.cache.getStats(),
    state.store(),
    state.projector(),
  ]);
  const events = await store.countAfter(undefined);
  out.message(`comparing the read tables with a rebuild from all ${events} events`);
  const { equal } = await projector.verify({ signal });
  return { hitRate: stats.hitRate, events, rebuildEqualsLive: equal };
}

function show({ scenarios, hitRate, events, rebuildEqualsLive }: DemoReport): string {
  const uncachedMs = scenarios.find(scenario => scenario.name === 'uncached')?.totalMs ?? Number.NaN;
  const rows = scenarios.map(scenario => [
    scenario.name,
    duration(scenario.totalMs),
    `${(uncachedMs / scenario.totalMs).toFixed(1)} ×`,
    scenario.hits,
    scenario.misses,
    scenario.authFailures,
    scenario.failed,
  ]);
  return [
    table(['scenario', 'time', 'speed-up', 'hits', 'misses', 'refusals healed', 'failed'], rows, [
      'left',
      'right',
      'right',
      'right',
      'right',
      'right',
      'right',
    ]),
    '',
    `Hit rate ${(hitRate * 100).toFixed(1)} % over ${events} events; read tables ${
      rebuildEqualsLive ? 'equal' : 'DIFFER FROM'
    } a rebuild from the first event.`,
    '',
    'Look further:',
    '  export CONNECTOR_STATE_DATA_DIR=.data/demo',
    '  npx connector-state history demo bybit-1',
    '  npx connector-state stats',
  ].join('\n');
}
