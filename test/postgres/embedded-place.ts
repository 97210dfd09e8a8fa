/** What the tests of the embedded server have in common: a place for its data, and ways to look at it. */
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, realpathSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pg } from '../../src/postgres/driver.js';
import { type EmbeddedPostgres, startEmbeddedPostgres } from '../../src/postgres/embedded/index.js';
import { readServerState } from '../../src/postgres/embedded/postmaster-pid.js';
import { type RunOptions, type SpawnedNode, spawnNode } from '../support/run.js';

export const isRoot = process.getuid?.() === 0;

export const NOBODY = 65534;

/** Whether this machine lets another user run our node: not when it is installed in root's home. */
export const canBecomeNobody =
  isRoot && spawnSync(process.execPath, ['--version'], { uid: NOBODY, gid: NOBODY, cwd: '/' }).status === 0;

export interface Place {
  /** Open for the user that the server runs as. */
  readonly directory: string;
  readonly dataDir: string;
  /** What the starts from here logged. */
  readonly logged: string[];
  /** Without waiting for the disk, unless `durable`. */
  start(options?: { durable?: boolean }): Promise<EmbeddedPostgres>;
  /** The same, from another process. */
  startElsewhere(options?: RunOptions): SpawnedNode;
  /** Ends whatever still runs, and removes everything. */
  clear(): Promise<void>;
}

export function makePlace(): Place {
  const directory = realpathSync(mkdtempSync(join(tmpdir(), 'connector-state-embedded-')));
  chmodSync(directory, 0o755);
  const dataDir = join(directory, 'data', 'postgres');
  const logged: string[] = [];
  const servers: EmbeddedPostgres[] = [];
  const children: SpawnedNode[] = [];
  return {
    directory,
    dataDir,
    logged,
    start: async ({ durable = false } = {}) => {
      const server = await startEmbeddedPostgres({
        dataDir,
        durable,
        log: message => logged.push(message),
      });
      servers.push(server);
      return server;
    },
    startElsewhere: options => {
      const child = spawnNode(['test/support/embedded-child.mjs', dataDir], {
        ...options,
        env: { NODE_OPTIONS: undefined },
      });
      children.push(child);
      return child;
    },
    clear: async () => {
      for (const child of children) child.process.kill('SIGKILL');
      await Promise.all(children.map(child => child.ended));
      await Promise.all(servers.map(server => server.stop()));
      const state = readServerState(dataDir);
      if (state.kind === 'running') process.kill(state.pid, 'SIGQUIT');
      await untilStopped(dataDir);
      await rm(directory, { recursive: true, force: true });
    },
  };
}

/** `ready <owned> <url>` of embedded-child.mjs. */
export async function ready(child: SpawnedNode): Promise<{ owned: boolean; url: string }> {
  const [, owned, url = ''] = (await child.waitForLine(/^(ready|failed) /)).split(' ');
  if (!url.startsWith('postgresql:')) throw new Error((await child.ended).stdout);
  return { owned: owned === 'true', url };
}

export async function query(url: string, text: string): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query(text)).rows;
  } finally {
    await client.end();
  }
}

export function serverPid(dataDir: string): number {
  const state = readServerState(dataDir);
  if (state.kind !== 'running') throw new Error(`the server over ${dataDir} is ${state.kind}`);
  return state.pid;
}

export async function untilStopped(dataDir: string): Promise<void> {
  const deadline = performance.now() + 20_000;
  while (readServerState(dataDir).kind === 'running') {
    if (performance.now() > deadline) throw new Error(`the server over ${dataDir} still runs`);
    await sleep(20);
  }
}
