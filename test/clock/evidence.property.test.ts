import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import {
  addEvidence,
  boundsOf,
  type Evidence,
  estimateFromEvidence,
  firstEvidence,
} from '../../src/clock/evidence.js';
import { DRIFT_BOUND_PPM, type OffsetEstimate } from '../../src/clock/offset.js';

const TRUTH = 100;
const width = fc.double({ min: 0.5, max: 300, noNaN: true });

/** What an honest host says at a time: an interval around the truth, which drifts within the bound. */
const honest = fc.record({
  host: fc.constantFrom('a', 'b', 'c', 'd'),
  below: width,
  above: width,
  atMs: fc.integer({ min: 0, max: 600_000 }),
});
const lie = fc.record({
  offsetMs: fc.double({ min: -1_000, max: 1_000, noNaN: true }),
  uncertaintyMs: width,
});

const truthAt = (atMs: number, ratePpm: number) => TRUTH + (atMs * ratePpm) / 1e6;

function said(x: { below: number; above: number; atMs: number }, ratePpm: number): OffsetEstimate {
  const truth = truthAt(x.atMs, ratePpm);
  return {
    offsetMs: truth + (x.above - x.below) / 2,
    uncertaintyMs: (x.above + x.below) / 2,
    atMs: x.atMs,
  };
}

const fold = (samples: readonly { host: string; estimate: OffsetEstimate }[]): Evidence => {
  const [first, ...rest] = samples as [{ host: string; estimate: OffsetEstimate }];
  return rest.reduce(
    (evidence, { host, estimate }) => addEvidence(evidence, host, estimate),
    firstEvidence(first.host, first.estimate),
  );
};
const rate = fc.double({ min: -DRIFT_BOUND_PPM, max: DRIFT_BOUND_PPM, noNaN: true });

describe('the evidence of several hosts', () => {
  it('of honest ones holds the truth, and is no wider than what the best two say', () => {
    fc.assert(
      fc.property(fc.array(honest, { minLength: 1, maxLength: 20 }), rate, (xs, ratePpm) => {
        const evidence = fold(xs.map(x => ({ host: x.host, estimate: said(x, ratePpm) })));
        const hosts = new Set(xs.map(x => x.host)).size;
        const { offsetMs, uncertaintyMs, atMs } = estimateFromEvidence(evidence, hosts);

        expect(Math.abs(offsetMs - truthAt(atMs, ratePpm))).toBeLessThanOrEqual(uncertaintyMs + 1e-6);
        const { low, high } = boundsOf(evidence, hosts);
        expect(high - low).toBeLessThanOrEqual(2 * uncertaintyMs + 1e-6);
      }),
      { numRuns: 1_000 },
    );
  });

  it('holds the truth although one of three or more lies whenever it speaks', () => {
    const history = fc.array(
      fc.oneof(
        honest.map(x => ({ x })),
        lie.map(liar => ({ liar })),
      ),
      { maxLength: 20 },
    );
    fc.assert(
      fc.property(history, steps => {
        // All three have been heard before the liar begins.
        let evidence = fold(
          ['a', 'b', 'c'].map(host => ({ host, estimate: said({ below: 200, above: 200, atMs: 0 }, 0) })),
        );
        for (const step of steps) {
          if ('x' in step) evidence = addEvidence(evidence, step.x.host, said(step.x, 0));
          else {
            const estimate = { ...step.liar, atMs: evidence.atMs };
            const { low, high } = boundsOf(evidence, 3);
            // One that contradicts does not get here: shared-clock.ts makes it a rival.
            const isContradiction =
              estimate.offsetMs - estimate.uncertaintyMs > high ||
              estimate.offsetMs + estimate.uncertaintyMs < low;
            if (!isContradiction) evidence = addEvidence(evidence, 'liar', estimate);
          }
          const { low, high } = boundsOf(evidence, 4);
          expect(low).toBeLessThanOrEqual(TRUTH + 1e-6);
          expect(high).toBeGreaterThanOrEqual(TRUTH - 1e-6);
        }
      }),
      { numRuns: 2_000 },
    );
  });

  it('of two hosts is their intersection, of three the second best on either side', () => {
    const say = (host: string, low: number, high: number) => ({
      host,
      estimate: { offsetMs: (low + high) / 2, uncertaintyMs: (high - low) / 2, atMs: 0 },
    });
    const two = fold([say('a', -10, 2), say('b', -3, 20)]);
    expect(boundsOf(two, 2)).toEqual({ low: -3, high: 2 });

    const three = addEvidence(two, 'c', say('c', -1, 5).estimate);
    expect(boundsOf(three, 3)).toEqual({ low: -3, high: 5 });
    expect(estimateFromEvidence(three, 3)).toMatchObject({ offsetMs: 0.5, uncertaintyMs: 4.5 });
  });
});
