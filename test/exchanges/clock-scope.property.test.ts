import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { InvalidInputError } from '../../src/base/errors.js';
import { DEFAULT_SCOPE, ENVIRONMENTS, EXCHANGES, parseScope } from '../../src/events/connector.js';
import { clockScopeOf } from '../../src/exchanges/clock-scope.js';
import { hostOf, profileOf } from '../../src/exchanges/registry.js';

const MAINNET = { exchange: 'BYBIT', environment: 'MAINNET' } as const;
const scopeOf = (baseUrl: string | undefined, clockScope?: string) =>
  clockScopeOf({ ...MAINNET, baseUrl, clockScope });

const anyPlace = fc.record({
  exchange: fc.constantFrom('BYBIT', 'BINGX'),
  environment: fc.constantFrom(...ENVIRONMENTS),
});
const anyName = fc
  .stringMatching(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/)
  .filter(n => n.toLowerCase() !== 'default');

describe('the scope of a clock', () => {
  it("is the default only on the exchange's own host for the environment", () => {
    for (const exchange of EXCHANGES) {
      for (const environment of ENVIRONMENTS) {
        const { hosts } = profileOf(exchange);
        const own = hosts[environment];
        if (own === undefined) continue;
        expect(clockScopeOf({ exchange, environment })).toBe(DEFAULT_SCOPE);
        expect(clockScopeOf({ exchange, environment, baseUrl: own })).toBe(DEFAULT_SCOPE);
        const other = environment === 'MAINNET' ? 'TESTNET' : 'MAINNET';
        expect(clockScopeOf({ exchange, environment: other, baseUrl: own })).toBe(
          hosts[other] === own ? DEFAULT_SCOPE : own,
        );
      }
    }
  });

  it.each([
    'https://API.Bybit.COM',
    'https://api.bybit.com:443',
    'https://api.bybit.com./',
    'HTTPS://api.bybit.com.:443//',
    'https://api.bybit.com/some/path',
    'https://%61pi.bybit.com',
  ])('takes %s for the own host', baseUrl => {
    expect(scopeOf(baseUrl)).toBe(DEFAULT_SCOPE);
  });

  it.each([
    ['http://api.bybit.com', 'http://api.bybit.com'],
    ['https://api.bybit.com:8443', 'https://api.bybit.com:8443'],
    ['https://api.bytick.com', 'https://api.bytick.com'],
    ['https://api-demo.bybit.com', 'https://api-demo.bybit.com'],
    ['https://api.bybit.com.evil.example', 'https://api.bybit.com.evil.example'],
    ['https://api.bybit.com:443@evil.example', undefined],
    ['http://LOCALHOST:80/', 'http://localhost'],
    ['http://0x7f.1:4010', 'http://127.0.0.1:4010'],
    ['http://[0:0:0:0:0:0:0:1]:80', 'http://[::1]'],
    ['http://[::ffff:127.0.0.1]', 'http://[::ffff:7f00:1]'],
    ['https://BÜCHER.example', 'https://xn--bcher-kva.example'],
    ['https://xn--bcher-kva.example.', 'https://xn--bcher-kva.example'],
    ['https://аpi.bybit.com', 'https://xn--pi-6kc.bybit.com'],
    ['https://default', 'https://default'],
  ])('of %s is %s', (baseUrl, scope) => {
    if (scope === undefined) expect(() => scopeOf(baseUrl)).toThrow(InvalidInputError);
    else expect(scopeOf(baseUrl)).toBe(scope);
  });

  it('tells the paths of a gateway apart without repeating them', () => {
    const [one, two] = [
      scopeOf('https://gw.example/s3cret/bybit'),
      scopeOf('https://gw.example/s3cret/demo'),
    ];
    expect(one).not.toBe(two);
    expect(one).toBe(scopeOf('https://GW.example:443/s3cret/bybit//'));
    expect(one).toMatch(/^https:\/\/gw\.example\/~[0-9a-f]{12}$/);
  });

  it('never lets a loopback or unknown host meet the default', () => {
    fc.assert(
      fc.property(
        anyPlace,
        fc.webUrl({ withFragments: false, withQueryParameters: false }),
        (place, baseUrl) => {
          const own = new URL(hostOf(profileOf(place.exchange), place.environment)).host;
          fc.pre(new URL(baseUrl).host !== own);
          const scope = clockScopeOf({ ...place, baseUrl });
          expect(scope).not.toBe(DEFAULT_SCOPE);
          expect(parseScope(scope)).toBe(scope);
        },
      ),
    );
  });

  it('is what the user names, and such a name meets no host', () => {
    fc.assert(
      fc.property(anyPlace, anyName, fc.webUrl(), (place, clockScope, other) => {
        expect(clockScopeOf({ ...place, clockScope })).toBe(clockScope);
        expect(clockScopeOf({ ...place, baseUrl: 'http://127.0.0.1:1', clockScope })).toBe(clockScope);
        expect(clockScope).not.toBe(clockScopeOf({ ...place, baseUrl: new URL(other).origin }));
      }),
    );
  });

  it.each(['', 'default', 'DEFAULT', 'a b', 'https://x', '-a', 'x'.repeat(65), 'é', 'a\n', 7, null])(
    'refuses the name %p and says what would do',
    clockScope => {
      expect(() => scopeOf(undefined, clockScope as string)).toThrow(/clockScope must be 1 to 64 letters/);
    },
  );

  it('refuses a host too long to be a name, and takes it with a clockScope', () => {
    const baseUrl = `https://${'a.'.repeat(200)}example`;
    expect(() => scopeOf(baseUrl)).toThrow(/clockScope/);
    expect(scopeOf(baseUrl, 'gateway')).toBe('gateway');
  });

  it.each(['', 'a b', 'ü', 'x'.repeat(301), 5, null])(
    'of a ref must be visible ASCII: %p is refused',
    scope => {
      expect(() => parseScope(scope)).toThrow(InvalidInputError);
    },
  );
});
