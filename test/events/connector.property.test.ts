import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { isConnectorStateError } from '../../src/base/errors.js';
import {
  type CredentialRef,
  cacheKeyOf,
  MAX_ID_LENGTH,
  parseCacheKey,
  parseConnectorRef,
  parseEnvironment,
  parseExchange,
  parseId,
} from '../../src/events/connector.js';
import { hitsStreamOf, isForgettable, stateStreamOf } from '../../src/events/streams.js';

/** Rich in what the encoding treats specially. */
const id = fc
  .oneof(
    fc.string({ unit: fc.constantFrom('_', '%', '2', '5', 'F', 'f', 'a', '%25', '%5F'), minLength: 1 }),
    fc.string({ unit: 'binary', minLength: 1 }),
  )
  .filter(text => {
    try {
      return parseId('id', text) === text;
    } catch {
      return false;
    }
  });
const ref: fc.Arbitrary<CredentialRef> = fc.record({ userId: id, credentialId: id });

describe('the cache key', () => {
  it('always decodes to the ids it was made of', () => {
    fc.assert(fc.property(ref, pair => expect(parseCacheKey(cacheKeyOf(pair))).toEqual(pair)));
  });

  it('is never shared by two different pairs, nor are the streams named after it', () => {
    // One text cut in two at two places: pairs that a bare separator would confuse.
    const confusable = fc
      .tuple(
        fc.array(fc.constantFrom('_', '%', '5F', '25', 'a'), { minLength: 3, maxLength: 8 }),
        fc.nat(),
        fc.nat(),
      )
      .map(([parts, a, b]) => {
        const cut = (at: number): CredentialRef => ({
          userId: parts.slice(0, at).join(''),
          credentialId: parts.slice(at).join(''),
        });
        return [cut(1 + (a % (parts.length - 1))), cut(1 + (b % (parts.length - 1)))] as const;
      });
    fc.assert(
      fc.property(fc.oneof(confusable, fc.tuple(ref, ref)), ([a, b]) => {
        const same = a.userId === b.userId && a.credentialId === b.credentialId;
        expect(cacheKeyOf(a) === cacheKeyOf(b)).toBe(same);
        expect(stateStreamOf(a) === stateStreamOf(b)).toBe(same);
        expect(hitsStreamOf(a) === hitsStreamOf(b)).toBe(same);
      }),
    );
  });

  it('reads userId_credentialId for ordinary ids', () => {
    expect(cacheKeyOf({ userId: 'user123', credentialId: 'cred456' })).toBe('user123_cred456');
  });

  it('has at most 769 characters', () => {
    const longest = '_'.repeat(MAX_ID_LENGTH);
    expect(cacheKeyOf({ userId: longest, credentialId: longest })).toHaveLength(769);
  });

  it('names a hits stream that may be forgotten and a state stream that may not', () => {
    fc.assert(
      fc.property(ref, pair => {
        expect(isForgettable(hitsStreamOf(pair))).toBe(true);
        expect(isForgettable(stateStreamOf(pair))).toBe(false);
      }),
    );
  });
});

describe('ids', () => {
  it.each(['a', 'x'.repeat(128), 'käse 🧀', 'a_b%c', ' '])('takes %j', value => {
    expect(parseId('userId', value)).toBe(value);
  });

  it.each([
    ['', /1 to 128 characters, got 0/],
    ['x'.repeat(129), /got 129/],
    ['a\u0000b', /control characters/],
    ['a\nb', /control characters/],
    ['a\u007f', /control characters/],
    ['a\u0085', /control characters/],
    ['\ud800', /unpaired surrogates/],
    ['\udc00x', /unpaired surrogates/],
    [undefined, /must be a string, got undefined/],
    [null, /got null/],
    [42, /got 42/],
  ])('refuses %j', (value, message) => {
    expect(() => parseId('userId', value)).toThrow(message);
  });

  it('refuses whatever is no connector with a typed error, and nothing else', () => {
    const parsers = [
      (value: unknown) => parseId('userId', value),
      parseExchange,
      parseEnvironment,
      (value: unknown) => parseConnectorRef(value as never),
    ];
    fc.assert(
      fc.property(
        fc.anything({ withNullPrototype: true, withBigInt: true }),
        fc.constantFrom(...parsers),
        (value, parse) => {
          try {
            parse(value);
          } catch (error) {
            expect(isConnectorStateError(error, 'INVALID_INPUT')).toBe(true);
          }
        },
      ),
    );
  });

  it.each(['bybit', '', '1INCH', 'A'.repeat(33), 'GATE.IO', 'Ä', null, undefined])(
    'refuses exchange %j and says what a name is',
    value => {
      expect(() => parseExchange(value)).toThrow(/1 to 32 capital letters, digits and "_".*BYBIT, BINGX/);
    },
  );

  it.each(['BYBIT', 'KRAKEN', 'BINANCE_USDM', 'A1'])('takes exchange %s, registered here or not', value => {
    expect(parseExchange(value)).toBe(value);
  });
});
