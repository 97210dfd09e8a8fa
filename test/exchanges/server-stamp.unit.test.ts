import { describe, expect, it } from '@jest/globals';
import { EARLIEST_TIME_MS, LATEST_TIME_MS } from '../../src/events/catalogue.js';
import {
  EARLIEST_STAMP_MS,
  isFromCache,
  isServerStamp,
  LATEST_STAMP_MS,
  stampFromDate,
  stampFromDigits,
  stampFromNanoseconds,
  stampOf,
} from '../../src/exchanges/server-stamp.js';

describe('an exchange’s stamp', () => {
  it('has the limits of the event catalogue, so that what is believed can be recorded', () => {
    expect([EARLIEST_STAMP_MS, LATEST_STAMP_MS]).toEqual([EARLIEST_TIME_MS, LATEST_TIME_MS]);
  });

  it('is whole milliseconds of this century', () => {
    expect([EARLIEST_STAMP_MS, 1_760_000_000_000, LATEST_STAMP_MS].every(isServerStamp)).toBe(true);
    for (const wrong of [EARLIEST_STAMP_MS - 1, LATEST_STAMP_MS + 1, 1.76e9, 1.5e12 + 0.5, Number.NaN, '1']) {
      expect(isServerStamp(wrong)).toBe(false);
    }
  });

  it('is a number as it was sent, and nothing coerced', () => {
    expect(stampOf(1_760_000_000_000)).toBe(1_760_000_000_000);
    // Kept, so that it can be named.
    expect([stampOf(1.76e9), stampOf(1_760_000_000.25), stampOf(1.76e15), stampOf(0), stampOf(-5)]).toEqual([
      1.76e9, 1_760_000_000.25, 1.76e15, 0, -5,
    ]);
    expect(stampOf('1760000000000250000')).toBe(1.76e18 + 250_000);
    for (const wrong of ['1760000000000', 1_760_000_000_000.5, null, {}, undefined, true, Number.NaN]) {
      expect(stampOf(wrong)).toBeNaN();
    }
  });

  it('is read from digits, and from nothing else', () => {
    expect(stampFromDigits('1760000000000')).toBe(1_760_000_000_000);
    for (const wrong of [1_760_000_000_000, '1760000000', ' 1760000000000', '0000000000001', '', null]) {
      expect(stampFromDigits(wrong)).toBeUndefined();
    }
  });

  it('is read from nanoseconds without losing the microseconds', () => {
    expect(stampFromNanoseconds('1760000000000250000')).toBe(1_760_000_000_000.25);
    for (const wrong of ['1760000000000', '17600000000002500000', '9999999999999999999', 1, undefined]) {
      expect(stampFromNanoseconds(wrong)).toBeUndefined();
    }
  });
});

describe('a Date header', () => {
  it('is a stamp in the one form that may be sent', () => {
    expect(stampFromDate({ date: 'Sun, 06 Nov 1994 08:49:37 GMT' })).toBe(Date.UTC(1994, 10, 6, 8, 49, 37));
    expect(stampFromDate({})).toBeUndefined();
  });

  it.each([
    'Sunday, 06-Nov-94 08:49:37 GMT',
    'Sun Nov  6 08:49:37 1994',
    'Mon, 06 Nov 1994 08:49:37 GMT',
    'Sun, 6 Nov 1994 08:49:37 GMT',
    'Sun, 06 Nov 1994 08:49:60 GMT',
    'Sun, 06 Nov 1994 25:49:37 GMT',
    'Wed, 31 Nov 1994 08:49:37 GMT',
    'Sun, 06 Nov 1994 08:49:37 UTC',
    'Sun, 06 Nov 1994 08:49:37 +0100',
    'Sun, 06 Nov 1994 08:49:37 GMT, Sun, 06 Nov 1994 08:49:37 GMT',
    '1994-11-06T08:49:37Z',
    '784111777',
    'Invalid Date',
    '',
  ])('%p is none', date => {
    expect(stampFromDate({ date })).toBeNaN();
  });
});

describe('an Age header', () => {
  it('tells that an answer was kept by a cache', () => {
    expect([{}, { age: '0' }, { age: '1' }, { age: '3600' }, { age: 'a while' }].map(isFromCache)).toEqual([
      false,
      false,
      true,
      true,
      true,
    ]);
  });
});
