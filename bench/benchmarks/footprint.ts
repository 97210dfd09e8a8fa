/** What a cold function pays before it does anything: loading the code, and the memory it then holds. */
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import { EXCHANGES } from '../../src/events/connector.js';
import { demoAccount, startExchangeSimulator } from '../../src/exchanges/simulator/index.js';
import type { Bench, Benchmark } from '../benchmark.js';
import type { InitialiseAnswer, InitialiseTask } from '../programs/initialise.js';
import { against, type Figure, type Finding } from '../report.js';
import { runProgram } from '../run-program.js';
import { median } from '../statistics.js';

const MAX_IMPORT_MS = 60;
const MAX_RESIDENT_MB = 120;

export const footprint: Benchmark = {
  name: 'footprint',
  title: 'Import and memory: a new process each time',
  run: bench => bench.server.withDatabase('footprint', databaseUrl => measure(bench, databaseUrl)),
};

async function measure(bench: Bench, databaseUrl: string): Promise<Finding> {
  return {
    figures: [...(await importFigures(bench)), ...(await memoryFigures(bench, databaseUrl))],
    notes: [
      'Imports are timed inside the process, after Node itself has started. The subpaths load the core and one',
      "exchange's SDK. Memory is what the system counts as resident: ready = the connector can sign, peak = the",
      'highest of the process, after facts were stored and projected in the same process.',
    ],
  };
}

async function importFigures({ signal, isQuick, progress }: Bench): Promise<Figure[]> {
  const modules = {
    'connector-state': new URL('../../src/index.js', import.meta.url).href,
    'connector-state/bybit': new URL('../../src/bybit.js', import.meta.url).href,
    'connector-state/bingx': new URL('../../src/bingx.js', import.meta.url).href,
    pg: packageUrl('pg'),
    typeorm: packageUrl('typeorm'),
  };
  type Name = keyof typeof modules;
  const names = Object.keys(modules) as Name[];
  const times = Object.fromEntries(names.map(name => [name, [] as number[]])) as Record<Name, number[]>;
  const runs = isQuick ? 3 : 31;
  // Round by round, so that a noisy minute hits all alike.
  for (let run = 1; run <= runs; run++) {
    progress(`imports, round ${run} of ${runs}`);
    for (const name of names) {
      const { importMs } = await runProgram<{ importMs: number }>(
        'import',
        { specifier: modules[name] },
        { signal },
      );
      times[name].push(importMs);
    }
  }
  const figure = (name: Name, peer: Name): Figure => ({
    name: `import ${name}`,
    value: median(times[name]),
    unit: 'ms',
    ...against(`import ${peer}`, median(times[peer]), median(times[name])),
  });
  return [
    {
      ...figure('connector-state', 'pg'),
      limit: { on: 'value', kind: 'at most', value: MAX_IMPORT_MS },
    },
    figure('connector-state/bybit', 'typeorm'),
    figure('connector-state/bingx', 'typeorm'),
  ];
}

async function memoryFigures({ signal, isQuick, progress }: Bench, databaseUrl: string): Promise<Figure[]> {
  const simulator = await startExchangeSimulator({
    knobs: { latencyMs: { time: 5, verify: 5, funding: 5 } },
  });
  try {
    const figures: Figure[] = [];
    const runs = isQuick ? 2 : 9;
    for (const exchange of EXCHANGES) {
      const answers: InitialiseAnswer[] = [];
      for (let run = 1; run <= runs; run++) {
        progress(`memory, ${exchange} ${run} of ${runs}`);
        const task: InitialiseTask = {
          exchange,
          withState: true,
          databaseUrl,
          baseUrl: exchange === 'BYBIT' ? simulator.bybitUrl : simulator.bingxUrl,
          credentials: demoAccount(1),
        };
        answers.push(await runProgram<InitialiseAnswer>('initialise', task, { signal }));
      }
      const limit = { on: 'value', kind: 'at most', value: MAX_RESIDENT_MB } as const;
      figures.push(
        {
          name: `${exchange} resident, ready`,
          value: median(answers.map(a => a.readyMb)),
          unit: 'MB',
          limit,
        },
        {
          name: `${exchange} resident, flushed`,
          value: median(answers.map(a => a.flushedMb)),
          unit: 'MB',
          limit,
        },
        { name: `${exchange} resident, peak`, value: median(answers.map(a => a.peakMb)), unit: 'MB', limit },
      );
    }
    return figures;
  } finally {
    await simulator.close();
  }
}

const packageUrl = (name: string): string => pathToFileURL(createRequire(import.meta.url).resolve(name)).href;
