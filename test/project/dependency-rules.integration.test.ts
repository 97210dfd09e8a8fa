/**
 * That the dependency rules catch what they are for: a small tree of files, each of which breaks one rule, is
 * given to dependency-cruiser with the project's own rule files.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { projectDirectory } from '../support/run.js';

let tree: string;

beforeAll(() => {
  tree = mkdtempSync(join(tmpdir(), 'connector-state-rules-'));
  // Package manager's and compiler's settings are part of how an import is resolved.
  for (const name of ['node_modules', 'package.json', 'tsconfig.json']) {
    symlinkSync(join(projectDirectory, name), join(tree, name));
  }
});

afterAll(() => rmSync(tree, { recursive: true, force: true }));

interface Violation {
  from: string;
  rule: { name: string };
}

/** @returns the violations as `rule: file` */
function violations(rules: string, files: Record<string, string>): string[] {
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(tree, path)), { recursive: true });
    writeFileSync(join(tree, path), text);
  }
  const top = [...new Set(Object.keys(files).map(path => path.split('/')[0] ?? ''))];
  const { stdout, stderr } = spawnSync(
    process.execPath,
    [
      join(projectDirectory, 'node_modules/dependency-cruiser/bin/dependency-cruise.mjs'),
      '--config',
      join(projectDirectory, rules),
      '--output-type',
      'json',
      ...top,
    ],
    { cwd: tree, encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 },
  );
  if (stdout === '') throw new Error(stderr);
  const { summary } = JSON.parse(stdout) as { summary: { violations: Violation[] } };
  return summary.violations.map(({ rule, from }) => `${rule.name}: ${from}`);
}

describe('the arrows', () => {
  it('catch every import that goes against them, of a type as of a value', () => {
    const found = violations('.dependency-cruiser.cjs', {
      'src/cli/main.ts': `export * from '../services/good.js';`,
      'src/services/good.ts': `export * from '../connectors/good.js';\nexport * from '../http/server.js';`,
      'src/http/server.ts': `export const server = 1;`,
      'src/connectors/good.ts': `export * from '../cache/good.js';\nexport * from 'bybit-api';`,
      'src/cache/good.ts': `export type { T } from '../connectors/good.js';\nexport * from '../read-model/good.js';`,
      'src/read-model/good.ts': `export * from '../events/good.js';\nexport * from 'typeorm';`,
      'src/events/good.ts': `export * from '../clock/good.js';\nexport * from 'pino';`,
      'src/clock/good.ts': `import 'node:fs';\nexport * from './circle.js';`,
      'src/clock/circle.ts': `export * from './good.js';`,
      'src/exchanges/bybit/sdk.ts': `export * from '../bingx/sdk.js';`,
      'src/exchanges/bingx/sdk.ts': `export * from 'bingx-api';\nexport * from './missing.js';`,
      'src/exchanges/simulator/forgotten.ts': `export const forgotten = 1;`,
      'projections/fold.ts': `export * from '../src/postgres/driver.js';`,
      'src/postgres/driver.ts': `export * from 'pg';\nexport * from '../events/good.js';`,
      'src/projector/run.ts': `export * from '../event-store/postgres/index.js';\nexport * from '../../projections/fold.js';`,
      'src/event-store/postgres/index.ts': `export * from '../../projector/run.js';`,
    });

    expect(found.sort()).toEqual(
      [
        'arrows-of-cache: src/cache/good.ts',
        'arrows-of-event-store: src/event-store/postgres/index.ts',
        'arrows-of-events: src/events/good.ts',
        'arrows-of-postgres: src/postgres/driver.ts',
        'arrows-of-projections: projections/fold.ts',
        'arrows-of-projector: src/projector/run.ts',
        'arrows-of-services: src/services/good.ts',
        'bybit-sdk-stays-home: src/connectors/good.ts',
        'exchanges-do-not-know-each-other: src/exchanges/bybit/sdk.ts',
        'no-circles: src/cache/good.ts',
        'no-circles: src/clock/circle.ts',
        'no-circles: src/event-store/postgres/index.ts',
        'no-orphans: src/exchanges/simulator/forgotten.ts',
        'nobody-imports-the-ways-in: src/services/good.ts',
        'nothing-unresolvable: src/exchanges/bingx/sdk.ts',
        'pure-parts-do-no-io: src/clock/good.ts',
        'pure-parts-load-only-pure-packages: src/events/good.ts',
        'typeorm-stays-home: src/read-model/good.ts',
      ].sort(),
    );
  });
});

describe('the rules of loading', () => {
  it('catch what an entry point would load at once, and let it load it later', () => {
    const found = violations('.dependency-cruiser.loading.cjs', {
      'dist/src/index.js': `export * from './heavy.js';\nexport const later = () => import('./late.js');`,
      'dist/src/heavy.js': `export * from 'zod';`,
      'dist/src/late.js': `export * from 'typeorm';`,
      'dist/src/bybit.js': `export * from './exchanges/both.js';`,
      'dist/src/exchanges/both.js': `export * from 'bingx-api';\nexport * from 'pg';`,
      'dist/lib/index.js': `export * from './chunk-lazy.js';`,
      'dist/lib/chunk-lazy.js': `export * from 'bybit-api';`,
    });

    expect([...new Set(found)].sort()).toEqual([
      'bybit-loads-no-bingx: dist/src/bybit.js',
      'pg-is-loaded-by-its-driver: dist/src/exchanges/both.js',
      'the-core-loads-no-exchange: dist/lib/index.js',
      'the-hot-path-is-light: dist/src/index.js',
    ]);
  });
});
