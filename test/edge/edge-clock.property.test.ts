/** Whatever happens on the way, the interval that an isolate claims holds the exchange's time. */
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { DEFAULT_RANGE } from '../../src/clock/request-window.js';
import { EdgeClock, mayBeReplayed } from '../../src/edge/edge-clock.js';
import type { PublishedClock } from '../../src/edge/published-clock.js';

const START_MS = 1_795_000_000_000;
const HOST_ERROR_MS = 1_000;

/** True time, with a fraction; the isolate's clock shows its whole milliseconds as of its last I/O. */
function isolate() {
  let trueMs = START_MS;
  let shownMs = START_MS;
  return {
    passes(ms: number) {
      trueMs += ms;
    },
    /** Time as the runtime shows it moves with I/O only. */
    io() {
      shownMs = Math.floor(trueMs);
    },
    now: () => shownMs,
    trueMs: () => trueMs,
  };
}

const published = (offsetMs: number, uncertaintyMs: number, atMs: number): PublishedClock => ({
  exchange: 'BYBIT',
  environment: 'MAINNET',
  scope: 'default',
  estimate: { offsetMs, uncertaintyMs, atMs },
  epoch: 1,
  isValid: true,
});

const leg = fc.oneof(
  fc.double({ min: 0, max: 80, noNaN: true }),
  fc.double({ min: 0, max: 9_000, noNaN: true }),
);
const answer = fc.record({
  thereMs: leg,
  backMs: leg,
  computingMs: fc.double({ min: 0, max: 40, noNaN: true }),
  restMs: fc.double({ min: 0, max: 3_600_000, noNaN: true }),
  kind: fc.constantFrom('stamp' as const, 'stampless' as const),
});

describe('the clock of an isolate', () => {
  it('never claims an interval that the exchange’s time is outside of', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: -60_000, max: 60_000 }),
        fc.integer({ min: -HOST_ERROR_MS, max: HOST_ERROR_MS }),
        fc.double({ min: 0, max: 200, noNaN: true }),
        fc.option(fc.double({ min: -1, max: 1, noNaN: true }), { nil: undefined }),
        fc.array(answer, { maxLength: 8 }),
        (exchangeAheadMs, referenceAheadMs, boundMs, error, answers) => {
          const host = isolate();
          const clock = new EdgeClock(DEFAULT_RANGE, HOST_ERROR_MS, host.now);
          const exchangeMs = () => host.trueMs() + exchangeAheadMs;
          const holds = () => {
            const { earliestMs, latestMs } = clock.now();
            // The reading is as old as the last I/O.
            const thenMs = host.now() + exchangeAheadMs;
            expect(earliestMs).toBeLessThanOrEqual(thenMs + 1);
            expect(latestMs).toBeGreaterThanOrEqual(thenMs);
          };
          host.io();
          if (error !== undefined) {
            const offset = exchangeAheadMs - referenceAheadMs + error * boundMs;
            clock.adopt(published(offset, boundMs, host.now() + referenceAheadMs));
          }
          holds();
          for (const { thereMs, backMs, computingMs, restMs, kind } of answers) {
            host.passes(restMs);
            host.io();
            host.passes(computingMs);
            const sentAtMs = host.now();
            const timestampMs = clock.timestamp();
            host.passes(thereMs);
            const judgedMs = Math.floor(exchangeMs());
            host.passes(backMs);
            host.io();
            host.passes(computingMs);
            const isAccepted =
              timestampMs >= judgedMs - DEFAULT_RANGE.recvWindowMs &&
              timestampMs < judgedMs + DEFAULT_RANGE.earlyLimitMs;
            if (kind === 'stamp') clock.learnStamp(sentAtMs, judgedMs);
            else if (isAccepted) clock.learnAcceptance({ timestampMs, signedAtMs: sentAtMs });
            holds();
          }
        },
      ),
      { numRuns: 2_000 },
    );
  });

  it('signs within the window at once by a published clock, and after one refusal without any', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: -3_600_000, max: 3_600_000 }),
        fc.integer({ min: -HOST_ERROR_MS, max: HOST_ERROR_MS }),
        fc.boolean(),
        fc.double({ min: 0, max: 300, noNaN: true }),
        (exchangeAheadMs, referenceAheadMs, isPublished, legMs) => {
          const host = isolate();
          host.io();
          const clock = new EdgeClock(DEFAULT_RANGE, HOST_ERROR_MS, host.now);
          if (isPublished) {
            clock.adopt(published(exchangeAheadMs - referenceAheadMs, 20, host.now() + referenceAheadMs));
          }
          const attempt = () => {
            const sentAtMs = host.now();
            const timestampMs = clock.timestamp();
            host.passes(legMs);
            const judgedMs = Math.floor(host.trueMs() + exchangeAheadMs);
            host.passes(legMs);
            host.io();
            clock.learnStamp(sentAtMs, judgedMs);
            return timestampMs >= judgedMs - 5_000 && timestampMs < judgedMs + 1_000;
          };
          const first = attempt();
          if (isPublished) expect(first).toBe(true);
          expect(attempt()).toBe(true);
        },
      ),
      { numRuns: 2_000 },
    );
  });

  it('believes the exchange where it contradicts a published clock, in a new epoch', () => {
    const host = isolate();
    host.io();
    const clock = new EdgeClock(DEFAULT_RANGE, HOST_ERROR_MS, host.now);
    expect(clock.now()).toMatchObject({ status: 'unknown', epoch: 1, latestMs: Number.POSITIVE_INFINITY });
    clock.adopt(published(0, 10, START_MS));
    expect(clock.now()).toMatchObject({ status: 'holdover', epoch: 1 });
    host.passes(30);
    host.io();
    clock.learnStamp(START_MS, START_MS + 40_000);
    expect(clock.now()).toMatchObject({ status: 'synchronized', epoch: 2 });
    clock.adopt(published(0, 10, START_MS));
    expect(clock.now().earliestMs).toBeGreaterThan(START_MS + 39_000);
  });

  it.each([
    [{ age: '12' }, true],
    [{ age: '0' }, false],
    [{ 'cf-cache-status': 'HIT' }, true],
    [{ 'cf-cache-status': 'DYNAMIC' }, false],
    [{ 'x-cache': 'Hit from cloudfront' }, true],
    [{}, false],
  ])('answers with %j may be replayed: %s', (headers, expected) => {
    expect(mayBeReplayed(new Headers(headers as Record<string, string>))).toBe(expected);
  });
});
