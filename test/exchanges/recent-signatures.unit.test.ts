/** By what a request holds of its timestamp, when it was signed: never later than it was. */
import { describe, expect, it } from '@jest/globals';
import { RecentSignatures } from '../../src/exchanges/recent-signatures.js';

const signature = (timestampMs: number) => ({
  timestampMs,
  signedAtMs: timestampMs + 7,
  signedAtWallMs: timestampMs,
});

describe('a signature is found again', () => {
  it('by its millisecond, once, or by a few later that the SDK added', () => {
    const recent = new RecentSignatures();
    recent.add(signature(10_000));
    recent.add(signature(10_400));
    expect(recent.take(10_003)).toEqual(signature(10_000));
    expect(recent.take(10_003)).toBeUndefined();
    expect(recent.take(10_400)).toEqual(signature(10_400));
  });

  it('by its second: the first of that second, for each of them, in whatever order they are answered', () => {
    const recent = new RecentSignatures(1_000);
    for (const timestampMs of [10_100, 10_900, 11_500]) recent.add(signature(timestampMs));
    expect(recent.take(11_000)).toEqual(signature(11_500));
    expect(recent.take(10_000)).toEqual(signature(10_100));
    expect(recent.take(10_000)).toEqual(signature(10_100));
    expect(recent.take(9_000)).toBeUndefined();
  });
});
