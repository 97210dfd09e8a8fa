/**
 * npm, when it writes the lock file beside an existing node_modules, leaves out the packages that are for
 * other platforms, and `npm ci` then refuses the file. This says so before a user's clone does.
 */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';

interface LockedPackage {
  version?: string;
  optionalDependencies?: Record<string, string>;
}

const { packages } = JSON.parse(
  readFileSync(new URL('../../package-lock.json', import.meta.url), 'utf8'),
) as { packages: Record<string, LockedPackage> };

/** Where Node would look for it from `place`: there, and in every directory above. */
function isLocked(name: string, place: string): boolean {
  for (let at = place; ; at = at.slice(0, Math.max(at.lastIndexOf('/node_modules/'), 0))) {
    if (packages[`${at === '' ? '' : `${at}/`}node_modules/${name}`]?.version !== undefined) return true;
    if (at === '') return false;
  }
}

describe('package-lock.json', () => {
  it('holds the packages of every platform, not only of the one it was written on', () => {
    const missing = Object.entries(packages).flatMap(([place, { optionalDependencies = {} }]) =>
      Object.keys(optionalDependencies).filter(name => !isLocked(name, place)),
    );

    expect(missing).toEqual([]);
  });
});
