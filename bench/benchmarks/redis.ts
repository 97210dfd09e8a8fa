/** The shared tier: lookups through Redis against a bare client, other caches' Redis tiers, and PostgreSQL. */
import { spawn, spawnSync } from 'node:child_process';
import type { Bench, Benchmark } from '../benchmark.js';
import { fillDrift } from '../drift-samples.js';
import type { BreakEvenAnswer, BreakEvenPoint, BreakEvenTask } from '../programs/break-even.js';
import type { RedisAnswer, RedisTask } from '../programs/redis.js';
import type { Figure, Finding } from '../report.js';
import { runProgram } from '../run-program.js';
import { fillClocks, fillStates } from '../states.js';

const PORT = 56_379;

export const redis: Benchmark = {
  name: 'redis',
  title: 'The shared tier: cache.get() through Redis, memory off',
  run: bench => bench.server.withDatabase('redis', databaseUrl => measure(bench, databaseUrl)),
};

async function measure({ signal, isQuick, progress }: Bench, databaseUrl: string): Promise<Finding> {
  if (spawnSync('redis-server', ['--version']).status !== 0) {
    return { figures: [], notes: ['needs redis-server on the path: apt-get install redis-server'] };
  }
  const rows = isQuick ? 5_000 : 100_000;
  progress(`making ${rows} states`);
  await fillStates(databaseUrl, rows);
  await fillClocks(databaseUrl);
  const server = spawn('redis-server', ['--port', String(PORT), '--bind', '127.0.0.1', '--save', ''], {
    stdio: 'ignore',
  });
  try {
    progress('looking up');
    const task: RedisTask = {
      databaseUrl,
      redisUrl: `redis://127.0.0.1:${PORT}`,
      rows,
      rounds: isQuick ? 3 : 15,
      roundMs: isQuick ? 200 : 1_000,
    };
    const single = toFinding(await runProgram<RedisAnswer>('redis', task, { signal }));
    await fillDrift(databaseUrl, isQuick ? 100_000 : 5_000_000, progress);
    progress('where it pays');
    const steady: BreakEvenTask = {
      databaseUrl,
      redisUrl: task.redisUrl,
      rows: 5_000,
      rates: [1, 100, 1_000, 10_000],
      secondsEach: isQuick ? 1 : 5,
      analysts: 2,
    };
    const { points } = await runProgram<BreakEvenAnswer>('break-even', steady, { signal });
    return {
      figures: [...single.figures, ...points.map(toFigure)],
      notes: [...(single.notes ?? []), ...points.map(inWords)],
    };
  } finally {
    server.kill();
  }
}

function toFinding({ callers, thousandMs, bytesPerState }: RedisAnswer): Finding {
  const figures = callers.flatMap(({ callers: count, rates }): Figure[] => {
    const { ours = 0, ...others } = rates;
    const who = count === 1 ? '1 caller' : `${count} callers`;
    return Object.entries(others).map(
      ([peer, rate]): Figure => ({
        name: `get() through Redis, ${who}, against ${peer}`,
        value: ours,
        unit: '/s',
        peer: { name: peer, value: rate },
        ratio: ours / rate,
        ...limitOf(peer, count),
      }),
    );
  });
  return {
    figures: [
      ...figures,
      {
        name: 'getMany() of 1000',
        value: thousandMs.ours,
        unit: 'ms',
        peer: { name: 'bare MGET', value: thousandMs.mget },
        ratio: thousandMs.ratio,
        limit: { on: 'ratio', kind: 'at most', value: 1.5 },
      },
      {
        name: 'memory of Redis a state',
        value: bytesPerState,
        unit: 'bytes',
        limit: { on: 'value', kind: 'at most', value: 200 },
      },
    ],
    notes: [
      'Every contender answers from a real Redis on loopback, its own memory tier off. Peers read 1000 keys of theirs.',
    ],
  };
}

const whenOf = ({ tier, perSecond, isBesideAnalyses }: BreakEvenPoint) =>
  `${perSecond} lookups/s from ${tier}${isBesideAnalyses ? ', beside analyses' : ''}`;

const toFigure = (point: BreakEvenPoint): Figure => ({
  name: `${whenOf(point)}, p99`,
  value: point.p99Ms,
  unit: 'ms',
});

function inWords(point: BreakEvenPoint): string {
  const { p50Ms, askerUs, serverUs } = point;
  const server =
    serverUs === undefined || point.isBesideAnalyses ? '' : `, the server's ${serverUs.toFixed(0)} µs`;
  return `${whenOf(point)}: p50 ${p50Ms.toFixed(2)} ms; processor time a lookup ${askerUs.toFixed(0)} µs${server}.`;
}

function limitOf(peer: string, count: number): Pick<Figure, 'limit'> {
  if (peer === 'bare' && count === 1) return { limit: { on: 'ratio', kind: 'at least', value: 0.8 } };
  if ((peer === 'bentocache' || peer === 'cacheable') && count === 64) {
    return { limit: { on: 'ratio', kind: 'at least', value: 3 } };
  }
  return {};
}
