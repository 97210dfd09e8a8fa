/**
 * The data directory: looks whether it is whole, and makes it.
 *
 * initdb works for half a second and may be killed in the middle, so it works in a directory of its own
 * beside the final one (`<name>.new-<pid>-…`), which is renamed into place when it is whole. A rename onto a
 * directory with something in it fails, so of two processes that do this at once one wins, and the other
 * uses what the winner made. Leftovers of dead processes are removed by the next.
 *
 * A directory that is there but lacks what initdb writes (made half by something else) is moved aside, never
 * deleted.
 */
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { run } from './command.js';
import { embeddedError, fileProblem, quote } from './embedded-error.js';
import { processExists } from './process-exists.js';
import { giveTo } from './server-user.js';
import type { Site } from './site.js';

export const SUPERUSER = 'postgres';

/** initdb makes them in this order; `base/5` is the database `postgres`, its last work. */
const PARTS = [
  'PG_VERSION',
  'postgresql.conf',
  'pg_hba.conf',
  join('global', 'pg_control'),
  join('base', '5'),
];

export type ClusterState = 'absent' | 'half-made' | 'whole';

export function clusterState(dataDir: string): ClusterState {
  if (!existsSync(dataDir) || readdirSync(dataDir).length === 0) return 'absent';
  return PARTS.every(part => existsSync(join(dataDir, part))) ? 'whole' : 'half-made';
}

/** @returns where the half-made directory went */
export function setAside(dataDir: string): string {
  const aside = `${dataDir}.broken-${new Date().toISOString().replace(/\W/g, '')}-${process.pid}`;
  try {
    renameSync(dataDir, aside);
    // Another process may have replaced it between our look and this act: then it gets its work back.
    if (clusterState(aside) === 'whole') renameSync(aside, dataDir);
  } catch (error) {
    // Another process moved it in the same instant.
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw fileProblem(error, dataDir);
  }
  return aside;
}

/** @throws EMBEDDED_DATABASE_FAILED when the data is another major version's */
export function assertVersion(dataDir: string, major: number): void {
  const found = readFileSync(join(dataDir, 'PG_VERSION'), 'utf8').trim();
  if (found === String(major)) return;
  throw embeddedError(
    `${dataDir} holds data of PostgreSQL ${found}, and the installed server is PostgreSQL ${major}`,
    `move the directory away to start afresh, take its data along with the pg_dump of version ${found}`,
  );
}

export interface NewCluster extends Site {
  readonly password: string;
}

/** Makes the data directory, unless another process has made it by the time ours is ready. */
export async function createCluster(cluster: NewCluster): Promise<void> {
  const { dataDir, user } = cluster;
  removeLeftovers(dataDir);
  let workshop: string | undefined;
  try {
    workshop = mkdtempSync(`${dataDir}.new-${process.pid}-`);
    workshopsOfOurs.add(workshop);
    const fresh = join(workshop, 'data');
    mkdirSync(fresh, { mode: 0o700 });
    const passwordFile = join(workshop, 'password');
    writeFileSync(passwordFile, cluster.password, { mode: 0o600 });
    giveTo(user, workshop);
    await initialise(fresh, passwordFile, cluster);
    renameUnlessThere(fresh, dataDir);
  } catch (error) {
    throw fileProblem(error, dataDir);
  } finally {
    if (workshop !== undefined) {
      rmSync(workshop, { recursive: true, force: true });
      workshopsOfOurs.delete(workshop);
    }
  }
}

/**
 * Text is ordered by code point, the same on every system (the server's own collation provider), so that a
 * system's library update never invalidates an index.
 */
async function initialise(fresh: string, passwordFile: string, cluster: NewCluster): Promise<void> {
  const args = [
    `--pgdata=${fresh}`,
    `--username=${SUPERUSER}`,
    `--pwfile=${passwordFile}`,
    '--auth=scram-sha-256',
    '--encoding=UTF8',
    '--locale=C',
    '--locale-provider=builtin',
    '--builtin-locale=C.UTF-8',
    '--no-instructions',
    ...(cluster.durable ? [] : ['--no-sync']),
  ];
  const { code, output, startError } = await run(cluster.binaries.initdb, args, { as: cluster.user });
  if (code === 0) return;
  throw explainInitdb(startError?.message ?? output, dirname(cluster.dataDir));
}

/** Exported for its tests: a full disk is not at hand in one. */
export function explainInitdb(output: string, directory: string): Error {
  const said = quote(output);
  // First, for a full shared memory also says that no space is left on the device.
  if (/could not (create|resize) shared memory/.test(output)) {
    return embeddedError(
      `the system gives PostgreSQL too little shared memory (${said})`,
      'allow more (in a container: --shm-size=128m)',
    );
  }
  if (/No space left on device|Disk quota exceeded/.test(output)) {
    return embeddedError(`the disk under ${directory} is full (${said})`, 'free some space there (80 MB)');
  }
  if (/could not look up effective user ID/.test(output)) {
    return embeddedError(
      `initdb needs a user that the system knows, and this one has no entry in /etc/passwd (${said})`,
      'run as a user who has one',
    );
  }
  return embeddedError(`initdb failed under ${directory} (${said})`, 'remove the cause it names');
}

function renameUnlessThere(from: string, to: string): void {
  try {
    renameSync(from, to);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code !== 'ENOTEMPTY' && code !== 'EEXIST') throw error;
  }
}

/** A killed process's number may be ours now: in a container it usually is. */
const workshopsOfOurs = new Set<string>();

function removeLeftovers(dataDir: string): void {
  const prefix = `${basename(dataDir)}.new-`;
  for (const entry of readdirSync(dirname(dataDir))) {
    if (!entry.startsWith(prefix)) continue;
    const path = join(dirname(dataDir), entry);
    const pid = Number.parseInt(entry.slice(prefix.length), 10);
    const inUse = pid === process.pid ? workshopsOfOurs.has(path) : processExists(pid);
    if (!inUse) rmSync(path, { recursive: true, force: true });
  }
}
