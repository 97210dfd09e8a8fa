/** Hits counted for a connector that carries its own count: nothing is added to what a flush has taken. */
import { describe, expect, it } from '@jest/globals';
import { HitCounts } from '../../src/cache/hit-counts.js';
import { KnownConnectors } from '../../src/cache/known-connector.js';

const REF = { userId: 'u', credentialId: 'c', exchange: 'BYBIT', environment: 'MAINNET' } as const;

describe('the count that a connector carries', () => {
  it('is left alone once it was taken: what follows begins another', () => {
    const [counts, connector] = [new HitCounts(), new KnownConnectors().know(REF)];
    expect(counts.count(connector, 'redis', connector.key, 1_000, 1)).toBe(true);
    expect(counts.count(connector, 'redis', connector.key, 2_000, 2)).toBe(false);
    const taken = counts.takeOldest();
    expect(counts.count(connector, 'redis', connector.key, 3_000, 3)).toBe(true);
    expect(taken?.data).toMatchObject({ count: 2, firstAt: 1_000, lastAt: 2_000 });
    expect(counts.takeOldest()?.data).toMatchObject({ count: 1, firstAt: 3_000, lastAt: 3_000 });
    expect(counts.takeOldest()).toBeUndefined();
  });

  it('is of one tier, and of one recorder', () => {
    const [counts, others, connector] = [new HitCounts(), new HitCounts(), new KnownConnectors().know(REF)];
    for (const [i, tier] of (['redis', 'memory', 'redis', 'memory'] as const).entries())
      counts.count(connector, tier, connector.key, 1_000, i);
    others.count(connector, 'memory', connector.key, 2_000, 1);
    counts.count(connector, 'memory', connector.key, 3_000, 9, 'stale');
    const all = [1, 2, 3].map(() => counts.takeOldest()?.data);
    expect(all.map(data => [data?.tier, data?.count, data?.stale ?? false])).toEqual([
      ['redis', 2, false],
      ['memory', 2, false],
      ['memory', 1, true],
    ]);
    expect(others.takeOldest()?.data).toMatchObject({ count: 1 });
  });

  it('does not follow into a copy that is another connector, nor lie in an object of the caller', () => {
    const [counts, connector] = [new HitCounts(), new KnownConnectors().know(REF)];
    counts.count(connector, 'redis', connector.key, 1_000, 1);
    counts.count({ ...connector, environment: 'TESTNET' }, 'redis', 'another', 1_000, 2);
    const given = { ...REF };
    counts.count(given, 'redis', 'given', 1_000, 3);
    counts.count(given, 'redis', 'given', 1_000, 4);
    expect(given).toEqual(REF);
    expect([1, 2, 3].map(() => counts.takeOldest()?.data.count)).toEqual([1, 1, 2]);
  });
});
