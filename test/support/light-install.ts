/**
 * The package as it is installed by somebody who has none of its optional peers: the build and the packages that come with
 * it, in a directory of its own. No registry is asked.
 */
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { projectDirectory } from './run.js';

interface Manifest {
  readonly dependencies: Record<string, string>;
}

export interface LightInstall {
  readonly directory: string;
  /** The package's own. */
  readonly home: string;
  /** The command line's file. */
  readonly cli: string;
  remove(): void;
}

/** @param extra peers to install all the same */
export function createLightInstall(extra: readonly string[] = []): LightInstall {
  const directory = mkdtempSync(join(tmpdir(), 'connector-state-light-'));
  const packages = join(directory, 'node_modules');
  const home = join(packages, 'connector-state');
  mkdirSync(home, { recursive: true });
  // Copied: through a link Node would look for packages beside the link's target, where all are.
  for (const name of ['dist', 'package.json']) {
    cpSync(join(projectDirectory, name), join(home, name), { recursive: true });
  }
  const { dependencies } = JSON.parse(
    readFileSync(join(projectDirectory, 'package.json'), 'utf8'),
  ) as Manifest;
  for (const name of [...Object.keys(dependencies), ...extra]) {
    const link = join(packages, name);
    mkdirSync(dirname(link), { recursive: true });
    symlinkSync(join(projectDirectory, 'node_modules', name), link);
  }
  return {
    directory,
    home,
    cli: join(home, 'dist/lib/connector-state.js'),
    remove: () => rmSync(directory, { recursive: true, force: true }),
  };
}
