/** Tokens of the feed: what is brought back is what was given, and anything else is refused with its text. */
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { isConnectorStateError } from '../../src/base/errors.js';
import type { Position } from '../../src/events/event.js';
import { decodeToken, encodeToken, placeAt, tailOf } from '../../src/events/place-token.js';

const position = fc
  .oneof(
    fc.bigInt(1n, 2n ** 63n - 1n).map(n => `pg/${n}`),
    fc.tuple(fc.bigInt(0n, 2n ** 63n - 1n), fc.bigInt(0n, 2n ** 63n - 1n)).map(([c, p]) => `esdb/${c}/${p}`),
  )
  .map(text => text as Position);
const eventAt = fc.record({ id: fc.uuid(), position });
const log = fc.option(fc.uuid().map(tailOf), { nil: undefined });

describe('a token', () => {
  it('gives back the place that it was made of', () => {
    fc.assert(
      fc.property(
        eventAt,
        log,
        fc.option(eventAt, { nil: undefined }),
        fc.boolean(),
        (at, of, anchor, isHit) => {
          const stream = isHit ? 'connector_state_hits-a_b' : 'connector_state-a_b';
          const place = placeAt(of, { ...at, stream }, anchor);
          const token = encodeToken(place);
          expect(decodeToken(token)).toEqual(place);
          // What a header, a query and an event stream's `id:` line take as it is.
          expect(token).toMatch(/^[a-z0-9./-]{1,200}$/);
        },
      ),
    );
  });

  it('holds of an id only what is random in it', () => {
    const id = '0193b3a0-1234-7abc-8def-0123456789ab';
    const token = encodeToken(
      placeAt(undefined, { id, position: 'pg/7' as Position, stream: 'x' }, undefined),
    );
    expect(token).not.toContain('0193b3a0');
  });

  it('that nobody gave is refused, whatever it is', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.string().map(text => `1.${text}`),
        ),
        text => {
          try {
            const place = decodeToken(text);
            expect(encodeToken(place)).toBe(text === '1.-.-.-' ? text : encodeToken(decodeToken(text)));
          } catch (error) {
            expect(isConnectorStateError(error, 'INVALID_INPUT')).toBe(true);
          }
        },
      ),
    );
    for (const bad of ['', '1', '1.-.pg/1.-', '2.-.-.-', '1.-.-.-.h', `1.-.pg/1.${'0'.repeat(16)}.x`]) {
      expect(() => decodeToken(bad)).toThrow(/a place in the feed must be/);
    }
  });
});
