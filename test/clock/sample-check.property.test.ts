/**
 * The gate, over worlds where the truth is known: several servers behind one name, delays up to ten seconds, clocks
 * that drift, answers that overtake each other.
 */
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { ClockSample, SampleSource } from '../../src/clock/offset.js';
import { problemOf, type SampleProblem } from '../../src/clock/sample-check.js';
import { SampleGate } from '../../src/clock/sample-gate.js';
import { type Clock, clock, read } from './world.js';

const HOUR_MS = 3_600_000;
const double = (min: number, max: number) => fc.double({ min, max, noNaN: true });

interface Request {
  readonly atMs: number;
  readonly thereMs: number;
  readonly backMs: number;
  /** Which of the servers answered: how far its clock is from the exchange's. */
  readonly serverMs: number;
  readonly stamp: 'truncated' | 'rounded' | 'exact';
  readonly source: Exclude<SampleSource, 'date-header'>;
  /** How the wall clock is slewed meanwhile. */
  readonly slewPpm: number;
}

const delay = fc.oneof(fc.constant(0), double(0, 200), double(0, 10_000));

const request = (withinMs: number, stamps: readonly Request['stamp'][]): fc.Arbitrary<Request> =>
  fc.record({
    atMs: double(0, withinMs),
    thereMs: delay,
    backMs: delay,
    serverMs: fc.oneof(fc.constantFrom(-25, 25), double(-25, 25)),
    stamp: fc.constantFrom(...stamps),
    source: fc.constantFrom('time-endpoint' as const, 'response' as const, 'refusal' as const),
    slewPpm: double(-499, 499),
  });

const OWN_STAMP = ['truncated', 'rounded', 'exact'] as const;

function sampleOf(local: Clock, exchange: Clock, request: Request): ClockSample {
  const { atMs, thereMs, backMs, serverMs, stamp, source, slewPpm } = request;
  const shownMs = read(exchange, atMs + thereMs) + serverMs;
  const sentAtMs = read(local, atMs);
  const receivedAtMs = read(local, atMs + thereMs + backMs);
  return {
    sentAtMs,
    receivedAtMs,
    serverTimeMs: {
      truncated: () => Math.floor(shownMs),
      rounded: () => Math.round(shownMs),
      exact: () => shownMs,
    }[stamp](),
    resolutionMs: 1,
    source,
    wallRoundTripMs: (receivedAtMs - sentAtMs) * (1 + slewPpm / 1e6),
  };
}

const inOrderOfArrival = (requests: readonly Request[]) =>
  [...requests].sort((a, b) => a.atMs + a.thereMs + a.backMs - (b.atMs + b.thereMs + b.backMs));

const endOf = (requests: readonly Request[]) =>
  Math.max(...requests.map(({ atMs, thereMs, backMs }) => atMs + thereMs + backMs));

const span = fc.constantFrom(100, 20_000, HOUR_MS, 24 * HOUR_MS);
const requests = (stamps: readonly Request['stamp'][] = OWN_STAMP) =>
  span.chain(withinMs => fc.array(request(withinMs, stamps), { minLength: 1, maxLength: 20 }));

describe('the gate', () => {
  it('never refuses a sample of an honest world', () => {
    fc.assert(
      fc.property(clock, clock, requests(), (local, exchange, made) => {
        const gate = new SampleGate();
        for (const each of inOrderOfArrival(made)) {
          expect(gate.admit(sampleOf(local, exchange, each))).toBeUndefined();
        }
      }),
      { numRuns: 2_000 },
    );
  });

  type Spoil = (good: ClockSample) => { bad: ClockSample; problem: SampleProblem };
  const stamped = (serverTimeMs: (good: ClockSample) => number, problem: SampleProblem): Spoil => {
    return good => ({ bad: { ...good, serverTimeMs: serverTimeMs(good) }, problem });
  };
  const field = fc.constantFrom(
    'sentAtMs' as const,
    'receivedAtMs' as const,
    'serverTimeMs' as const,
    'resolutionMs' as const,
    'wallRoundTripMs' as const,
  );
  const spoil: fc.Arbitrary<Spoil> = fc.oneof(
    fc.constantFrom(
      stamped(() => 0, 'zero'),
      stamped(good => -good.serverTimeMs, 'negative'),
      stamped(good => good.serverTimeMs / 1e3, 'seconds'),
      stamped(good => Math.floor(good.serverTimeMs / 1e3), 'seconds'),
      stamped(good => good.serverTimeMs * 1e3, 'microseconds'),
      stamped(good => good.serverTimeMs * 1e6, 'nanoseconds'),
    ),
    double(3.2e10, 1e15).map(ms => stamped(good => good.serverTimeMs + ms, 'future')),
    double(3.2e10, 7e11).map(ms => stamped(good => good.serverTimeMs - ms, 'past')),
    fc.tuple(field, fc.constantFrom(Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY)).map(
      ([name, value]): Spoil =>
        good => ({ bad: { ...good, [name]: value }, problem: 'malformed' }),
    ),
    double(60, 1e8).chain(ms =>
      fc.constantFrom(ms, -ms).map(
        (gapMs): Spoil =>
          good => ({
            bad: { ...good, wallRoundTripMs: good.receivedAtMs - good.sentAtMs + gapMs },
            problem: 'interrupted',
          }),
      ),
    ),
  );

  it('lets none through that is bad by itself, refusal or not, and keeps nothing of it', () => {
    fc.assert(
      fc.property(clock, clock, requests(), spoil, fc.nat(), (local, exchange, made, spoiling, at) => {
        const gate = new SampleGate();
        for (const [index, each] of inOrderOfArrival(made).entries()) {
          const good = sampleOf(local, exchange, each);
          if (index === at % made.length) {
            const { bad, problem } = spoiling(good);
            // 1e15 ms ahead may also be another unit's now.
            const named = gate.admit(bad);
            expect(problem === 'future' ? ['future', 'microseconds'] : [problem]).toContain(named);
            expect(problemOf(bad)).toBe(named);
          }
          expect(gate.admit(good)).toBeUndefined();
        }
      }),
      { numRuns: 2_000 },
    );
  });

  const sequel = fc.record({
    pauseMs: fc.oneof(double(1, 1_000), double(1, 60_000)),
    thereMs: delay,
    backMs: delay,
    serverMs: double(-25, 25),
  });
  const following = (
    startMs: number,
    sequels: readonly { pauseMs: number; thereMs: number; backMs: number; serverMs: number }[],
  ) => {
    let atMs = startMs;
    return sequels.map(({ pauseMs, ...each }): Request => {
      atMs += pauseMs;
      const made = { ...each, atMs, stamp: 'truncated', source: 'response', slewPpm: 0 } as const;
      atMs += each.thereMs + each.backMs;
      return made;
    });
  };

  it('lets no time through that a cache tells, until it is told afresh', () => {
    fc.assert(
      fc.property(
        clock,
        clock,
        requests(OWN_STAMP),
        fc.array(sequel, { minLength: 1, maxLength: 10 }),
        double(0, 10 * HOUR_MS),
        (local, exchange, made, sequels, ageMs) => {
          const gate = new SampleGate();
          for (const each of inOrderOfArrival(made)) gate.admit(sampleOf(local, exchange, each));
          const startMs = endOf(made);
          // What the cache holds is as old as the good samples, or older.
          const oldest = Math.min(...made.map(each => sampleOf(local, exchange, each).serverTimeMs));
          const cachedMs = Math.floor(oldest - ageMs);
          // So much later that a standstill is told from several servers' clocks.
          const cached = following(startMs + 1_000, sequels);
          for (const each of cached) {
            const bad = { ...sampleOf(local, exchange, each), serverTimeMs: cachedMs };
            expect(['cached', 'backwards']).toContain(gate.admit(bad));
          }
          const [fresh] = following(endOf(cached), [{ pauseMs: 5, thereMs: 5, backMs: 5, serverMs: 0 }]);
          expect(gate.admit(sampleOf(local, exchange, fresh as Request))).toBeUndefined();
        },
      ),
      { numRuns: 1_000 },
    );
  });

  it('drops a stamp from before, and one from hours ahead, once', () => {
    fc.assert(
      fc.property(
        clock,
        clock,
        requests(OWN_STAMP),
        sequel,
        fc.oneof(
          double(101, 3e9).map(ms => ({ byMs: -ms, problem: 'backwards' as const })),
          double(1.001 * HOUR_MS, 3e9).map(ms => ({ byMs: ms, problem: 'forwards' as const })),
        ),
        (local, exchange, made, next, { byMs, problem }) => {
          const gate = new SampleGate();
          const known = inOrderOfArrival(made).map(each => sampleOf(local, exchange, each));
          for (const each of known) gate.admit(each);
          const last = known.at(-1) as ClockSample;
          const [stray, good] = following(endOf(made), [next, { ...next, serverMs: 0 }]).map(each =>
            sampleOf(local, exchange, each),
          ) as [ClockSample, ClockSample];
          const fromMs =
            problem === 'backwards'
              ? last.serverTimeMs - 1
              : stray.receivedAtMs + (last.serverTimeMs - last.sentAtMs);
          // Held against a much older sample it is one that hardly moved.
          const names = problem === 'backwards' ? ['backwards', 'cached'] : ['forwards'];
          expect(names).toContain(gate.admit({ ...stray, serverTimeMs: fromMs + byMs }));
          expect(gate.admit(good)).toBeUndefined();
        },
      ),
      { numRuns: 1_000 },
    );
  });

  it('lets a real step through within two samples, and every sample after it', () => {
    fc.assert(
      fc.property(
        clock,
        clock,
        requests(),
        fc.array(sequel, { minLength: 2, maxLength: 6 }),
        fc.oneof(double(-3e9, 3e9), double(-20_000, 0)),
        (local, exchange, made, sequels, stepMs) => {
          const gate = new SampleGate();
          for (const each of inOrderOfArrival(made)) gate.admit(sampleOf(local, exchange, each));
          const later = following(endOf(made), sequels);
          const stepped = later.map(each =>
            sampleOf(local, { ...exchange, startMs: exchange.startMs + stepMs }, each),
          );
          // One stamp twice might come from a cache: two servers may tell it at two moments, with bad luck.
          fc.pre(new Set(stepped.map(each => each.serverTimeMs)).size === stepped.length);
          const [, ...others] = stepped.map(each => gate.admit(each));
          expect(others.filter(Boolean)).toEqual([]);
        },
      ),
      { numRuns: 2_000 },
    );
  });

  it('lets a step through at once when a refusal shows it', () => {
    fc.assert(
      fc.property(
        clock,
        clock,
        requests(),
        fc.array(sequel, { minLength: 1, maxLength: 6 }),
        double(-3e9, 3e9),
        (local, exchange, made, sequels, stepMs) => {
          const gate = new SampleGate();
          for (const each of inOrderOfArrival(made)) gate.admit(sampleOf(local, exchange, each));
          const stepped = { ...exchange, startMs: exchange.startMs + stepMs };
          const [first, ...others] = following(endOf(made), sequels);
          expect(
            gate.admit(sampleOf(local, stepped, { ...(first as Request), source: 'refusal' })),
          ).toBeUndefined();
          for (const each of others) expect(gate.admit(sampleOf(local, stepped, each))).toBeUndefined();
        },
      ),
      { numRuns: 1_000 },
    );
  });
});
