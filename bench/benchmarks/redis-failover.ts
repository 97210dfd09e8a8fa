/** The shared tier when a master dies: from the moment there is a new one until all states come from Redis again. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { createClient } from 'redis';
import { createConnectorState } from '../../src/index.js';
import type { Bench, Benchmark } from '../benchmark.js';
import type { Finding } from '../report.js';
import { connectorOf, fillClocks, fillStates } from '../states.js';

const FIRST_PORT = 21_379;
const STATES = 60;
const GIVE_UP_MS = 30_000;

export const redisFailover: Benchmark = {
  name: 'redis-failover',
  title: 'The shared tier: hits back after a master has died',
  run: bench => bench.server.withDatabase('failover', databaseUrl => measure(bench, databaseUrl)),
};

/** Servers that stand ready, and who of them is to die. */
interface Stand {
  readonly redisUrl: string;
  readonly victim: ChildProcess;
  /** Whether the place of the dead one is known to be taken. */
  isReplaced(): Promise<boolean>;
}

type Start = (port: number, ...args: string[]) => ChildProcess;

async function measure({ isQuick, progress }: Bench, databaseUrl: string): Promise<Finding> {
  if (spawnSync('redis-server', ['--version']).status !== 0) {
    return { figures: [], notes: ['needs redis-server on the path: apt-get install redis-server'] };
  }
  await fillStates(databaseUrl, STATES);
  await fillClocks(databaseUrl);
  const rounds = isQuick ? 1 : 3;
  const figures = [];
  for (const [kind, make] of [
    ['Sentinel has named another', sentinel],
    ['a Cluster has another', cluster],
  ] as const) {
    const took: number[] = [];
    for (let n = 0; n < rounds; n++) {
      progress(`hits back once ${kind}: round ${n + 1} of ${rounds}`);
      took.push(await round(databaseUrl, make));
    }
    const value = Math.max(...took);
    figures.push({
      name: `hits back once ${kind}, slowest of ${rounds}`,
      value,
      unit: 'ms',
      limit: { on: 'value', kind: 'at most', value: 1_000 },
    } as const);
  }
  return { figures, notes: ['Every lookup meanwhile was answered, or it would have failed.'] };
}

async function round(
  databaseUrl: string,
  make: (start: Start, directory: string) => Promise<Stand>,
): Promise<number> {
  const directory = mkdtempSync(join(tmpdir(), 'connector-state-failover-'));
  const servers: ChildProcess[] = [];
  const start: Start = (port, ...args) => {
    const fixed = ['--port', `${port}`, '--bind', '127.0.0.1', '--save', '', '--dir', directory];
    const server = spawn('redis-server', args[0]?.endsWith('.conf') ? args : [...fixed, ...args], {
      stdio: 'ignore',
    });
    servers.push(server);
    return server;
  };
  try {
    const { redisUrl, victim, isReplaced } = await make(start, directory);
    const state = await createConnectorState({
      databaseUrl,
      redisUrl,
      memoryEntries: 0,
      logLevel: 'silent',
      projection: 'worker',
      // The deadline of a lookup is not what is measured.
      lookupDeadlineMs: 2_000,
      redisDeadlineMs: 50,
    });
    const refs = Array.from({ length: STATES }, (_, n) => connectorOf(n));
    const areAllOfRedis = async () => {
      const found = await Promise.all(refs.map(ref => state.cache.get(ref)));
      const missed = found.find(({ hit }) => !hit);
      if (missed) throw new Error(`a lookup was not answered: ${JSON.stringify(missed)}`);
      return found.every(each => each.hit && each.tier === 'redis');
    };
    await until(areAllOfRedis, 10);
    victim.kill('SIGKILL');
    let replacedAtMs = 0;
    const replaced = until(isReplaced, 5).then(() => {
      replacedAtMs = performance.now();
    });
    await until(async () => (await areAllOfRedis()) && replacedAtMs > 0, 10);
    const tookMs = performance.now() - replacedAtMs;
    await replaced;
    await state.close();
    return tookMs;
  } finally {
    for (const server of servers) server.kill('SIGKILL');
    rmSync(directory, { recursive: true, force: true });
  }
}

async function sentinel(start: Start, directory: string): Promise<Stand> {
  const [master, replica, port] = [FIRST_PORT, FIRST_PORT + 1, FIRST_PORT + 2];
  const victim = start(master);
  await until(() => says(master, /^PONG/, 'PING'), 50);
  start(replica, '--replicaof', '127.0.0.1', `${master}`);
  await until(() => says(replica, /master_link_status:up/, 'INFO', 'replication'), 50);
  const file = join(directory, 'sentinel.conf');
  const watch = [
    `sentinel monitor mymaster 127.0.0.1 ${master} 1`,
    'sentinel down-after-milliseconds mymaster 1000',
    'sentinel failover-timeout mymaster 5000',
  ];
  writeFileSync(file, [`port ${port}`, 'bind 127.0.0.1', `dir ${directory}`, ...watch, ''].join('\n'));
  start(port, file, '--sentinel');
  await until(() => says(port, new RegExp(`${replica}`), 'SENTINEL', 'REPLICAS', 'mymaster'), 50);
  return {
    redisUrl: `redis+sentinel://127.0.0.1:${port}/mymaster`,
    victim,
    isReplaced: () => says(port, new RegExp(`${replica}`), 'SENTINEL', 'GET-MASTER-ADDR-BY-NAME', 'mymaster'),
  };
}

async function cluster(start: Start): Promise<Stand> {
  const ports = [3, 4, 5, 6, 7, 8].map(n => FIRST_PORT + n);
  const servers = ports.map(port =>
    start(
      port,
      ...['--cluster-enabled', 'yes', '--cluster-config-file', `nodes-${port}`],
      ...['--cluster-node-timeout', '1000', '--cluster-replica-validity-factor', '0'],
    ),
  );
  for (const port of ports) await until(() => says(port, /^PONG/, 'PING'), 50);
  const addresses = ports.map(port => `127.0.0.1:${port}`);
  const made = spawnSync(
    'redis-cli',
    ['--cluster', 'create', ...addresses, '--cluster-replicas', '1', '--cluster-yes'],
    { encoding: 'utf8' },
  );
  if (made.status !== 0) throw new Error(`no cluster: ${made.stdout}`);
  for (const port of ports.slice(3))
    await until(() => says(port, /master_link_status:up/, 'INFO', 'replication'), 50);
  return {
    redisUrl: `redis://${addresses.slice(0, 3).join(',')}`,
    victim: servers[0] as ChildProcess,
    async isReplaced() {
      const are = ports.slice(3).map(port => says(port, /role:master/, 'INFO', 'replication'));
      return (await Promise.all(are)).some(Boolean);
    },
  };
}

/** Whether a server answers so; one that does not answer does not. */
async function says(port: number, what: RegExp, ...command: string[]): Promise<boolean> {
  const client = createClient({
    RESP: 2,
    disableClientInfo: true,
    socket: { host: '127.0.0.1', port, reconnectStrategy: false },
  });
  client.on('error', () => undefined);
  try {
    await client.connect();
    return what.test([await client.sendCommand(command)].flat(2).join(' '));
  } catch {
    return false;
  } finally {
    if (client.isOpen) client.destroy();
  }
}

async function until(holds: () => Promise<boolean>, everyMs: number): Promise<void> {
  const endMs = performance.now() + GIVE_UP_MS;
  while (!(await holds())) {
    if (performance.now() > endMs) throw new Error('waited in vain for half a minute');
    await pause(everyMs);
  }
}
