/** An exchange whose clock is known judges requests; what its answers are said to prove must be true of that clock. */
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import {
  type AnsweredRequest,
  isExcluded,
  judgeRefusal,
  provenByAcceptance,
  provenByRefusal,
} from '../../src/clock/answers.js';
import { estimateOf } from '../../src/clock/offset.js';
import { biasOf } from '../../src/clock/request-window.js';

const START_MS = 1_764_000_000_000;

const ms = (max: number) => fc.double({ min: 0, max, noNaN: true });

/** One signed request, and the truth about it. */
const trips = fc.record({
  /** The exchange's clock minus the host's. */
  theta: fc.double({ min: -100_000, max: 100_000, noNaN: true }),
  /** How far ahead of the exchange's clock it was signed. */
  leadMs: fc.double({ min: -12_000, max: 4_000, noNaN: true }),
  connectMs: fc.oneof(fc.constant(0), ms(8_000)),
  upMs: ms(9_000),
  downMs: ms(9_000),
  recvWindowMs: fc.integer({ min: 1, max: 10_000 }),
  earlyLimitMs: fc.integer({ min: 0, max: 2_000 }),
});

type Trip = typeof trips extends fc.Arbitrary<infer T> ? T : never;

function travel(trip: Trip, timestampMs: number) {
  const { theta, connectMs, upMs, downMs, recvWindowMs, earlyLimitMs } = trip;
  const signedAtMs = START_MS;
  const sentAtMs = signedAtMs + connectMs;
  const judgedAtMs = sentAtMs + upMs;
  const receivedAtMs = judgedAtMs + downMs;
  const serverMs = Math.floor(judgedAtMs + theta);
  const isAccepted = serverMs - recvWindowMs <= timestampMs && timestampMs < serverMs + earlyLimitMs;
  const request: AnsweredRequest = {
    timestampMs,
    recvWindowMs,
    earlyLimitMs,
    signedAtMs,
    sentAtMs,
    receivedAtMs,
    wallRoundTripMs: receivedAtMs - sentAtMs,
  };
  return { request, serverMs, isAccepted, latenessMs: judgedAtMs - signedAtMs };
}

const anyRequest = (trip: Trip) => travel(trip, Math.floor(START_MS + trip.theta + trip.leadMs));

describe('what an answer proves', () => {
  it('is true of the exchange’s clock: an acceptance, and a refusal with and without a time', () => {
    fc.assert(
      fc.property(trips, trip => {
        const { request, isAccepted, serverMs } = anyRequest(trip);
        const truth = estimateOf({ low: trip.theta, high: trip.theta }, request.receivedAtMs);
        if (isAccepted) {
          const proven = provenByAcceptance(request);
          expect(Math.abs((proven?.offsetMs ?? Number.NaN) - trip.theta)).toBeLessThanOrEqual(
            proven?.uncertaintyMs ?? 0,
          );
          return;
        }
        const { earlyBelowMs, lateAboveMs } = provenByRefusal(request);
        expect(trip.theta < earlyBelowMs || trip.theta > lateAboveMs).toBe(true);
        expect(isExcluded(truth, request, undefined)).toBe(false);
        expect(isExcluded(truth, request, serverMs)).toBe(false);
      }),
      { numRuns: 5_000 },
    );
  });

  it('is nothing where this host’s clocks parted on the way', () => {
    const { request, serverMs } = travel(
      {
        theta: 0,
        leadMs: 0,
        connectMs: 0,
        upMs: 5,
        downMs: 5,
        recvWindowMs: 5_000,
        earlyLimitMs: 1_000,
      },
      START_MS,
    );
    const frozen = { ...request, wallRoundTripMs: 9_000 };
    const far = estimateOf({ low: 50_000, high: 50_001 }, request.receivedAtMs);

    expect(provenByAcceptance(frozen)).toBeUndefined();
    expect(judgeRefusal(far, frozen, serverMs)).toEqual({ cause: 'unclear' });
    expect(isExcluded(far, frozen, serverMs)).toBe(false);
  });
});

describe('a refusal for the timestamp', () => {
  /** What is known contains the truth, and the timestamp is placed by it. */
  const known = fc.record({ trip: trips, u: ms(2_000), at: fc.double({ min: -1, max: 1, noNaN: true }) });

  function signedByTruth({ trip, u, at }: { trip: Trip; u: number; at: number }) {
    const offsetMs = trip.theta + at * u;
    const timestampMs = Math.floor(START_MS + offsetMs + biasOf(trip, u));
    const went = travel(trip, timestampMs);
    return { ...went, state: { offsetMs, uncertaintyMs: u, atMs: went.request.receivedAtMs } };
  }

  it('never condemns a state that contains the truth, told the time or not', () => {
    fc.assert(
      fc.property(known, fc.boolean(), (of, isTimed) => {
        const { request, isAccepted, serverMs, state } = signedByTruth(of);
        fc.pre(!isAccepted);
        const verdict = judgeRefusal(state, request, isTimed ? serverMs : undefined);
        expect(verdict).not.toMatchObject({ isExcluded: true });
      }),
      { numRuns: 5_000 },
    );
  });

  it('is called late where the clock was right, and the lateness lies within what is said', () => {
    fc.assert(
      fc.property(known, fc.boolean(), (of, isTimed) => {
        const { trip, u } = of;
        // What may be signed by safely at all.
        fc.pre(u < (trip.recvWindowMs + trip.earlyLimitMs) / 2 - 2);
        const { request, isAccepted, serverMs, state, latenessMs } = signedByTruth(of);
        fc.pre(!isAccepted);
        const verdict = judgeRefusal(state, request, isTimed ? serverMs : undefined);
        expect(verdict).toMatchObject({ cause: 'late' });
        if (verdict.cause !== 'late') return;
        expect(verdict.atLeastMs).toBeLessThanOrEqual(latenessMs + 0.01);
        expect(verdict.atMostMs).toBeGreaterThanOrEqual(latenessMs - 1.01);
      }),
      { numRuns: 5_000 },
    );
  });

  it('is called wrong as soon as the answer is quick enough to tell', () => {
    fc.assert(
      fc.property(trips, fc.double({ min: 200, max: 50_000, noNaN: true }), (trip, offMs) => {
        const quick = { ...trip, connectMs: 0, upMs: 20, downMs: 20 };
        const offsetMs = quick.theta - offMs;
        const { request, isAccepted, serverMs } = travel(quick, Math.floor(START_MS + offsetMs));
        fc.pre(!isAccepted);
        const state = { offsetMs, uncertaintyMs: 50, atMs: request.receivedAtMs };
        expect(judgeRefusal(state, request, serverMs)).toEqual({ cause: 'wrong', isExcluded: true });
      }),
    );
  });

  it('explains nothing when its own stamp lies within the window', () => {
    const trip = {
      theta: 0,
      leadMs: 0,
      connectMs: 0,
      upMs: 5,
      downMs: 5,
      recvWindowMs: 5_000,
      earlyLimitMs: 1_000,
    };
    const { request, serverMs } = travel(trip, START_MS + 740);
    const state = { offsetMs: 0, uncertaintyMs: 10, atMs: request.receivedAtMs };
    expect(judgeRefusal(state, request, serverMs)).toEqual({ cause: 'unexplained' });
  });

  it('of a guess is unclear while the answer took long and late and wrong are both possible', () => {
    const trip = {
      theta: 0,
      leadMs: 0,
      connectMs: 0,
      upMs: 4_000,
      downMs: 4_000,
      recvWindowMs: 5_000,
      earlyLimitMs: 1_000,
    };
    const { request, serverMs } = travel(trip, START_MS - 2_000);
    const guess = { offsetMs: 0, uncertaintyMs: 1e9, atMs: request.receivedAtMs };
    expect(judgeRefusal(guess, request, serverMs)).toEqual({ cause: 'unclear' });
    expect(judgeRefusal(guess, request, undefined)).toEqual({ cause: 'unclear' });
  });
});
