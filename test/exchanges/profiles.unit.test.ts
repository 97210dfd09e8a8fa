/** Profiles: what is checked when one is registered, and that the documents say what the shipped ones do. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { EXCHANGES } from '../../src/events/connector.js';
import type { ExchangeProfile } from '../../src/exchanges/exchange-profile.js';
import { reasonOf } from '../../src/exchanges/refusal-rules.js';
import { hostOf, profileOf, registerExchange, SHIPPED_PROFILES } from '../../src/exchanges/registry.js';
import { readStamp } from '../../src/exchanges/stamp-place.js';
import { GATE } from '../support/gate-profile.js';
import { projectDirectory } from '../support/run.js';

const doc = (name: string) => readFileSync(join(projectDirectory, 'docs', name), 'utf8');

describe('the shipped profiles', () => {
  it('are those that are named, and would be taken if they were registered', () => {
    expect(SHIPPED_PROFILES.map(({ name }) => name)).toEqual(EXCHANGES);
    for (const profile of SHIPPED_PROFILES) registerExchange(profile);
  });

  it.each(EXCHANGES)('%s: every code is in docs/errors.md under its reason, with the source', exchange => {
    const { answers, refusals, source, unexecuted } = profileOf(exchange);
    const title = answers.name.split(' ')[0];
    const section = doc('errors.md').split(`#### ${title}\n`)[1]?.split('\n#### ')[0] ?? '';
    const written = (code: string) => code.replace('-', '−');
    for (const { reason, codes = [] } of refusals) {
      const line = section.split('\n').find(each => each.startsWith(`| \`${reason}\` |`)) ?? '';
      for (const code of codes) expect(line).toMatch(new RegExp(`(^|[^\\d−])${written(code)}\\b`));
    }
    for (const code of unexecuted) expect(section).toContain(written(code));
    expect(section).toContain(`Source: ${source}. Not verified live.`);
  });

  it.each(EXCHANGES)('%s: its hosts are in docs/exchanges.md', exchange => {
    const { hosts, regions = {} } = profileOf(exchange);
    const text = doc('exchanges.md');
    for (const host of [hosts.MAINNET, hosts.TESTNET]) if (host) expect(text).toContain(new URL(host).host);
    for (const region of Object.keys(regions)) expect(text).toContain(`\`${region}\``);
  });
});

describe('registering an exchange', () => {
  it('makes it known, and the same profile again changes nothing', () => {
    registerExchange(GATE);
    registerExchange({ ...GATE });
    expect(profileOf('GATE')).toBe(GATE);
    expect(reasonOf(profileOf('GATE'), 'REQUEST_EXPIRED', '', 403)).toBe('timestamp');
    expect(reasonOf(profileOf('GATE'), 'ELSE', '', 403)).toBe('permission');
  });

  it.each<[string, object, RegExp]>([
    ['a name in small letters', { name: 'gate' }, /1 to 32 capital letters/],
    ['a shipped name', { name: 'OKX' }, /another profile for OKX.*such as OKX_2/],
    ['no host', { hosts: {} }, /GATE_2.*hosts must have one or more of MAINNET, TESTNET, DEMO/],
    ['a host that is none', { hosts: { MAINNET: 'api.gate' } }, /baseUrl must be an http/],
    ['an unknown environment', { hosts: { STAGING: 'https://x.example' } }, /hosts must have/],
    ['no rule for the time', { refusals: [{ codes: ['1'], reason: 'signature' }] }, /reason "timestamp"/],
    [
      'an unknown reason',
      { refusals: [...GATE.refusals, { codes: ['1'], reason: 'clock' }] },
      /a rule that is none: \{"codes":\["1"\],"reason":"clock"\}/,
    ],
    ['codes that are numbers', { refusals: [{ codes: [1], reason: 'timestamp' }] }, /a rule that is none/],
    [
      'an expression that remembers where it was',
      { refusals: [{ codes: ['1'], says: /time/g, reason: 'timestamp' }] },
      /a rule that is none/,
    ],
    ['a window without an end', { window: { ...GATE.window, maxMs: 1e9 } }, /window must have whole/],
    ['a default beyond the limit', { window: { ...GATE.window, maxMs: 1 } }, /defaultMs must be from 1/],
    ['no time', { time: { path: '/t' } }, /time.stamp must say/],
    ['a stamp of no format', { time: { path: '/t', stamp: { at: [], format: 'us' } } }, /must be one of ms/],
    ['no call to verify', { ccxt: { id: 'gate', verification: [] } }, /ccxt must have/],
  ])('refuses %s', (_, change, problem) => {
    const register = () => registerExchange({ ...GATE, name: 'GATE_2', ...change } as ExchangeProfile);
    expect(register).toThrow(problem);
    expect(register).toThrow(expect.objectContaining({ code: 'INVALID_INPUT' }));
  });

  it.each([null, undefined, 'GATE', 5])('refuses %p', value => {
    expect(() => registerExchange(value as never)).toThrow(
      expect.objectContaining({ code: 'INVALID_INPUT' }),
    );
  });
});

describe('the host of an exchange', () => {
  it('is its own, or that of a region', () => {
    expect(hostOf(profileOf('BYBIT'), 'DEMO')).toBe('https://api-demo.bybit.com');
    expect(hostOf(profileOf('BYBIT'), 'MAINNET', 'NL')).toBe('https://api.bybit.nl');
    expect(hostOf(profileOf('BINGX'), 'DEMO')).toBe('https://open-api-vst.bingx.com');
  });

  it.each<[string, 'MAINNET' | 'TESTNET' | 'DEMO', string | undefined, RegExp]>([
    ['KUCOIN', 'TESTNET', undefined, /KUCOIN has no TESTNET environment: it has MAINNET/],
    ['BYBIT', 'MAINNET', 'XX', /one of those that BYBIT has in MAINNET \(bytick, NL/],
    ['BYBIT', 'DEMO', 'NL', /has in DEMO \(none\)/],
    ['BYBIT', 'MAINNET', 'constructor', /region must be one of/],
    ['BINGX', 'MAINNET', 'NL', /BINGX has in MAINNET \(none\)/],
  ])('of %s in %s, region %s, is refused', (exchange, environment, region, problem) => {
    expect(() => hostOf(profileOf(exchange), environment, region)).toThrow(problem);
  });
});

describe('a stamp', () => {
  const MOMENT_MS = 1_760_000_000_123;
  it.each([
    ['ms', MOMENT_MS, MOMENT_MS, 1],
    ['ms', String(MOMENT_MS), Number.NaN, 1],
    ['ms-digits', String(MOMENT_MS), MOMENT_MS, 1],
    ['ms-digits', MOMENT_MS, Number.NaN, 1],
    ['us-digits', `${MOMENT_MS}456`, MOMENT_MS + 0.456, 0.001],
    ['ns-digits', `${MOMENT_MS}456789`, MOMENT_MS + 0.456789, 0.001],
    ['seconds', 1_760_000_000, 1_760_000_000_000, 1000],
    ['seconds', '1760000000', 1_760_000_000_000, 1000],
    ['seconds', 1.5, Number.NaN, 1000],
    ['iso', '2025-10-09T08:53:20.123Z', MOMENT_MS, 1],
    ['iso', '2025-10-09T08:53:20', 1_760_000_000_000, 1],
    ['iso', '2025-10-09T08:53:20+02:00', Number.NaN, 1],
    ['iso', 'yesterday', Number.NaN, 1],
  ] as const)('written as %s, %p, is %p ± %p', (format, told, ms, resolutionMs) => {
    const read = readStamp({ at: ['a', 0], format }, { a: [told] }, {});
    expect(read?.resolutionMs).toBe(resolutionMs);
    if (Number.isNaN(ms)) expect(read?.ms).toBeNaN();
    else expect(read?.ms).toBeCloseTo(ms, 3);
  });

  it('stands in a header, or nowhere', () => {
    const place = { at: { header: 'x-out-time' }, format: 'us-digits' } as const;
    expect(readStamp(place, undefined, { 'x-out-time': '1760000000123456' })?.ms).toBeCloseTo(
      1_760_000_000_123.456,
      3,
    );
    expect(readStamp(place, {}, {})).toBeUndefined();
    expect(readStamp({ at: ['a', 'b'], format: 'ms' }, { a: null }, {})).toBeUndefined();
    expect(readStamp(undefined, {}, {})).toBeUndefined();
  });
});
