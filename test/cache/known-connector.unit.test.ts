import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { KnownConnectors } from '../../src/cache/known-connector.js';
import type { ConnectorRef } from '../../src/events/connector.js';

/** Few different ones, so that they meet; some malformed, some that read alike. */
const id = fc.constantFrom('a', 'a\nb', 'b', '', 'x_y', 1, null, undefined, { toString: () => 'a' });
const ref = fc.record({
  userId: id,
  credentialId: id,
  exchange: fc.constantFrom('BYBIT', 'OKX', 'no exchange!', Symbol('BYBIT')),
  environment: fc.constantFrom('MAINNET', 'TESTNET', 'nowhere'),
  scope: fc.constantFrom(undefined, 'default', 'other', 7),
});

const tried = <T>(work: () => T): T | string => {
  try {
    return work();
  } catch (error) {
    return (error as Error).message;
  }
};

describe('a connector that is one of many', () => {
  it('is known as it is by itself, whatever was asked before', () => {
    fc.assert(
      fc.property(fc.array(ref, { maxLength: 200 }), fc.constantFrom(0, 1, 50), (refs, most) => {
        const many = new KnownConnectors(most);
        for (const each of refs as unknown as ConnectorRef[]) {
          const alone = tried(() => new KnownConnectors().know({ ...each }));
          expect(tried(() => many.knowOneOfMany({ ...each }))).toEqual(alone);
        }
      }),
    );
  });

  it('is checked once, though each time another object says the same', () => {
    const many = new KnownConnectors(10);
    const said = () =>
      ({ userId: 'a', credentialId: 'b', exchange: 'BYBIT', environment: 'MAINNET' }) as const;
    expect(many.knowOneOfMany(said())).toBe(many.knowOneOfMany(said()));
  });

  it('is the one that asked by itself before, as long as it says the same', () => {
    const many = new KnownConnectors(0);
    const asked = { userId: 'a', credentialId: 'b', exchange: 'BYBIT', environment: 'MAINNET' } as const;
    const known = many.know(asked);
    expect(many.knowOneOfMany(asked)).toBe(known);
    Object.assign(asked, { userId: 'c' });
    expect(many.knowOneOfMany(asked).userId).toBe('c');
  });
});
