/** What a program in plain JavaScript may pass: each gets a sentence and a code, and nothing runs on by a default. */
import { describe, expect, it } from '@jest/globals';
import { isConnectorStateError } from '../../src/base/errors.js';
import { createConnectorState } from '../../src/composition/connector-state.js';
import { BingxConnectorWithCache } from '../../src/connectors/bingx-with-cache.connector.js';
import { BybitConnectorWithCache } from '../../src/connectors/bybit-with-cache.connector.js';
import { ACCOUNT, givenWorld } from '../support/world.js';

const any = (value: unknown) => value as never;

async function codeAndMessage(run: () => unknown): Promise<string> {
  try {
    await run();
  } catch (error) {
    if (!isConnectorStateError(error)) throw error;
    return `${error.code}: ${error.message}`;
  }
  return 'nothing was thrown';
}

describe('options that nobody reads', () => {
  it.each([
    [{ poolsize: 3 }, 'INVALID_INPUT: createConnectorState has no option "poolsize"; did you mean poolSize?'],
    [
      { databseUrl: 'x' },
      'INVALID_INPUT: createConnectorState has no option "databseUrl"; did you mean databaseUrl?',
    ],
    [{ frobnicate: 1 }, /^INVALID_INPUT: createConnectorState has no option "frobnicate": it has .*poolSize/],
    [null, 'INVALID_INPUT: createConnectorState takes an object of options, got null'],
    ['postgres://x', 'INVALID_INPUT: createConnectorState takes an object of options, got string'],
  ])('are refused by name: %j', async (options, message) => {
    const said = await codeAndMessage(() => createConnectorState(any(options)));
    expect(said).toMatch(
      message instanceof RegExp ? message : new RegExp(`^${message.replace(/[?"]/g, '.')}$`),
    );
  });

  it.each([BybitConnectorWithCache, BingxConnectorWithCache])('of a connector too (%p)', async Connector => {
    const world = await givenWorld();
    const process = await world.process();
    const good = {
      cache: process.cache,
      userId: 'u',
      credentialId: 'c',
      environment: 'MAINNET',
      credentials: ACCOUNT,
    };
    const said = (options: unknown) => codeAndMessage(() => new Connector(any(options)));
    expect(await said({ ...good, recvWindow: 9000 })).toMatch(
      /^INVALID_INPUT: .*WithCache has no option "recvWindow"; did you mean recvWindowMs\?$/,
    );
    expect(await said(undefined)).toMatch(/^INVALID_INPUT: .*takes an object of options, got undefined$/);
    expect(await said({ ...good, cache: undefined })).toMatch(/^INVALID_INPUT: .*createConnectorState\(\)$/);
  });
});

describe('values of another type', () => {
  it.each([
    [{ poolSize: 4n }, 'poolSize must be a whole number from 1 to 100, got 4n'],
    [
      { poolSize: Object.create(null) },
      'poolSize must be a whole number from 1 to 100, got a value of type object',
    ],
    [{ autoMigrate: Symbol('no') }, 'autoMigrate must be true or false, got a value of type symbol'],
    [
      { databaseUrl: Object.create(null) },
      /databaseUrl must be a URL like .*got something that is not a URL/,
    ],
  ])('are reported like any other bad setting: %p', async (options, message) => {
    const said = await codeAndMessage(() => createConnectorState(any(options)));
    expect(said).toMatch(/^INVALID_SETTINGS/);
    expect(said).toMatch(message);
  });

  it('in calls of the cache are named', async () => {
    const { cache } = await (await givenWorld()).process();
    const ref = { userId: 'u', credentialId: 'c', exchange: 'BYBIT', environment: 'MAINNET' } as const;
    for (const run of [
      () => cache.stateAt('u', 'c', any('2026-11-17')),
      () => cache.stateAt('u', 'c', new Date(Number.NaN)),
      () => cache.getMany(any(undefined)),
      () => cache.set(ref, any({}), 'absent'),
    ]) {
      expect(await codeAndMessage(run)).toMatch(/^INVALID_INPUT: /);
    }
  });
});

it('flush() takes any time-out, and never throws', async () => {
  const process = await (await givenWorld()).process();
  const ref = { userId: 'u', credentialId: 'c', exchange: 'BYBIT', environment: 'MAINNET' } as const;
  for (const [timeoutMs, isWaitedFor] of [
    [Number.POSITIVE_INFINITY, true],
    [2 ** 31, true],
    [undefined, true],
    [0, false],
    [-1, false],
    [Number.NaN, false],
  ] as const) {
    process.cache.recordAuthFailure(ref, { exchangeCode: '1', failureClass: 'unknown' });
    const { ok } = await process.flush(timeoutMs);
    expect({ timeoutMs, ok }).toEqual({ timeoutMs, ok: isWaitedFor });
    expect((await process.flush()).ok).toBe(true);
  }
});
