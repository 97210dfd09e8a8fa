/**
 * What a cold function pays for: one exchange's adapter loads that exchange's SDK, and of it only what it
 * uses. Read from the sources, and for the SDKs from a new process.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { describe, expect, it } from '@jest/globals';

const SOURCES = join(process.cwd(), 'src');

/** Every package and file that importing `entry` loads, types aside. */
function loadedBy(entry: string, seen = new Set<string>()): Set<string> {
  if (seen.has(entry)) return seen;
  seen.add(entry);
  const source = readFileSync(join(SOURCES, entry), 'utf8');
  for (const [, required = ''] of source.matchAll(/\brequire\('([^']+)'\)/g)) {
    seen.add(required);
  }
  for (const [, clause = '', from = ''] of source.matchAll(
    /^(?:import|export)\b([^;]*?)['"]([^'"]+)['"];/gms,
  )) {
    const names =
      clause
        .match(/\{([^}]*)\}/s)?.[1]
        ?.split(',')
        .map(name => name.trim())
        .filter(Boolean) ?? [];
    const isTypeOnly =
      /^\s*type\b/.test(clause) || (names.length > 0 && names.every(n => n.startsWith('type ')));
    if (isTypeOnly) continue;
    if (!from.startsWith('.')) seen.add(from);
    else loadedBy(relative(SOURCES, join(SOURCES, dirname(entry), from.replace(/\.js$/, '.ts'))), seen);
  }
  return seen;
}

const modulesAfterRequiring = (paths: string[]): string[] =>
  JSON.parse(
    execFileSync(process.execPath, [
      '-e',
      `${JSON.stringify(paths)}.forEach(path => require(path)); console.log(JSON.stringify(Object.keys(require.cache)))`,
    ]).toString(),
  );

describe('importing an exchange', () => {
  it.each([
    ['bybit', 'bybit-api', 'bingx-api'],
    ['bingx', 'bingx-api', 'bybit-api'],
  ])('%s loads %s and not %s', (folder, own, other) => {
    const loaded = [...loadedBy(`exchanges/${folder}/index.ts`)];
    expect(loaded.some(name => name.startsWith(own))).toBe(true);
    expect(loaded.filter(name => name.startsWith(other))).toEqual([]);
    expect(loaded.filter(name => /^(zod|axios|typeorm|pg|rxjs)\b|simulator/.test(name))).toEqual([]);
  });

  it('bingx does not load NestJS, nor any HTTP client', () => {
    const paths = [...loadedBy('exchanges/bingx/index.ts')].filter(name => name.startsWith('bingx-api'));
    expect(paths).not.toContain('bingx-api');
    const modules = modulesAfterRequiring(paths);
    expect(modules.length).toBeGreaterThan(5);
    expect(modules.filter(path => /node_modules\/(@nestjs|axios|rxjs|express)\//.test(path))).toEqual([]);
  });

  it('bybit does not load the WebSocket clients', () => {
    const paths = [...loadedBy('exchanges/bybit/index.ts')].filter(name => name.startsWith('bybit-api'));
    const modules = modulesAfterRequiring(paths);
    expect(modules.some(path => path.endsWith('rest-client-v5.js'))).toBe(true);
    expect(modules.filter(path => /node_modules\/(isomorphic-)?ws\//.test(path))).toEqual([]);
  });
});
