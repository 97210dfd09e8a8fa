/** An edge and an exchange whose clocks are known: what is said of the difference must be true, and a hint must be rare. */
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { EdgeClock, isApart } from '../../src/clock/edge-clock.js';
import type { ClockSample } from '../../src/clock/offset.js';

const START_MS = 1_764_000_000_000;

interface Answer {
  readonly atMs: number;
  readonly roundTripMs: number;
  /** Where on the way the exchange stamps, and then the edge; shares of the round trip. */
  readonly at: readonly [number, number];
}

const answers = fc.array(
  fc.record({
    atMs: fc.double({ min: 0, max: 60_000, noNaN: true }),
    roundTripMs: fc.double({ min: 0, max: 400, noNaN: true }),
    at: fc.tuple(fc.double({ min: 0, max: 1, noNaN: true }), fc.double({ min: 0, max: 1, noNaN: true })),
  }),
  { minLength: 1, maxLength: 40 },
);
const off = fc.double({ min: -20_000, max: 20_000, noNaN: true });

function sampleOf({ atMs, roundTripMs, at }: Answer, which: 0 | 1, clockMs: number): ClockSample {
  const sentAtMs = START_MS + atMs;
  const shown = sentAtMs + at[which] * roundTripMs + clockMs;
  const resolutionMs = which === 0 ? 1 : 1_000;
  return {
    sentAtMs,
    receivedAtMs: sentAtMs + roundTripMs,
    serverTimeMs: Math.floor(shown / resolutionMs) * resolutionMs,
    resolutionMs,
  };
}

const inOrder = (all: readonly Answer[]) => [...all].sort((a, b) => a.atMs - b.atMs);

describe('an edge’s clock', () => {
  it('is known within what is said, and steady while neither clock moves', () => {
    fc.assert(
      fc.property(answers, off, off, fc.array(fc.boolean()), (all, exchange, edge, stamped) => {
        const clock = new EdgeClock();
        const known = { offsetMs: exchange, uncertaintyMs: 5, atMs: START_MS };
        inOrder(all).forEach((answer, n) => {
          const date = sampleOf(answer, 1, edge);
          if (n === 0 || stamped[n]) clock.comparedWith(sampleOf(answer, 0, exchange), date);
          else expect(clock.heard(date, known)).toBe('steady');
          const ahead = clock.aheadOfExchange;
          const error = Math.abs((ahead?.offsetMs ?? Number.NaN) - (edge - exchange));
          expect(error).toBeLessThanOrEqual((ahead?.uncertaintyMs ?? 0) + 0.001);
          if (ahead && isApart(ahead)) expect(Math.abs(edge - exchange)).toBeGreaterThan(100);
        });
      }),
    );
  });

  it('that departs, or an exchange that does, is found; the difference stays until a stamp decides', () => {
    const clock = new EdgeClock();
    const answer = (atMs: number): Answer => ({ atMs, roundTripMs: 20, at: [0.5, 0.5] });
    const known = { offsetMs: 0, uncertaintyMs: 5, atMs: START_MS };
    clock.comparedWith(sampleOf(answer(0), 0, 0), sampleOf(answer(0), 1, 4_000));
    const before = clock.aheadOfExchange;

    expect(clock.heard(sampleOf(answer(500), 1, 7_000), known)).toBe('moved');
    expect(clock.aheadOfExchange).toEqual(before);
    clock.comparedWith(sampleOf(answer(900), 0, 0), sampleOf(answer(900), 1, 7_000));
    expect(clock.heard(sampleOf(answer(1_000), 1, 7_000), known)).toBe('steady');
  });

  it('of which nothing was heard is taken for the exchange’s unless it cannot be', () => {
    const answer: Answer = { atMs: 0, roundTripMs: 20, at: [0.5, 0.5] };
    const known = { offsetMs: 0, uncertaintyMs: 5, atMs: START_MS };
    expect(new EdgeClock().heard(sampleOf(answer, 1, 0), known)).toBe('steady');
    expect(new EdgeClock().heard(sampleOf(answer, 1, -4_000), known)).toBe('apart');
  });

  it('gives fewer hints the oftener it moves', () => {
    const clock = new EdgeClock();
    let hints = 0;
    for (let ms = 0; ms < 12 * 3_600_000; ms += 1_000) if (clock.isHint(START_MS + ms)) hints++;
    expect(hints).toBeLessThan(20);
    expect(clock.isHint(START_MS + 40 * 3_600_000)).toBe(true);
  });
});
