import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { parseJson, parseJsonObject } from '../../src/exchanges/json.js';

describe('JSON with its digits kept', () => {
  it('keeps a 19-digit id, which JSON.parse would change', () => {
    const text = '{"orderId":1736012345678901234,"next":[-9007199254740993],"price":0.1234567890123456789}';
    expect(parseJson(text)).toEqual({
      orderId: '1736012345678901234',
      next: ['-9007199254740993'],
      price: Number('0.1234567890123456789'),
    });
    expect(String(JSON.parse(text).orderId)).not.toBe('1736012345678901234');
  });

  it('gives every integer back digit by digit', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: -(10n ** 30n), max: 10n ** 30n }), integer => {
        const { value } = parseJson(`{"value":${integer}}`) as { value: number | string };
        expect(BigInt(value)).toBe(integer);
        expect(typeof value).toBe(Number.isSafeInteger(Number(integer)) ? 'number' : 'string');
      }),
    );
  });

  it('is JSON.parse for everything else', () => {
    fc.assert(
      fc.property(
        fc.json().filter(text => !/\d{16}|__proto__/.test(text)),
        text => {
          // The id sends it through the slower parser.
          expect(parseJson(`{"id":12345678901234567890,"rest":${text}}`)).toEqual({
            id: '12345678901234567890',
            rest: JSON.parse(text),
          });
          expect(parseJson(text)).toEqual(JSON.parse(text));
        },
      ),
    );
  });

  it.each(['', '{', '[1]', 'null', '7', '{"a":1', '{"id":12345678901234567890', 'NaN'])(
    'finds no object in %p',
    text => {
      expect(parseJsonObject(text)).toBeUndefined();
    },
  );
});
