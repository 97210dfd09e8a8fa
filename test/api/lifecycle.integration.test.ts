/** How a connector is named in calls of the cache, what is checked at once, and what a closed connector-state says. */
import { inspect } from 'node:util';
import { describe, expect, it } from '@jest/globals';
import { noteCopy } from '../../src/base/copies.js';
import { isConnectorStateError } from '../../src/base/errors.js';
import { createConnectorState } from '../../src/composition/connector-state.js';
import { givenWorld } from '../support/world.js';

async function codeOf(run: () => unknown): Promise<string> {
  try {
    await run();
  } catch (error) {
    if (isConnectorStateError(error)) return error.code;
    throw error;
  }
  return 'none';
}

describe('a connector', () => {
  it('is named by its ref in every method, and by two ids as before', async () => {
    const world = await givenWorld();
    const process = await world.process();
    const connector = world.connector(process, 'BYBIT');
    await connector.initialize();
    await process.flush();
    const { cache } = process;
    const { ref } = connector;
    const { userId, credentialId } = ref;

    const history = await cache.history(ref);
    expect(history.length).toBeGreaterThan(0);
    expect(await cache.history(userId, credentialId)).toEqual(history);
    expect(await cache.historyPage(ref, { limit: 1 })).toEqual(
      await cache.historyPage(userId, credentialId, { limit: 1 }),
    );
    const streamed = [];
    for await (const event of cache.historyStream(ref)) streamed.push(event);
    expect(streamed).toEqual(history);
    const now = Date.now() + 60_000;
    expect(await cache.stateAt(ref, now)).toEqual(await cache.stateAt(userId, credentialId, now));
    expect((await cache.explain(ref))?.syncId).toBe((await cache.explain(userId, credentialId))?.syncId);
    expect((await cache.invalidate(ref, 'me'))?.syncId).toMatch(/^[0-9a-f-]{36}$/);
    expect((await cache.history(userId, credentialId)).at(-1)).toMatchObject({
      type: 'ConnectorStateInvalidated',
      data: { by: 'me' },
    });
  });

  it.each([[{}], [{ userId: 'a' }], ['a'], [null], [7]])('that is none is refused: %j', async ref => {
    const { cache } = await (await givenWorld()).process();
    for (const call of ['history', 'historyPage', 'explain', 'invalidate'] as const) {
      const named: (ref: never) => Promise<unknown> = cache[call].bind(cache);
      expect(await codeOf(() => named(ref as never))).toBe('INVALID_INPUT');
    }
  });
});

describe('a refusal that a program tells of', () => {
  it.each([
    [{ failureClass: 'timestamp' }],
    [{ exchangeCode: 10002, failureClass: 'timestamp' }],
    [{ exchangeCode: '1', failureClass: 'nonsense' }],
    [{ exchangeCode: '1', failureClass: 'toString' }],
    [{ exchangeCode: '1' }],
    [{ exchangeCode: '1', failureClass: 'unknown', serverTimeMs: Number.NaN }],
    [undefined],
  ])('is checked at once, not by the next flush: %j', async failure => {
    const { cache } = await (await givenWorld()).process();
    const ref = { userId: 'u', credentialId: 'c', exchange: 'BYBIT', environment: 'MAINNET' } as const;
    expect(await codeOf(() => cache.recordAuthFailure(ref, failure as never))).toBe('INVALID_INPUT');
    expect(await cache.flush()).toMatchObject({ ok: true, pending: 0, lost: 0 });
  });
});

describe('what was closed', () => {
  it('says CLOSED, whatever is asked of it', async () => {
    const world = await givenWorld();
    const process = await world.process();
    const connector = world.connector(process, 'BYBIT');
    await connector.initialize();
    const { cache } = process;
    const { ref } = connector;
    await process.close();

    const calls: readonly (() => unknown)[] = [
      () => cache.get(ref),
      () => cache.peek(ref),
      () => cache.getMany([ref]),
      () => cache.getStats(),
      () => cache.history(ref),
      () => cache.explain(ref),
      () => cache.invalidate(ref),
      () => cache.cleanupExpired(),
      () => cache.recordAuthFailure(ref, { exchangeCode: '1', failureClass: 'unknown' }),
      () => process.store(),
      () => process.projector(),
      () => connector.initialize(),
    ];
    expect(await Promise.all(calls.map(codeOf))).toEqual(calls.map(() => 'CLOSED'));
    // These never throw.
    expect(await process.flush()).toMatchObject({ ok: true, pending: 0 });
    await process.close();
  });
});

describe('passwords', () => {
  it('are not shown by what prints, serialises or spreads a connector-state', async () => {
    const world = await givenWorld();
    const databaseUrl = `${world.databaseUrl}?application_name=canary-password`;
    const state = await createConnectorState({ databaseUrl, logLevel: 'silent' });
    try {
      expect(state.databaseUrl).toContain('canary');
      expect(state.settings.databaseUrl).toContain('canary');
      const { settings } = state;
      for (const shown of [
        JSON.stringify([settings, { ...state, cache: undefined }]),
        inspect({ ...state, cache: undefined }, { depth: 5 }),
        inspect({ ...settings }),
      ]) {
        expect(shown).not.toContain('canary');
      }
    } finally {
      await state.close();
    }
  });
});

describe('a second copy of the package in a process', () => {
  it('is warned of once, by its place', () => {
    const said: string[] = [];
    const warn = (message: string) => said.push(message);
    // This file's own copy may have been noted before.
    noteCopy('file:///a/dist/src/x.js', warn);
    noteCopy('file:///a/dist/cjs/src/x.js', warn);
    noteCopy('file:///a/dist/cjs/src/x.js', warn);
    expect(said).toHaveLength(1);
    expect(said[0]).toContain('/a/dist/src/x.js');
  });
});
