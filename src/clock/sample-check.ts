/**
 * Which clock samples may be believed.
 *
 * One false sample becomes an offset that every connector of the exchange signs with, so a sample is looked at
 * before anything is folded in, in two steps.
 *
 * By itself: times that are no numbers, stamps in another unit, stamps no clock can show, and a round trip during
 * which this host's own clocks parted (set, or frozen: then sending and receiving bound nothing).
 *
 * Against an earlier good one of the same host: a request that was sent after an answer had come must be stamped later
 * than that answer. A stamp that is older is `backwards`, one that hardly moved while time went by `cached`, one that
 * leapt by hours `forwards`. Behind one name stand several servers, whose clocks differ by {@link SERVERS_APART_MS} at
 * most. What that means for the sample is for sample-gate.ts to decide, for exchanges do set their clocks.
 *
 * Requests overlap and answers overtake each other. Only what send and receive times put in an order is compared: of
 * two requests that were under way together either may have been stamped first.
 */
import { isContinuous } from './continuous.js';
import type { ClockSample } from './offset.js';

export const SAMPLE_PROBLEMS = [
  'malformed',
  'zero',
  'negative',
  'seconds',
  'microseconds',
  'nanoseconds',
  'past',
  'future',
  'interrupted',
  'backwards',
  'cached',
  'forwards',
] as const;
/** Stable: they are counted, logged, and told in errors by these names. */
export type SampleProblem = (typeof SAMPLE_PROBLEMS)[number];

/** What is wrong with the server's time, in words that follow "a server time that". */
export const PROBLEM_TEXTS: Readonly<Record<SampleProblem, string>> = {
  malformed: 'is not a whole number of milliseconds',
  zero: 'is zero',
  negative: 'is negative',
  seconds: 'is in seconds, not milliseconds',
  microseconds: 'is in microseconds, not milliseconds',
  nanoseconds: 'is in nanoseconds, not milliseconds',
  past: 'lies more than a year behind',
  future: 'lies more than a year ahead',
  interrupted: "arrived while this host's clock was set or the process was frozen",
  backwards: 'is older than one it told before',
  cached: 'does not move on: it comes from a cache',
  forwards: 'leapt ahead by more than an hour since the last one',
};

/** The clocks of several servers behind one name may differ by this much. */
export const SERVERS_APART_MS = 100;

// Of any clock of this century; events and rows hold no other times.
const EARLIEST_MS = 946_684_800_000;
const LATEST_MS = 4_102_444_800_000;
/** Generous, for it is this host's clock that it is held against, and a container's may be months off. */
const FAR_MS = 366 * 86_400_000;
/** A stamp is expected to have moved by more than this share of the time that went by. */
const STANDSTILL = 0.1;
/** In a shorter time several servers' clocks and the stamp's resolution hide whether it moved. */
const STANDSTILL_AFTER_MS = 500;
/** No exchange sets its clock by more than that, unless a refusal or a second sample says so. */
const LEAP_MS = 3_600_000;

/**
 * @param previous an earlier good sample of the same host, by the same local clock
 * @returns undefined for a sample that may be believed
 */
export function problemOf(sample: ClockSample, previous?: ClockSample): SampleProblem | undefined {
  const problem = problemOfTimes(sample) ?? problemOfStamp(sample) ?? problemOfFlight(sample);
  return problem ?? (previous && problemAfter(previous, sample));
}

function problemOfTimes({
  sentAtMs,
  receivedAtMs,
  serverTimeMs,
  resolutionMs = 1,
  wallRoundTripMs = 0,
}: ClockSample): SampleProblem | undefined {
  const areNumbers =
    Number.isFinite(sentAtMs) &&
    Number.isFinite(receivedAtMs) &&
    Number.isFinite(serverTimeMs) &&
    Number.isFinite(wallRoundTripMs);
  return areNumbers && Number.isFinite(resolutionMs) && resolutionMs > 0 ? undefined : 'malformed';
}

function problemOfStamp({ sentAtMs, receivedAtMs, serverTimeMs }: ClockSample): SampleProblem | undefined {
  if (serverTimeMs === 0) return 'zero';
  if (serverTimeMs < 0) return 'negative';
  if (isOfThisCentury(serverTimeMs * 1e3)) return 'seconds';
  if (isOfThisCentury(serverTimeMs / 1e3)) return 'microseconds';
  if (isOfThisCentury(serverTimeMs / 1e6)) return 'nanoseconds';
  if (serverTimeMs > LATEST_MS || serverTimeMs > receivedAtMs + FAR_MS) return 'future';
  if (serverTimeMs < EARLIEST_MS || serverTimeMs < sentAtMs - FAR_MS) return 'past';
  return undefined;
}

const isOfThisCentury = (ms: number) => ms >= EARLIEST_MS && ms <= LATEST_MS;

function problemOfFlight({
  sentAtMs,
  receivedAtMs,
  wallRoundTripMs,
}: ClockSample): SampleProblem | undefined {
  const roundTripMs = receivedAtMs - sentAtMs;
  const isWhole = roundTripMs >= 0 && isContinuous(roundTripMs, wallRoundTripMs ?? roundTripMs);
  return isWhole ? undefined : 'interrupted';
}

/**
 * What of {@link problemOf} two samples show of each other.
 * @returns undefined too when neither was surely stamped before the other
 */
export function problemAfter(earlier: ClockSample, later: ClockSample): SampleProblem | undefined {
  /** The least and the most time there was between the two stamps. */
  const leastMs = later.sentAtMs - earlier.receivedAtMs;
  const mostMs = later.receivedAtMs - earlier.sentAtMs;
  if (leastMs < 0) return undefined;
  const resolutionMs = later.resolutionMs ?? 1;
  const movedMs = later.serverTimeMs - earlier.serverTimeMs;
  if (movedMs + resolutionMs < -SERVERS_APART_MS) return 'backwards';
  const isTelling = leastMs >= STANDSTILL_AFTER_MS + 2 * resolutionMs;
  if (isTelling && movedMs <= SERVERS_APART_MS + leastMs * STANDSTILL) return 'cached';
  return movedMs > mostMs + (earlier.resolutionMs ?? 1) + LEAP_MS ? 'forwards' : undefined;
}
