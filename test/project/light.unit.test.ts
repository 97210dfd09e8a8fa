/** What a user of one exchange installs, read from the lock file: how many packages, under which licences. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { OPTIONAL_PACKAGES, packageName } from '../../src/base/optional-package.js';

interface Locked {
  readonly license?: string;
  readonly deprecated?: string;
  readonly hasInstallScript?: boolean;
  readonly dependencies?: Record<string, string>;
  readonly optionalDependencies?: Record<string, string>;
  readonly peerDependencies?: Record<string, string>;
  readonly peerDependenciesMeta?: Record<string, { optional?: boolean }>;
  readonly devDependencies?: Record<string, string>;
}

const read = (name: string) =>
  JSON.parse(readFileSync(new URL(`../../${name}`, import.meta.url), 'utf8')) as unknown;
const { packages } = read('package-lock.json') as { packages: Record<string, Locked> };
const manifest = read('package.json') as Required<
  Pick<Locked, 'dependencies' | 'peerDependencies' | 'peerDependenciesMeta' | 'devDependencies'>
>;

/** Where Node finds it from `place`. */
function placeOf(name: string, place: string): string | undefined {
  for (let at = place; ; at = at.slice(0, Math.max(at.lastIndexOf('/node_modules/'), 0))) {
    const found = `${at === '' ? '' : `${at}/`}node_modules/${name}`;
    if (packages[found]) return found;
    if (at === '') return undefined;
  }
}

function installedWith(names: readonly string[], place = '', found = new Set<string>()): Set<string> {
  for (const name of names) {
    const at = placeOf(name, place);
    if (at === undefined || found.has(at)) continue;
    found.add(at);
    const { dependencies, optionalDependencies, peerDependencies, peerDependenciesMeta } = packages[
      at
    ] as Locked;
    const peers = Object.keys(peerDependencies ?? {}).filter(peer => !peerDependenciesMeta?.[peer]?.optional);
    installedWith(Object.keys({ ...dependencies, ...optionalDependencies }).concat(peers), at, found);
  }
  return found;
}

/** Of a lock file for the package alone, in which nothing has to make room for what develops it. */
const namesOf = (places: Set<string>) =>
  new Set([...places].map(place => place.split('node_modules/').at(-1)));

const FREE = /^(MIT|ISC|0BSD|Apache-2\.0|BlueOak-1\.0\.0|BSD-[23]-Clause)$/;

describe('a user of Bybit alone', () => {
  const installed = installedWith([...Object.keys(manifest.dependencies), 'bybit-api']);

  it('installs at most 80 packages', () => {
    expect(namesOf(installed).size).toBeGreaterThan(50);
    expect(namesOf(installed).size).toBeLessThanOrEqual(80);
  });

  it('installs nothing without a free licence, deprecated, or with a script that runs at installation', () => {
    const odd = [...installed].filter(place => {
      const { license = '', deprecated, hasInstallScript } = packages[place] as Locked;
      return !FREE.test(license) || deprecated !== undefined || hasInstallScript;
    });
    expect(odd).toEqual([]);
  });
});

describe('optional peers', () => {
  it('are all optional, and all there in a clone, in the same versions', () => {
    for (const [name, range] of Object.entries(manifest.peerDependencies)) {
      // The app's own; test:apps installs it.
      if (name === 'next') continue;
      expect({ name, ...manifest.peerDependenciesMeta[name] }).toEqual({ name, optional: true });
      expect({ name, range: manifest.devDependencies[name] }).toEqual({ name, range });
    }
  });

  it('are installed by the commands that the errors give, in a version that is accepted', () => {
    const specs = Object.values(OPTIONAL_PACKAGES).flat();
    expect(specs.map(packageName).sort()).toEqual(
      Object.keys(manifest.peerDependencies)
        .filter(name => name !== 'next')
        .sort(),
    );
    for (const spec of specs) {
      const wanted = spec.slice(spec.lastIndexOf('@') + 1);
      const range = manifest.peerDependencies[packageName(spec)] ?? '';
      // Either exactly that version, or the newest of the same major.
      expect([range, `${range.replace(/^\^/, '').split('.')[0]}`]).toContain(wanted);
    }
  });
});
