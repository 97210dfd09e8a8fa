/**
 * A real PgBouncer in front of the test server, out of Debian's package: unpacked, not installed, into a temporary
 * directory, so that it takes no root and leaves nothing. Where there is no such package the tests that need it are
 * skipped, and say why.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pg } from '../../src/postgres/driver.js';

const PACKAGES = ['pgbouncer', 'libevent-2.1-7', 'libc-ares2'];
const NOBODY = 65534;

export interface PgBouncer {
  /** The URL given, by way of the pooler. */
  through(url: string): string;
  close(): Promise<void>;
}

let unpacked: string | undefined | null = null;

/** @returns where the package lies unpacked; `undefined` where it cannot be had */
export function findPgBouncer(): string | undefined {
  if (unpacked === null) unpacked = unpack();
  return unpacked;
}

/** Kept between runs; two runs at once each make their own and the last one's stays. */
function unpack(): string | undefined {
  const kept = join(tmpdir(), 'connector-state-pgbouncer');
  if (existsSync(join(kept, 'usr/sbin/pgbouncer'))) return kept;
  const draft = mkdtempSync(`${kept}-`);
  chmodSync(draft, 0o755);
  const debs = join(draft, 'debs');
  mkdirSync(debs);
  const run = (command: string, args: string[]) =>
    spawnSync(command, args, { cwd: debs, encoding: 'utf8', timeout: 60_000 }).status === 0;
  const download = () => run('apt-get', ['download', '-qq', ...PACKAGES]);
  const isThere =
    (download() || (run('apt-get', ['update', '-qq']) && download())) &&
    run('sh', ['-c', 'for deb in *.deb; do dpkg -x "$deb" ..; done']);
  if (!isThere || !existsSync(join(draft, 'usr/sbin/pgbouncer'))) {
    rmSync(draft, { recursive: true, force: true });
    return undefined;
  }
  rmSync(debs, { recursive: true });
  try {
    renameSync(draft, kept);
    return kept;
  } catch {
    return draft;
  }
}

/** Debian 12's is 1.18, which knows nothing of prepared statements. */
export async function startPgBouncer(
  serverUrl: string,
  settings: Record<string, string> = {},
): Promise<PgBouncer> {
  const place = findPgBouncer();
  if (!place) throw new Error('PgBouncer cannot be had: look with findPgBouncer() first');
  const server = new URL(serverUrl);
  const directory = mkdtempSync(join(tmpdir(), 'connector-state-pgbouncer-run-'));
  const port = await freePort();
  const password = decodeURIComponent(server.password);
  writeFileSync(join(directory, 'users.txt'), `"${server.username}" "${password}"\n`);
  const all = {
    listen_addr: '127.0.0.1',
    listen_port: String(port),
    unix_socket_dir: '',
    auth_type: 'plain',
    auth_file: join(directory, 'users.txt'),
    pool_mode: 'transaction',
    default_pool_size: '3',
    ...settings,
  };
  const lines = Object.entries(all).map(([name, value]) => `${name} = ${value}`);
  const databases = `* = host=${server.hostname} port=${server.port} user=${server.username} password='${password}'`;
  writeFileSync(
    join(directory, 'config.ini'),
    `[databases]\n${databases}\n[pgbouncer]\n${lines.join('\n')}\n`,
  );
  const child = launch(place, directory);
  const through = (url: string) => {
    const pooled = new URL(url);
    pooled.hostname = '127.0.0.1';
    pooled.port = String(port);
    return pooled.href;
  };
  await answering(through(serverUrl), child);
  return {
    through,
    async close() {
      const ended = new Promise(resolve => child.once('exit', resolve));
      child.kill('SIGKILL');
      await ended;
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** A pooler keeps its connections; a database must have none to be dropped. */
export async function letGo(databaseUrl: string): Promise<void> {
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  await client.query(
    `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
      WHERE datname = current_database() AND pid <> pg_backend_pid()`,
  );
  await client.end();
}

/** It refuses to run as root. */
function launch(place: string, directory: string): ChildProcess {
  const isRoot = process.getuid?.() === 0;
  chmodSync(directory, 0o755);
  return spawn(join(place, 'usr/sbin/pgbouncer'), ['-q', join(directory, 'config.ini')], {
    cwd: '/',
    env: { LD_LIBRARY_PATH: `${place}/usr/lib/${arch()}-linux-gnu` },
    stdio: ['ignore', 'ignore', 'ignore'],
    ...(isRoot && { uid: NOBODY, gid: NOBODY }),
  });
}

const arch = () => (process.arch === 'arm64' ? 'aarch64' : 'x86_64');

async function answering(url: string, child: ChildProcess): Promise<void> {
  for (let attempt = 0; attempt < 200; attempt++) {
    if (child.exitCode !== null) throw new Error(`PgBouncer ended with ${child.exitCode}`);
    const client = new pg.Client({ connectionString: url });
    client.on('error', () => undefined);
    try {
      await client.connect();
      await client.end();
      return;
    } catch {
      await sleep(25);
    }
  }
  throw new Error('PgBouncer does not answer');
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}
