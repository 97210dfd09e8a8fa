/**
 * From a state's reference clock to the caller's own.
 *
 * The answer left the service after `sentAtMs − u` and the caller had it at `receivedAtMs` of its own; the request had come
 * by `receivedAtMs + u` and had been sent at the caller's `sentAtMs`. So `reference − own` lies between the two, whatever the
 * network did (the arithmetic of NTP, RFC 5905, section 8, kept as an interval instead of halved).
 */
import type { Reference, State } from './types.js';

/** A difference of two clocks, at the caller's own time `atMs`. */
export interface Bounded {
  readonly offsetMs: number;
  readonly uncertaintyMs: number;
  readonly atMs: number;
}

/** How fast two clocks may part, where nothing is known of it. */
const ASSUMED_PPM = 50;

/** Reference minus own clock. */
export function linkOf(reference: Reference, sentAtMs: number, receivedAtMs: number): Bounded {
  const low = reference.sentAtMs - reference.uncertaintyMs - receivedAtMs;
  const high = reference.receivedAtMs + reference.uncertaintyMs - sentAtMs;
  // The service's two times are of one moment of its link: rounding may cross them by less than a microsecond.
  return { offsetMs: (low + high) / 2, uncertaintyMs: Math.max(0, (high - low) / 2), atMs: receivedAtMs };
}

/**
 * Exchange minus own clock now: what is added to `Date.now()` to sign a request. `undefined` where the state is relative to
 * another clock than the link's.
 */
export function offsetOf(state: State, clock: string, link: Bounded, nowMs: number): Bounded | undefined {
  if (state.referenceClock !== clock) return undefined;
  const ageMs = nowMs + link.offsetMs - state.measuredAtMs;
  const linkAgeMs = Math.abs(nowMs - link.atMs);
  return {
    offsetMs: state.offsetMs + (ageMs * state.ratePpm) / 1e6 + link.offsetMs,
    uncertaintyMs:
      state.uncertaintyMs +
      (Math.abs(ageMs) * state.rateBoundPpm) / 1e6 +
      link.uncertaintyMs +
      (linkAgeMs * ASSUMED_PPM) / 1e6,
    atMs: nowMs,
  };
}
