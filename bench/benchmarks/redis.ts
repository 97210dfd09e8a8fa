/** The shared tier: lookups through Redis against a bare client, other caches' Redis tiers, and PostgreSQL. */
import { spawn, spawnSync } from 'node:child_process';
import type { Bench, Benchmark } from '../benchmark.js';
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
    return toFinding(await runProgram<RedisAnswer>('redis', task, { signal }));
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

function limitOf(peer: string, count: number): Pick<Figure, 'limit'> {
  if (peer === 'bare' && count === 1) return { limit: { on: 'ratio', kind: 'at least', value: 0.8 } };
  if ((peer === 'bentocache' || peer === 'cacheable') && count === 64) {
    return { limit: { on: 'ratio', kind: 'at least', value: 3 } };
  }
  return {};
}
