/** Lookups: from PostgreSQL against the bare statement, and from memory. */
import type { Bench, Benchmark } from '../benchmark.js';
import type { LookupsAnswer, LookupsTask } from '../programs/lookups.js';
import type { MemoryTierAnswer, MemoryTierTask } from '../programs/memory-tier.js';
import { against, type Figure, type Finding } from '../report.js';
import { runProgram } from '../run-program.js';
import { fillStates } from '../states.js';

const POOL_SIZE = 10;

export const lookup: Benchmark = {
  name: 'lookup',
  title: 'Lookups: cache.get() among 1 000 000 connectors, uniformly random, pool of 10',
  run: bench => bench.server.withDatabase('lookup', databaseUrl => measure(bench, databaseUrl)),
};

async function measure({ signal, isQuick, progress }: Bench, databaseUrl: string): Promise<Finding> {
  const rows = isQuick ? 20_000 : 1_000_000;
  progress(`making ${rows} states`);
  await fillStates(databaseUrl, rows);
  signal.throwIfAborted();

  progress('from PostgreSQL');
  const lookups: LookupsTask = {
    databaseUrl,
    rows,
    poolSize: POOL_SIZE,
    concurrencies: [1, POOL_SIZE, 64],
    rounds: isQuick ? 3 : 21,
    roundMs: isQuick ? 200 : 1_000,
  };
  const { byConcurrency } = await runProgram<LookupsAnswer>('lookups', lookups, { signal });

  const fromMemory: Figure[] = [];
  let nothingUs = 0;
  for (const connectors of [20, 1_000, 10_000]) {
    progress(`from memory, ${connectors} connectors`);
    const task: MemoryTierTask = {
      databaseUrl,
      connectors,
      rounds: isQuick ? 3 : 21,
      callsPerRound: isQuick ? 20_000 : 300_000,
    };
    const { getUs, lruUs, awaitUs } = await runProgram<MemoryTierAnswer>('memory-tier', task, { signal });
    nothingUs = awaitUs;
    fromMemory.push({
      name: `get() from memory, ${connectors.toLocaleString('en-US')} connectors`,
      value: getUs,
      unit: 'µs',
      ...against('awaited lru-cache', lruUs, getUs),
      // Beyond that it is the processor's caches that miss, not ours.
      ...(connectors <= 1_000 && { limit: { on: 'value', kind: 'at most', value: 2 } }),
    });
  }

  const rates = byConcurrency.flatMap(({ concurrency, cache, bare, ratio }): Figure[] => {
    const callers = concurrency === 1 ? '1 caller' : `${concurrency} callers`;
    return [
      {
        name: `get(), ${callers}`,
        value: cache.perSecond,
        unit: '/s',
        peer: { name: 'bare pg', value: bare.perSecond },
        ratio,
        // What is promised is a pool at work; one caller alone shows what get() itself costs.
        ...(concurrency >= POOL_SIZE && { limit: { on: 'ratio', kind: 'at least', value: 0.9 } }),
      },
      {
        name: `get(), ${callers}, p50`,
        value: cache.p50Ms,
        unit: 'ms',
        ...against('bare pg', bare.p50Ms, cache.p50Ms),
      },
      {
        name: `get(), ${callers}, p99`,
        value: cache.p99Ms,
        unit: 'ms',
        ...against('bare pg', bare.p99Ms, cache.p99Ms),
      },
    ];
  });
  return {
    figures: [...rates, ...fromMemory],
    notes: [
      'Bare pg runs the very statement of get(), named, over its own pool of 10; ratios of rates are medians over',
      'paired rounds. Callers that ask in the same turn share one query through get(), which is where more than',
      `1.00 comes from. An awaited call that does nothing takes ${nothingUs.toFixed(2)} µs in the loop of the memory figures.`,
    ],
  };
}
