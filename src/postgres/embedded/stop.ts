/**
 * Stops the server by PostgreSQL's own signals to its first process: SIGINT ends its clients' connections
 * ("fast"), SIGTERM waits for them to leave ("smart").
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { embeddedError } from './embedded-error.js';
import { readServerState } from './postmaster-pid.js';

/** Ending includes writing everything to disk. */
const STOP_TIMEOUT_MS = 60_000;
const LOOK_AGAIN_MS = 10;

/**
 * Closes every connection and waits until the server has ended.
 *
 * The end is read from the pid file, not from the process: where nobody collects ended processes (node as the
 * first process of a container) its number lives on.
 *
 * @param pid of the server, known to be running
 */
export async function stopServer(dataDir: string, pid: number): Promise<void> {
  signal(pid, 'SIGINT');
  const patienceEnds = performance.now() + STOP_TIMEOUT_MS;
  while (isRunning(dataDir, pid)) {
    if (performance.now() > patienceEnds) {
      throw embeddedError(
        `the server over ${dataDir} (process ${pid}) did not stop within ${STOP_TIMEOUT_MS / 1000} s`,
        `stop it with "kill -QUIT ${pid}"`,
      );
    }
    await sleep(LOOK_AGAIN_MS);
  }
}

/**
 * For a process that started the server and exits without stopping it: the server is asked to end as soon as
 * its last client has left, so that other processes sharing it finish their work. At exit nothing can be
 * waited for; a signal needs no waiting.
 */
export class LastResort {
  readonly #dataDir: string;
  readonly #act = () => this.act();
  #pid: number | undefined;

  constructor(dataDir: string) {
    this.#dataDir = dataDir;
  }

  /** Whether the server of this number is the one it was armed for. */
  owns(pid: number): boolean {
    return this.#pid === pid;
  }

  /** For the server that this process has just started. */
  arm(): void {
    const state = readServerState(this.#dataDir);
    if (state.kind !== 'running') return;
    this.#pid = state.pid;
    process.off('exit', this.#act);
    process.once('exit', this.#act);
  }

  disarm(): void {
    this.#pid = undefined;
    process.off('exit', this.#act);
  }

  act(): void {
    if (this.#pid !== undefined && isRunning(this.#dataDir, this.#pid)) signal(this.#pid, 'SIGTERM');
  }
}

function isRunning(dataDir: string, pid: number): boolean {
  const state = readServerState(dataDir);
  return state.kind === 'running' && state.pid === pid;
}

function signal(pid: number, name: 'SIGINT' | 'SIGTERM'): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    // It has ended by itself, which is what was asked for.
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
