/**
 * A primary and its streaming standbys, out of the embedded server's own programs. `pg_basebackup` is not among them, and is
 * not needed: a standby is a copy of the cluster as initdb made it, before it was ever started, told to follow the primary.
 * From there on all of it is PostgreSQL's own replication.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { chmodSync, chownSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pg } from '../../src/postgres/driver.js';
import { locateBinaries } from '../../src/postgres/embedded/binaries.js';
import { freePort } from '../../src/postgres/embedded/launch.js';

const NOBODY = 65534;

export interface StreamingServer {
  readonly port: number;
  readonly url: string;
  /** Of another database of it. */
  urlOf(database: string): string;
  query<Row extends object = Record<string, unknown>>(text: string, database?: string): Promise<Row[]>;
  kill(): Promise<void>;
  start(): Promise<void>;
}

export interface Streaming {
  readonly primary: StreamingServer;
  readonly standbys: readonly StreamingServer[];
  /** Until all standbys have what the primary has now. */
  caughtUp(database: string): Promise<void>;
  close(): Promise<void>;
}

/** @param standbys what each is started by: nothing, or such as `['faketime', '-f', '+3h']` */
export async function startStreaming(standbysUnder: readonly (readonly string[])[]): Promise<Streaming> {
  const binaries = await locateBinaries();
  const directory = mkdtempSync(join(tmpdir(), 'connector-state-streaming-'));
  chmodSync(directory, 0o755);
  const isRoot = process.getuid?.() === 0;
  const as = isRoot ? { uid: NOBODY, gid: NOBODY } : {};
  if (isRoot) chownSync(directory, NOBODY, NOBODY);
  const run = (command: string, args: string[]) => {
    const { status, stderr } = spawnSync(command, args, { ...as, cwd: '/', encoding: 'utf8' });
    if (status !== 0) throw new Error(`${command}: ${stderr}`);
  };
  const made = join(directory, 'primary');
  run(binaries.initdb, ['-D', made, '-U', 'postgres', '-A', 'trust', '-N', '--no-instructions']);
  const primaryPort = await freePort();
  const copies = standbysUnder.map((_, i) => join(directory, `standby-${i}`));
  for (const copy of copies) {
    run('cp', ['-a', made, copy]);
    const from = `primary_conninfo = 'host=127.0.0.1 port=${primaryPort} user=postgres'\n`;
    writeFileSync(join(copy, 'postgresql.auto.conf'), from);
    writeFileSync(join(copy, 'standby.signal'), '');
  }

  const server = (data: string, port: number, before: readonly string[]): StreamingServer => {
    let child: ChildProcess | undefined;
    const urlOf = (database: string) => `postgres://postgres@127.0.0.1:${port}/${database}`;
    const query = async <Row extends object>(text: string, database = 'postgres') => {
      const client = new pg.Client({ connectionString: urlOf(database), application_name: 'test' });
      client.on('error', () => undefined);
      await client.connect();
      try {
        return (await client.query<Row>(text)).rows;
      } finally {
        await client.end();
      }
    };
    return {
      port,
      url: urlOf('postgres'),
      urlOf,
      query,
      async kill() {
        if (!child || child.exitCode !== null || child.signalCode !== null) return;
        const ended = new Promise(resolve => child?.once('exit', resolve));
        // Its children leave when they find it gone; SIGQUIT tells them.
        child.kill('SIGQUIT');
        await ended;
      },
      async start() {
        const settings = ['listen_addresses=127.0.0.1', 'unix_socket_directories=', 'fsync=off'];
        const [command, ...args] = [
          ...before,
          binaries.postgres,
          '-D',
          data,
          '-p',
          String(port),
          ...[...settings, 'wal_receiver_status_interval=1', 'wal_retrieve_retry_interval=100'].flatMap(s => [
            '-c',
            s,
          ]),
        ];
        child = spawn(command as string, args, { ...as, cwd: '/', stdio: 'ignore' });
        for (const endMs = performance.now() + 60_000; ; await sleep(50)) {
          try {
            await query('SELECT 1');
            return;
          } catch (error) {
            if (performance.now() > endMs || child.exitCode !== null) throw error;
          }
        }
      },
    };
  };
  const primary = server(made, primaryPort, []);
  const standbys = await Promise.all(
    copies.map(async (copy, i) => server(copy, await freePort(), standbysUnder[i] ?? [])),
  );
  const all = [primary, ...standbys];
  const close = async () => {
    await Promise.all(all.map(one => one.kill()));
    rmSync(directory, { recursive: true, force: true });
  };
  try {
    await primary.start();
    await Promise.all(standbys.map(one => one.start()));
  } catch (error) {
    await close();
    throw error;
  }
  return {
    primary,
    standbys,
    async caughtUp(database) {
      const [at] = await primary.query<{ lsn: string }>(
        'SELECT pg_current_wal_insert_lsn()::text AS lsn',
        database,
      );
      const behind = `SELECT pg_last_wal_replay_lsn() < '${at?.lsn}'::pg_lsn AS behind`;
      const endMs = performance.now() + 30_000;
      for (const standby of standbys) {
        while ((await standby.query<{ behind: boolean }>(behind))[0]?.behind !== false) {
          if (performance.now() > endMs) throw new Error('a standby does not catch up');
          await sleep(10);
        }
      }
    },
    close,
  };
}
