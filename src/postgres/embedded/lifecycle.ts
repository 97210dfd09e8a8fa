/**
 * The embedded PostgreSQL server: kept between runs, shared by the processes that want it at the same time.
 *
 * `startEmbeddedPostgres` looks at the data directory again and again until it holds a lease on a server:
 *
 *   nothing there           → make it (cluster.ts), look again
 *   made half               → move it aside, look again
 *   whole, no server        → start one (launch.ts); somebody was faster → look again
 *   whole, a foreign pid    → take the pid file away, look again
 *   server starting/ending  → wait a moment, look again
 *   server ready            → join it (lease.ts); it ended meanwhile → look again
 *
 * There is no lock of ours around this: each step is decided by one atomic act (a rename, a link, the
 * server's own pid file), and whoever loses it looks again and finds the winner's work. So there is no lock
 * that a killed process could leave behind.
 *
 * Traded away: two processes that find nothing both run initdb, one of them in vain.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { InvalidInputError } from '../../base/errors.js';
import { shown } from '../../base/shown.js';
import { assertVersion, clusterState, createCluster, SUPERUSER, setAside } from './cluster.js';
import { embeddedError, fileProblem } from './embedded-error.js';
import { freePort, launch, resetPassword } from './launch.js';
import { GATE_MS, join, type Lease } from './lease.js';
import { ownQuery } from './own-parameters.js';
import { ensurePassword } from './password.js';
import { readServerState, removeForeignPidFile } from './postmaster-pid.js';
import { type PreparedSite, prepareSite } from './site.js';
import { LastResort, stopServer } from './stop.js';

export interface EmbeddedPostgresOptions {
  /** Default: `.data/postgres` under the current directory. */
  readonly dataDir?: string;
  /** Told what takes time: the first start, a recovery, a wait. */
  readonly log?: (message: string) => void;
  /** Created when missing. Default `connector_state`. */
  readonly databaseName?: string;
  /** false: trades the data's safety in a power cut for speed, for tests. Default true. */
  readonly durable?: boolean;
  /** Longest wait for another process's server to finish starting or ending, milliseconds. Default 60 000. */
  readonly patienceMs?: number;
}

export interface EmbeddedPostgres {
  /** Holds the password: never log it. Valid until {@link EmbeddedPostgres.stop}. */
  readonly url: string;
  /** Absolute. */
  readonly dataDir: string;
  /** Whether this process started the server (else it shares one that was running). */
  readonly owned: boolean;
  /**
   * Gives the server back: it stops, unless other processes use it, in which case the last of them stops it.
   * Close your own connections first; they are cut. Safe to call twice.
   *
   * @throws EMBEDDED_DATABASE_FAILED when the server does not stop
   */
  stop(): Promise<void>;
}

const DEFAULT_PATIENCE_MS = 60_000;
const LOOK_AGAIN_MS = 50;
/** More servers than this ending between our start and our join is no coincidence. */
const START_LIMIT = 5;

/**
 * Starts the embedded server, or joins the one that runs over the same directory.
 *
 * @throws ConnectorStateError `EMBEDDED_DATABASE_FAILED`, whose message says what to do
 * @throws InvalidInputError when the database's name cannot be one
 */
export async function startEmbeddedPostgres(
  options: EmbeddedPostgresOptions = {},
): Promise<EmbeddedPostgres> {
  const { databaseName = 'connector_state', log = () => {}, patienceMs = DEFAULT_PATIENCE_MS } = options;
  if (databaseName === '' || Buffer.byteLength(databaseName) > 63 || databaseName.includes('\0')) {
    throw new InvalidInputError(`database name ${shown(databaseName)}: give 1 to 63 bytes`);
  }
  const prepared = await prepareSite(options.dataDir ?? '.data/postgres', options.durable ?? true);
  const { dataDir } = prepared.site;
  const lastResort = new LastResort(dataDir);
  try {
    const server = await reachServer(prepared, lastResort, log, patienceMs);
    const { password, port, lease } = server;
    let stopping: Promise<void> | undefined;
    const stop = () => {
      stopping ??= giveBack(dataDir, server).finally(() => lastResort.disarm());
      return stopping;
    };
    const owned = lastResort.owns(server.pid);
    try {
      await lease.ensureDatabase(databaseName);
    } catch (error) {
      await stop();
      throw error;
    }
    return {
      url: `postgresql://${SUPERUSER}:${password}@127.0.0.1:${port}/${encodeURIComponent(databaseName)}${ownQuery()}`,
      dataDir,
      owned,
      stop,
    };
  } catch (error) {
    lastResort.act();
    lastResort.disarm();
    throw fileProblem(error, dataDir);
  }
}

interface ReachedServer {
  readonly lease: Lease;
  readonly pid: number;
  readonly port: number;
  readonly password: string;
}

async function reachServer(
  { site, major, passwordFile }: PreparedSite,
  lastResort: LastResort,
  log: (message: string) => void,
  patienceMs: number,
): Promise<ReachedServer> {
  const { dataDir } = site;
  const password = ensurePassword(passwordFile, site.user);
  let patienceEnds: number | undefined;
  let starts = 0;
  for (;;) {
    const cluster = clusterState(dataDir);
    if (cluster === 'half-made') {
      log(`${dataDir} was made only half: moved to ${setAside(dataDir)}`);
      continue;
    }
    if (cluster === 'absent') {
      log(`creating an embedded PostgreSQL ${major} in ${dataDir}`);
      await createCluster({ ...site, password });
      continue;
    }
    assertVersion(dataDir, major);

    const state = readServerState(dataDir);
    if (state.kind === 'foreign') {
      log(`removing the pid file that a killed server left in ${dataDir}`);
      removeForeignPidFile(dataDir, state.content);
      continue;
    }
    if (state.kind === 'stopped') {
      const outcome = await launch(site, freePort);
      if (outcome === 'started') {
        lastResort.arm();
        if (++starts > START_LIMIT) throw keepsEnding(dataDir);
        continue;
      }
    } else if (state.status === 'ready' && state.port !== undefined) {
      const lease = await join(state.port, password, Math.min(patienceMs, GATE_MS));
      if (typeof lease === 'object') return { lease, pid: state.pid, port: state.port, password };
      if (lease === 'wrong-password') {
        if (!lastResort.owns(state.pid) || starts > 1) throw wrongPassword(dataDir, passwordFile);
        log(`setting the lost password of ${dataDir} anew`);
        await stopServer(dataDir, state.pid);
        await resetPassword(site, password);
        continue;
      }
    }

    if (patienceEnds === undefined) {
      patienceEnds = performance.now() + patienceMs;
    } else if (performance.now() > patienceEnds) {
      throw embeddedError(
        `the server over ${dataDir} is ${describe(state)} after ${patienceMs} ms of waiting`,
        'end the other processes that use it and try again',
      );
    }
    await sleep(LOOK_AGAIN_MS);
  }
}

async function giveBack(dataDir: string, server: ReachedServer): Promise<void> {
  const verdict = await server.lease.leave();
  if (verdict === 'last') {
    try {
      await stopServer(dataDir, server.pid);
    } finally {
      await server.lease.close();
    }
  } else if (verdict === 'lost') {
    const state = readServerState(dataDir);
    // Ended, or another one by now, which is not ours to stop.
    if (state.kind !== 'running' || state.pid !== server.pid) return;
    const lease = await join(server.port, server.password);
    if (typeof lease === 'object') await giveBack(dataDir, { ...server, lease });
  }
}

function describe(state: ReturnType<typeof readServerState>): string {
  if (state.kind !== 'running') return 'not running';
  return `still ${state.status || 'starting'} (process ${state.pid})`;
}

function wrongPassword(dataDir: string, passwordFile: string): Error {
  return embeddedError(
    `the server that runs over ${dataDir} has another password than the one in ${passwordFile}`,
    'end the processes that use it, so that the next start can set the password anew',
  );
}

function keepsEnding(dataDir: string): Error {
  return embeddedError(
    `the server over ${dataDir} was started ${START_LIMIT} times and ended each time`,
    `read ${dataDir}/server.log`,
  );
}
