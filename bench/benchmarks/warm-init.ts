/**
 * A warm init in a new process: what connector-state adds to the one call to the exchange that cannot be
 * avoided. Lookup, the first connection to the exchange and the first signed call are inside. What comes before is
 * shown beside it, for time can be moved there: loading the code, and opening the state, which rehearses the call.
 */
import { EXCHANGES, type Exchange } from '../../src/events/connector.js';
import { demoAccount, startExchangeSimulator } from '../../src/exchanges/simulator/index.js';
import type { Bench, Benchmark } from '../benchmark.js';
import type { InitialiseAnswer, InitialiseTask } from '../programs/initialise.js';
import { against, type Figure, type Finding } from '../report.js';
import { runProgram } from '../run-program.js';
import { median } from '../statistics.js';

const VERIFY_MS = 200;

export const warmInit: Benchmark = {
  name: 'warm-init',
  title: `Warm init: a new process each time, loopback database, the exchange takes ${VERIFY_MS} ms to verify`,
  run: bench => bench.server.withDatabase('init', databaseUrl => measure(bench, databaseUrl)),
};

async function measure({ signal, isQuick, progress }: Bench, databaseUrl: string): Promise<Finding> {
  const simulator = await startExchangeSimulator({
    knobs: { latencyMs: { time: 5, verify: VERIFY_MS, funding: 5 } },
  });
  try {
    const figures: Figure[] = [];
    const runs = isQuick ? 2 : 21;
    for (const exchange of EXCHANGES) {
      const start = (withState: boolean) => {
        const task: InitialiseTask = {
          exchange,
          withState,
          databaseUrl,
          baseUrl: exchange === 'BYBIT' ? simulator.bybitUrl : simulator.bingxUrl,
          credentials: demoAccount(1),
        };
        return runProgram<InitialiseAnswer>('initialise', task, { signal });
      };
      // The first one measures the clock and stores the state that all others find.
      await start(true);
      const warm: InitialiseAnswer[] = [];
      const bare: InitialiseAnswer[] = [];
      for (let run = 1; run <= runs; run++) {
        progress(`${exchange}, process ${run} of ${runs}`);
        warm.push(await start(true));
        bare.push(await start(false));
      }
      const fromElsewhere = warm.filter(({ tier }) => tier !== 'postgres').length;
      if (fromElsewhere > 0) throw new Error(`${fromElsewhere} of ${runs} inits did not find their state`);
      figures.push(...figuresOf(exchange, warm, bare));
    }
    return {
      figures,
      notes: [
        '"added" = initialize() minus the median of bare signed calls on an open connection in the same process.',
        '"without state" is the same first signed call in a new process, made by the adapter alone with a clock',
        "that happens to be right. It is what the SDK's and the connection's first use costs where nothing rehearsed",
        'it: createConnectorState() does, beside the connecting of the database, and its time is shown too.',
      ],
    };
  } finally {
    await simulator.close();
  }
}

function figuresOf(exchange: Exchange, warm: InitialiseAnswer[], bare: InitialiseAnswer[]): Figure[] {
  const of = (runs: InitialiseAnswer[], value: (run: InitialiseAnswer) => number) => median(runs.map(value));
  const added = (run: InitialiseAnswer) => run.initMs - run.verifyMs;
  const initMs = of(warm, run => run.initMs);
  return [
    {
      name: `${exchange} initialize()`,
      value: initMs,
      unit: 'ms',
      ...against(
        'bare verify',
        of(warm, run => run.verifyMs),
        initMs,
      ),
    },
    {
      name: `${exchange} added to the bare verify`,
      value: of(warm, added),
      unit: 'ms',
      ...against('without state', of(bare, added), of(warm, added)),
      limit: { on: 'value', kind: 'at most', value: 10 },
    },
    {
      name: `${exchange} first request of a warmed process`,
      value: of(warm, run => run.warmedMs ?? Number.NaN),
      unit: 'ms',
      peer: { name: 'bare verify', value: of(warm, run => run.verifyMs) },
      ratio: of(warm, run => (run.warmedMs ?? Number.NaN) / run.verifyMs),
      limit: { on: 'ratio', kind: 'at most', value: 1.05 },
    },
    {
      name: `${exchange} first request of one that was not`,
      value: of(warm, run => run.openMs + run.initMs),
      unit: 'ms',
      peer: { name: 'bare verify', value: of(warm, run => run.verifyMs) },
      ratio: of(warm, run => (run.openMs + run.initMs) / run.verifyMs),
    },
    {
      name: `${exchange} processor time of initialize()`,
      value: of(warm, run => run.initCpuMs),
      unit: 'ms',
      ...against(
        'without state',
        of(bare, run => run.initCpuMs),
        of(warm, run => run.initCpuMs),
      ),
    },
    { name: `${exchange} createConnectorState()`, value: of(warm, run => run.openMs), unit: 'ms' },
    {
      name: `${exchange} processor time of createConnectorState()`,
      value: of(warm, run => run.openCpuMs),
      unit: 'ms',
    },
    {
      name: `${exchange} start of process to initialize()`,
      value: of(warm, run => run.loadedMs + run.openMs),
      unit: 'ms',
    },
    {
      name: `${exchange} start of process to code loaded`,
      value: of(warm, run => run.loadedMs),
      unit: 'ms',
      ...against(
        'adapter alone',
        of(bare, run => run.loadedMs),
        of(warm, run => run.loadedMs),
      ),
    },
  ];
}
