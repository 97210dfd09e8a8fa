import { describe, expect, it, jest } from '@jest/globals';
import fc from 'fast-check';
import { createRedactor } from '../../src/exchanges/redact.js';

const secret = fc.string({ minLength: 8, maxLength: 80 }).filter(text => text.trim().length >= 8);

describe('redaction', () => {
  it('always removes each secret, in every spelling, wherever it stands', () => {
    fc.assert(
      fc.property(secret, secret, fc.string(), fc.string(), (key, value, before, after) => {
        const redact = createRedactor([key, value]);
        for (const each of [key, value]) {
          for (const spelling of [
            each,
            encodeURIComponent(each),
            JSON.stringify(each).slice(1, -1),
            Buffer.from(each).toString('hex'),
          ]) {
            expect(redact(`${before}${spelling}${after}`)).not.toContain(spelling);
          }
        }
      }),
    );
  });

  it('always removes a secret that what is read of a long message would halve', () => {
    const blanks = fc.integer({ min: 16_200, max: 16_500 });
    fc.assert(
      fc.property(secret, blanks, (value, count) => {
        const safe = createRedactor([value])(`${'\n'.repeat(count)}${value}${'z'.repeat(1000)}`);
        expect(safe).not.toContain(value.trim().slice(0, 6));
      }),
      { examples: [['12345678', 16_380]] },
    );
  });

  it('reads no more of a message than it needs', () => {
    const redact = createRedactor(['key']);
    const replaced = jest.spyOn(String.prototype, 'replaceAll');
    expect(redact('x'.repeat(8_000_000))).toHaveLength(301);
    expect(Math.max(...replaced.mock.contexts.map(text => String(text).length))).toBeLessThan(20_000);
    replaced.mockRestore();
  });

  it('removes what a signature error quotes, brackets in it or not', () => {
    const redact = createRedactor(['key']);
    expect(redact('error sign! origin_string[1760000000000other5000a[]=1&b=2] and more')).toBe(
      'error sign! origin_string[redacted]',
    );
  });

  it('removes signatures and control characters, keeps the rest, and bounds it', () => {
    const redact = createRedactor(['key']);
    expect(redact(`bad\r\nsignature ${'0f'.repeat(32)} given`)).toBe('bad signature [redacted] given');
    expect(redact('read \u202edesrever\u2028 of\u200b it')).toBe('read  desrever  of  it');
    expect(redact('Too many visits!')).toBe('Too many visits!');
    expect(redact('x'.repeat(1000))).toHaveLength(301);
  });

  it('leaves text alone when there is no secret to look for', () => {
    expect(createRedactor([''])('abc')).toBe('abc');
  });
});
