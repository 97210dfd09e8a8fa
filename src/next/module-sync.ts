/**
 * Files that a tracer misses.
 *
 * Node 20.19 and later resolve a package by its export condition `module-sync`; the tracer that Next.js ships for webpack
 * does not know it, follows `require`, and leaves out the file that will be loaded. Every request is then a 500 ("Cannot
 * find module …/async-function/require.mjs"). Such packages stand behind axios, and so behind bybit-api. So they are
 * looked for among everything that is reached from the packages we keep out of the bundle.
 */
import { existsSync, readFileSync, realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';

interface Manifest {
  readonly exports?: unknown;
  readonly dependencies?: Record<string, string>;
  readonly optionalDependencies?: Record<string, string>;
  readonly peerDependencies?: Record<string, string>;
}

/**
 * @param names of packages as `directory` would load them; what is not installed is passed over
 * @returns the directories of the packages with such an export, on the way from them
 */
export function packagesWithModuleSync(names: readonly string[], directory: string): string[] {
  const seen = new Set<string>();
  const found: string[] = [];
  const visit = (name: string, from: string): void => {
    const home = homeOf(name, from);
    if (home === undefined || seen.has(home)) return;
    seen.add(home);
    const { exports, dependencies, optionalDependencies, peerDependencies } = readManifest(home);
    if (hasCondition(exports, 'module-sync')) found.push(home);
    const next = { ...dependencies, ...optionalDependencies, ...peerDependencies };
    for (const dependency of Object.keys(next)) visit(dependency, home);
  };
  for (const name of names) visit(name, directory);
  return found;
}

/** Where Node would find a package from a directory, links resolved. */
export function homeOf(name: string, from: string): string | undefined {
  for (let at = from; ; at = dirname(at)) {
    const home = join(at, 'node_modules', name);
    if (existsSync(join(home, 'package.json'))) return realpathSync(home);
    if (at === dirname(at)) return undefined;
  }
}

const readManifest = (home: string): Manifest =>
  JSON.parse(readFileSync(join(home, 'package.json'), 'utf8')) as Manifest;

const hasCondition = (exports: unknown, name: string): boolean =>
  typeof exports === 'object' &&
  exports !== null &&
  Object.entries(exports).some(([key, value]) => key === name || hasCondition(value, name));
