/**
 * What `postmaster.pid` in a data directory says, and whether it is true.
 *
 * A server that was killed leaves the file behind. PostgreSQL removes it itself when the process named in it
 * is gone, but refuses to start when that number now belongs to another process of the same user, which in a
 * container, where numbers start from 1 each time, is the usual case. So we look whether the process is this
 * directory's server (its working directory is the data directory), and if not, take the file away.
 */
import { spawnSync } from 'node:child_process';
import { linkSync, readFileSync, readlinkSync, realpathSync, renameSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { processExists } from './process-exists.js';

export type ServerState =
  | { readonly kind: 'stopped' }
  /** The file names a process that is alive and is not this server. */
  | { readonly kind: 'foreign'; readonly content: string }
  | {
      readonly kind: 'running';
      readonly pid: number;
      /** Absent in the first instants, before the server wrote it. */
      readonly port?: number;
      /** As the server wrote it: `starting`, `ready`, `stopping` or empty. */
      readonly status: string;
    };

/** A file that stays empty for longer was left by a full disk, not by a server about to fill it. */
const EMPTY_FILE_GRACE_MS = 5_000;

export function readServerState(dataDir: string): ServerState {
  const path = join(dataDir, 'postmaster.pid');
  let content: string;
  let ageMs: number;
  try {
    content = readFileSync(path, 'utf8');
    ageMs = Date.now() - statSync(path).mtimeMs;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return { kind: 'stopped' };
    throw error;
  }
  const lines = content.split('\n');
  // A server in single-user mode writes its number negated.
  const pid = Math.abs(Number.parseInt(lines[0] ?? '', 10));
  if (!Number.isSafeInteger(pid) || pid === 0) {
    return ageMs > EMPTY_FILE_GRACE_MS
      ? { kind: 'foreign', content }
      : { kind: 'running', pid: 0, status: 'starting' };
  }
  if (!processExists(pid)) return { kind: 'stopped' };
  if (!isServerOf(pid, dataDir)) return { kind: 'foreign', content };
  const port = Number.parseInt(lines[3] ?? '', 10);
  const status = (lines[7] ?? '').trim();
  return { kind: 'running', pid, status, ...(port > 0 ? { port } : {}) };
}

/**
 * Takes a foreign pid file away. Another process may have done so in the same instant, and a server started
 * since: then what we moved is not what we judged, and it is put back. A server notices a missing pid file
 * only once a minute.
 */
export function removeForeignPidFile(dataDir: string, judged: string): void {
  const path = join(dataDir, 'postmaster.pid');
  const aside = `${path}.${process.pid}`;
  try {
    renameSync(path, aside);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
    throw error;
  }
  if (readFileSync(aside, 'utf8') !== judged) linkSync(aside, path);
  rmSync(aside);
}

function isServerOf(pid: number, dataDir: string): boolean {
  if (process.platform === 'linux') {
    try {
      return readlinkSync(`/proc/${pid}/cwd`) === realpathSync(dataDir);
    } catch {
      // Ended since, or hidden from us because it is another user's; the servers we start are not.
      return false;
    }
  }
  const { stdout } = spawnSync('ps', ['-o', 'command=', '-p', String(pid)], { encoding: 'utf8' });
  return /postgres/.test(stdout) && (stdout.includes(dataDir) || stdout.includes(realpathSync(dataDir)));
}
