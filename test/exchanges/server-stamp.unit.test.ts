import { describe, expect, it } from '@jest/globals';
import { EARLIEST_TIME_MS, LATEST_TIME_MS } from '../../src/events/catalogue.js';
import {
  EARLIEST_STAMP_MS,
  isServerStamp,
  LATEST_STAMP_MS,
  stampFromDigits,
  stampFromNanoseconds,
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
