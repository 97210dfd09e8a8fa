/**
 * Real Redis servers on loopback, out of Debian's `redis-server` (or whatever `redis-server` or `valkey-server` is on the
 * path): alone, with a replica, with TLS, or six as a cluster. Nothing is written to disk but in a temporary directory.
 * Where there is none the tests that need it are skipped, and say why; `.ci/run` installs it.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { createClient, type RedisClientType } from 'redis';

export const NO_REDIS = 'needs redis-server: apt-get install redis-server';

let found: string | undefined | null = null;

export function findRedis(): string | undefined {
  if (found === null) {
    found = ['redis-server', 'valkey-server'].find(
      name => spawnSync(name, ['--version'], { encoding: 'utf8' }).status === 0,
    );
  }
  return found;
}

export interface RedisServer {
  readonly port: number;
  readonly url: string;
  /** Nothing is answered until it goes on. */
  freeze(): void;
  goOn(): void;
  /** Ends it at once, as a power cut does. */
  kill(): Promise<void>;
  /** The same place, another process: nothing is kept. */
  restart(): Promise<void>;
  /** A client of the test's own. */
  client(): Promise<RedisClientType>;
  close(): Promise<void>;
}

/**
 * Below what systems give to connections and to who asks for any port, so that a server that is down for a moment finds its own
 * free again. A cluster's bus takes the port 10 000 above.
 */
const PORTS = { from: 10_000, to: 22_000 };

export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(PORTS.from, PORTS.to);
    const isFree = await new Promise<boolean>(resolve => {
      const server = createServer();
      server.once('error', () => resolve(false));
      server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
    });
    if (isFree) return port;
  }
}

export interface RedisOptions {
  /** More of the command line, such as `['--maxmemory', '3mb']`. */
  readonly args?: readonly string[];
  /** Put in front of the command, such as `['faketime', '-f', '+3h']`. */
  readonly under?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** How the test's own client reaches it; default: without login or TLS. */
  readonly clientOptions?: object;
}

export async function startRedis(options: RedisOptions = {}): Promise<RedisServer> {
  const binary = findRedis();
  if (!binary) throw new Error(NO_REDIS);
  const port = await freePort();
  const dir = mkdtempSync(join(tmpdir(), 'connector-state-redis-'));
  const clients: RedisClientType[] = [];
  let child: ChildProcess;

  async function start(): Promise<void> {
    const args = [
      '--port',
      String(port),
      '--bind',
      '127.0.0.1',
      '--save',
      '',
      '--dir',
      dir,
      '--loglevel',
      'warning',
    ];
    const [command, ...rest] = [...(options.under ?? []), binary as string, ...args, ...(options.args ?? [])];
    child = spawn(command as string, rest, { stdio: 'ignore', env: { ...process.env, ...options.env } });
    const endMs = performance.now() + 20_000;
    for (;;) {
      try {
        const one = await connect();
        await one.ping();
        one.destroy();
        return;
      } catch (error) {
        if (performance.now() > endMs || child.exitCode !== null) {
          child.kill('SIGKILL');
          throw error;
        }
        await pause(20);
      }
    }
  }
  async function connect(): Promise<RedisClientType> {
    const one = createClient({
      socket: { host: '127.0.0.1', port, reconnectStrategy: false },
      ...options.clientOptions,
    }) as unknown as RedisClientType;
    one.on('error', () => undefined);
    await one.connect();
    return one;
  }
  const kill = async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise(resolve => child.once('exit', resolve));
    child.kill('SIGKILL');
    await ended;
  };

  await start();
  return {
    port,
    url: `redis://127.0.0.1:${port}`,
    freeze: () => void child.kill('SIGSTOP'),
    goOn: () => void child.kill('SIGCONT'),
    kill,
    async restart() {
      await kill();
      await start();
    },
    async client() {
      const one = await connect();
      clients.push(one);
      return one;
    },
    async close() {
      for (const one of clients) if (one.isOpen) one.destroy();
      await kill();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

export interface RedisCluster {
  readonly nodes: readonly RedisServer[];
  /** By its first three nodes. */
  readonly url: string;
  close(): Promise<void>;
}

/** Three masters, each with a replica. */
export async function startRedisCluster(options: RedisOptions = {}): Promise<RedisCluster> {
  const args = [
    '--cluster-enabled',
    'yes',
    '--cluster-node-timeout',
    '1000',
    '--cluster-replica-validity-factor',
    '0',
  ];
  const nodes = await Promise.all(
    Array.from({ length: 6 }, () => startRedis({ ...options, args: [...args, ...(options.args ?? [])] })),
  );
  const addresses = nodes.map(({ port }) => `127.0.0.1:${port}`);
  const made = spawnSync(
    'redis-cli',
    ['--cluster', 'create', ...addresses, '--cluster-replicas', '1', '--cluster-yes'],
    { encoding: 'utf8', timeout: 60_000 },
  );
  if (made.status !== 0) throw new Error(`no cluster: ${made.stdout}${made.stderr}`);
  const cluster: RedisCluster = {
    nodes,
    url: `redis://${addresses.slice(0, 3).join(',')}`,
    async close() {
      await Promise.all(nodes.map(node => node.close()));
    },
  };
  return cluster;
}
