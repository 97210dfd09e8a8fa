/**
 * Starts the server over a whole data directory, with pg_ctl.
 *
 * pg_ctl puts the server into a session of its own, so a Ctrl-C in the terminal reaches our process and not
 * the server under it. PostgreSQL's own interlock (`postmaster.pid`) decides between two that start at once;
 * the one that loses is told so and looks again.
 */
import { readFileSync, renameSync, statSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { SUPERUSER } from './cluster.js';
import { run } from './command.js';
import { embeddedError, quote } from './embedded-error.js';
import type { Site } from './site.js';

/**
 * - `started`
 * - `already-running`: another process was faster
 * - `ended-again`: it started, and another process joined it and stopped it before pg_ctl looked
 * - `port-taken`: somebody took the port between our choice and the server's
 * - `lingering`: a killed server's last children still hold its shared memory
 */
export type LaunchOutcome = 'started' | 'already-running' | 'ended-again' | 'port-taken' | 'lingering';

const START_TIMEOUT_S = 60;
const LOG_LIMIT_BYTES = 1_000_000;

/** Said by the server that finds another's pid file, and by pg_ctl that finds one about to be written. */
const LOST_THE_RACE =
  /lock file "postmaster.pid" (already exists|is empty)|PID file .* is empty|invalid data in PID file/;

/** @throws EMBEDDED_DATABASE_FAILED when the server does not come up for any other reason */
export async function launch(site: Site, choosePort: () => Promise<number>): Promise<LaunchOutcome> {
  const log = join(site.dataDir, 'server.log');
  const logStart = rotate(log);
  const port = await choosePort();
  const args = ['start', '-w', '-t', String(START_TIMEOUT_S), '-s'];
  const { code, output, startError } = await run(
    site.binaries.pgCtl,
    [...args, '-D', site.dataDir, '-l', log, '-o', serverOptions(port, site.durable)],
    { as: site.user },
  );
  if (code === 0) return 'started';
  const said = startError?.message ?? `${output}\n${readFrom(log, logStart)}`;
  if (LOST_THE_RACE.test(said)) return 'already-running';
  if (/ready to accept connections[\s\S]*database system is shut down/.test(said)) return 'ended-again';
  if (/Address already in use/.test(said)) return 'port-taken';
  if (/is still in use/.test(said)) return 'lingering';
  throw explainLaunch(said, site.dataDir);
}

/** Exported for its tests: a full disk is not at hand in one. */
export function explainLaunch(said: string, dataDir: string): Error {
  if (/No space left on device|Disk quota exceeded/.test(said)) {
    return embeddedError(`the disk under ${dataDir} is full (${quote(said)})`, 'free some space there');
  }
  return embeddedError(
    `the server over ${dataDir} does not start (${quote(said)})`,
    `read ${join(dataDir, 'server.log')}, move the directory away to start afresh`,
  );
}

/**
 * Loopback only and no Unix socket: who wants in needs the password. Sized for a laptop or a small container, on which
 * many processes with a pool each may run: a connection that is not made costs some kilobytes. `jit` costs more than it
 * gives on lookups of one row.
 */
function serverOptions(port: number, durable: boolean): string {
  const settings = {
    listen_addresses: '127.0.0.1',
    unix_socket_directories: "''",
    shared_buffers: '128MB',
    max_connections: '300',
    jit: 'off',
    timezone: 'UTC',
    log_timezone: 'UTC',
    ...(durable ? {} : { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off' }),
  };
  const flags = Object.entries(settings).map(([name, value]) => `-c ${name}=${value}`);
  return [`-p ${port}`, ...flags].join(' ');
}

/** Gives the server's role the password again, in single-user mode: the server must not be running. */
export async function resetPassword(site: Site, password: string): Promise<void> {
  const { code, output, startError } = await run(
    site.binaries.postgres,
    ['--single', '-D', site.dataDir, '-c', 'log_min_error_statement=panic', 'postgres'],
    { as: site.user, input: `ALTER ROLE ${SUPERUSER} PASSWORD '${password}'\n` },
  );
  if (code === 0) return;
  throw embeddedError(
    `the password of the server over ${site.dataDir} cannot be set (${quote(startError?.message ?? output)})`,
    'move the directory away to start afresh',
  );
}

/** A port of the loopback interface that was free a moment ago. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}

/** Keeps one old log. @returns where this run's part of the log will begin */
function rotate(log: string): number {
  const size = statSync(log, { throwIfNoEntry: false })?.size ?? 0;
  if (size <= LOG_LIMIT_BYTES) return size;
  renameSync(log, `${log}.1`);
  return 0;
}

function readFrom(path: string, start: number): string {
  try {
    return readFileSync(path).subarray(start).toString('utf8');
  } catch {
    // The server did not get as far as its log; pg_ctl's own output tells why.
    return '';
  }
}
