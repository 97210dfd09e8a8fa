/** Promise 9, the part that is arithmetic: whatever a row contains, out comes a valid state or a reason. */
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import {
  assessState,
  LIMITS,
  type MissReason,
  parseClock,
  stateFromClock,
} from '../../src/cache/offset-state.js';
import { MAX_TTL_MS } from '../../src/clock/ttl.js';
import type { RawClock, RawState } from '../../src/read-model/lookup.js';

const NOW = 1_760_000_000_000;
const REF = { userId: 'u', credentialId: 'c', exchange: 'BYBIT', environment: 'MAINNET' } as const;
const ASSESSMENT = {
  ref: REF,
  clockId: 'pg:1:1',
  hostClockId: 'host:a/1',
  referenceNowMs: NOW,
  hostNowMs: NOW + 500,
};
const REASONS: readonly MissReason[] = [
  'absent',
  'expired',
  'invalid',
  'corrupt',
  'other-connector',
  'other-clock',
];
const MINUTE_MS = 60_000;
const SYNC = '0196f3c0-0000-7000-8000-000000000001';

const GOOD_STATE: RawState = {
  userId: 'u',
  credentialId: 'c',
  exchange: 'BYBIT',
  environment: 'MAINNET',
  scope: 'default',
  offsetMs: 145,
  uncertaintyMs: 12,
  referenceClock: 'pg:1:1',
  syncId: SYNC,
  basis: 'measured',
  measuredAtMs: NOW - MINUTE_MS,
  expiresAtMs: NOW + 14 * MINUTE_MS,
  isValid: true,
  ratePpm: 0,
  rateBoundPpm: 50,
};
const GOOD_CLOCK: RawClock = {
  offsetMs: 145,
  uncertaintyMs: 12,
  syncId: SYNC,
  measuredAtMs: NOW - MINUTE_MS,
  expiresAtMs: NOW + 14 * MINUTE_MS,
  isValid: true,
  epoch: 1,
  epochStartedAtMs: 0,
  ratePpm: -3.5,
  rateBoundPpm: 7,
  contestedSinceMs: NOW - MINUTE_MS,
  rivalHost: 'host:other',
  rivalSyncId: SYNC,
  rivalOffsetMs: 3_145,
  rivalUncertaintyMs: 10,
  rivalMeasuredAtMs: NOW - MINUTE_MS,
};

const nonsense = fc.oneof(
  fc.constantFrom<unknown>(
    Number.NaN,
    Number.POSITIVE_INFINITY,
    Number.NEGATIVE_INFINITY,
    Number.MAX_VALUE,
    -0,
    null,
    undefined,
    '',
    'NaN',
    'Infinity',
    'kraken',
    'bybit',
    SYNC.toUpperCase(),
    'host:b/2',
    'pg:2:1',
    true,
    false,
    0,
    -1,
    NOW,
    NOW + 3_600_000,
    LIMITS.latestTimeMs + 1,
    LIMITS.maxOffsetMs + 1,
    [],
    {},
  ),
  fc.double(),
  fc.integer(),
  fc.string(),
  fc.anything(),
);

/** Good, but for any number of columns. */
const spoiled = <Row extends object>(good: Row) =>
  fc
    .record(Object.fromEntries(Object.keys(good).map(column => [column, nonsense])), { requiredKeys: [] })
    .map(change => ({ ...good, ...change }) as Row);

const RUNS = { numRuns: 5_000 };
const within = (value: unknown, min: number, max: number) =>
  typeof value === 'number' && value >= min && value <= max;

describe('promise 9: a row that may contain anything', () => {
  it('is believed when it is good', () => {
    expect(assessState(GOOD_STATE, ASSESSMENT)).toEqual({
      exchange: 'BYBIT',
      environment: 'MAINNET',
      scope: 'default',
      syncId: SYNC,
      basis: 'measured',
      estimate: { offsetMs: 145, uncertaintyMs: 12, atMs: NOW - MINUTE_MS },
      expiresAtMs: NOW + 14 * MINUTE_MS,
      referenceClock: 'pg:1:1',
    });
  });

  it('is a valid state of this very connector, or a miss with a reason', () => {
    fc.assert(
      fc.property(spoiled(GOOD_STATE), row => {
        const found = assessState(row, ASSESSMENT);
        if (typeof found === 'string') return void expect(REASONS).toContain(found);
        const { estimate, expiresAtMs, referenceClock } = found;
        expect(row).toMatchObject({ userId: 'u', credentialId: 'c', isValid: true });
        expect(found).toMatchObject({ exchange: 'BYBIT', environment: 'MAINNET' });
        expect(['measured', 'exchange-clock']).toContain(found.basis);
        expect(found.syncId).toMatch(/^[0-9a-f-]{36}$/i);
        expect(within(estimate.offsetMs, -LIMITS.maxOffsetMs, LIMITS.maxOffsetMs)).toBe(true);
        expect(within(estimate.uncertaintyMs, 0, LIMITS.maxOffsetMs)).toBe(true);
        expect([ASSESSMENT.clockId, ASSESSMENT.hostClockId]).toContain(referenceClock);
        const now = referenceClock === ASSESSMENT.clockId ? NOW : ASSESSMENT.hostNowMs;
        expect(within(estimate.atMs, now - MAX_TTL_MS, now + MINUTE_MS)).toBe(true);
        expect(expiresAtMs > now && expiresAtMs - estimate.atMs <= MAX_TTL_MS).toBe(true);
      }),
      RUNS,
    );
  });

  it.each<[keyof RawState, unknown, MissReason]>([
    ['userId', 'another', 'corrupt'],
    ['credentialId', 'another', 'corrupt'],
    ['exchange', 'kraken', 'corrupt'],
    ['exchange', 'BINGX', 'other-connector'],
    ['environment', 'TESTNET', 'other-connector'],
    ['offsetMs', Number.NaN, 'corrupt'],
    ['offsetMs', '145', 'corrupt'],
    ['uncertaintyMs', -1, 'corrupt'],
    ['referenceClock', '', 'corrupt'],
    ['referenceClock', 'pg:2:1', 'other-clock'],
    ['referenceClock', 'host:b/9', 'other-clock'],
    ['syncId', 'x', 'corrupt'],
    ['basis', 'guessed', 'corrupt'],
    ['measuredAtMs', NOW + 2 * MINUTE_MS, 'corrupt'],
    ['expiresAtMs', NOW, 'expired'],
    ['expiresAtMs', NOW + 2 * MAX_TTL_MS, 'corrupt'],
    ['expiresAtMs', NOW - 2 * MINUTE_MS, 'corrupt'],
    ['isValid', false, 'invalid'],
    ['isValid', 'true', 'corrupt'],
  ])('with %s = %p is a miss: %s', (column, value, reason) => {
    expect(assessState({ ...GOOD_STATE, [column]: value }, ASSESSMENT)).toBe(reason);
  });

  it('and no row is absent', () => {
    expect(assessState(undefined, ASSESSMENT)).toBe('absent');
  });

  it('holds for the shared clock too', () => {
    const at = { ...REF, scope: 'default', referenceClock: 'pg:1:1', referenceNowMs: NOW };
    expect(parseClock(undefined, NOW)).toBeUndefined();
    expect(stateFromClock(parseClock(GOOD_CLOCK, NOW) as never, at)).toMatchObject({
      basis: 'exchange-clock',
    });
    fc.assert(
      fc.property(spoiled(GOOD_CLOCK), row => {
        const clock = parseClock(row, NOW);
        if (clock === 'corrupt' || clock === undefined) return expect(clock).toBe('corrupt');
        expect(within(clock.epochStartedAtMs, 0, NOW + MINUTE_MS)).toBe(true);
        const state = stateFromClock(clock, at);
        if (!state) return;
        expect(within(state.estimate.offsetMs, -LIMITS.maxOffsetMs, LIMITS.maxOffsetMs)).toBe(true);
        expect(within(state.estimate.uncertaintyMs, 0, LIMITS.maxOffsetMs)).toBe(true);
        expect(within(state.estimate.atMs, NOW - MAX_TTL_MS, NOW + MINUTE_MS)).toBe(true);
        expect(within(state.expiresAtMs, NOW, state.estimate.atMs + MAX_TTL_MS)).toBe(true);
      }),
      RUNS,
    );
  });
});
