/** What is said twice so that the hot path stays light is the same both times. */
import { describe, expect, it } from '@jest/globals';
import { LIMITS } from '../../src/cache/offset-state.js';
import { MAX_TTL_MS } from '../../src/clock/ttl.js';
import * as catalogue from '../../src/events/catalogue.js';
import { EARLIEST_STAMP_MS, LATEST_STAMP_MS } from '../../src/exchanges/server-stamp.js';
import { migrations } from '../../src/read-model/migrations/index.js';
import { LATEST_MIGRATION } from '../../src/read-model/schema-version.js';

describe('figures that are kept in two places', () => {
  it('limits of a row are those of an event', () => {
    expect(LIMITS).toEqual({
      earliestTimeMs: catalogue.EARLIEST_TIME_MS,
      latestTimeMs: catalogue.LATEST_TIME_MS,
      maxOffsetMs: catalogue.MAX_OFFSET_MS,
      maxRatePpm: catalogue.MAX_RATE_PPM,
    });
    expect([EARLIEST_STAMP_MS, LATEST_STAMP_MS]).toEqual([LIMITS.earliestTimeMs, LIMITS.latestTimeMs]);
    // An event may hold every TTL that a lookup believes.
    expect(MAX_TTL_MS).toBeLessThanOrEqual(catalogue.MAX_OFFSET_MS);
  });

  it('the newest migration is the one that the start looks for', () => {
    expect(migrations.at(-1)?.name).toBe(LATEST_MIGRATION);
  });
});
