/**
 * Which clock samples may be believed.
 *
 * One false sample becomes an offset that every connector of the exchange signs with, so a sample is looked at
 * before anything is folded in, in two steps.
 *
 * By itself: times that are no numbers, stamps in another unit, stamps no clock can show, and a round trip during
 * which this host's own clocks parted (set, or frozen: then sending and receiving bound nothing).
 *
 * Against the last good ones of the same host ({@link SampleGate}). A request that was sent after an answer had come
 * must be stamped later than that answer: a stamp that is older (`backwards`), that hardly moved while time went by
 * (`cached`) or that leapt by hours (`forwards`) is a suspect. Behind one name stand several servers, whose
 * clocks differ by {@link SERVERS_APART_MS} at most. A suspect is dropped, but remembered, because exchanges do set
 * their clocks: a second sample that agrees with it, and is not the same stamp once more, shows that it was no
 * accident, and is let through. A refusal is let through at once: it shows the very clock the request was judged
 * by. So is what is sent after a timestamp was refused by an answer that told no time, for then a step is likely;
 * only a stamp that was told before stays a suspect. After any of these, what was known from before the step judges
 * nothing any more.
 *
 * Requests overlap and answers overtake each other. Only what send and receive times put in an order is compared:
 * of two requests that were under way together either may have been stamped first.
 *
 * A `Date` header is judged by what the exchange's own stamps showed, never the other way round: whoever stands in
 * front of the exchange may have written it, and its clock must not put the exchange's in doubt.
 *
 * What stays undetected: the first stamp of a host when it is off by less than a year, and a cache that answers
 * each request with the time of the one before: such a clock is like one that was set back.
 */
import { isContinuous } from './host-clock.js';
import { type ClockSample, estimateFromSample, intersect, type OffsetEstimate } from './offset.js';

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

export type ProblemCounts = Readonly<Record<SampleProblem, number>>;

export interface BadSample {
  readonly problem: SampleProblem;
  /** How many of this kind there were, with this one: log the first. */
  readonly count: number;
  /** `debug` where it is this host's doing and happens by itself, else `warn`. */
  readonly level: 'debug' | 'warn';
  /** For the log, starting with the name of the problem. */
  readonly message: string;
}

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
  const times = [sentAtMs, receivedAtMs, serverTimeMs, resolutionMs, wallRoundTripMs];
  return times.every(Number.isFinite) && resolutionMs > 0 ? undefined : 'malformed';
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

/** @returns undefined too when neither was surely stamped before the other */
function problemAfter(earlier: ClockSample, later: ClockSample): SampleProblem | undefined {
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

/** More than one, because the last may have been under way together with the next, and so cannot judge it. */
const REMEMBERED = 8;

/** What of an adapter's samples may go on; one for each host. */
export class SampleGate {
  readonly #isUnbroken: () => boolean;
  readonly #onBadSample: ((bad: BadSample) => void) | undefined;
  readonly #counts = Object.fromEntries(SAMPLE_PROBLEMS.map(name => [name, 0])) as Record<
    SampleProblem,
    number
  >;
  /** The latest good ones: by a stamp of the exchange's own, and by a `Date` header. */
  #exact: readonly ClockSample[] = [];
  #coarse: readonly ClockSample[] = [];
  /** What was sent before is from before a step of the exchange's clock. */
  #stepMs = Number.NEGATIVE_INFINITY;
  #suspect: ClockSample | undefined;
  /** When a timestamp that was refused was sent, while no stamp since has shown why. */
  #refusedAtMs: number | undefined;

  /** @param isUnbroken false when this host's clocks parted since it was last asked: their times before are void */
  constructor(
    options: {
      readonly isUnbroken?: (() => boolean) | undefined;
      readonly onBadSample?: ((bad: BadSample) => void) | undefined;
    } = {},
  ) {
    this.#isUnbroken = options.isUnbroken ?? (() => true);
    this.#onBadSample = options.onBadSample;
  }

  /** @returns undefined when the sample may be believed; else it was counted, and must be dropped */
  admit(sample: ClockSample): SampleProblem | undefined {
    if (!this.#isUnbroken()) {
      this.#stepMs = Number.NEGATIVE_INFINITY;
      this.#forget();
    }
    const problem = problemOf(sample);
    if (problem) return this.drop(problem);

    const contradiction = this.#contradiction(sample);
    if (contradiction) {
      if (!this.#isStep(sample)) {
        this.#suspectAnew(sample);
        return this.drop(contradiction);
      }
      this.#stepMs = sample.sentAtMs;
      this.#forget();
    }
    // What was under way together with a suspect does not clear it up: it may be from before a step.
    if (this.#suspect && sample.sentAtMs >= this.#suspect.receivedAtMs) this.#suspect = undefined;
    if (this.#isAfterRefusal(sample) && !isCoarse(sample)) this.#refusedAtMs = undefined;
    if (sample.sentAtMs >= this.#stepMs) this.#remember(sample);
    return undefined;
  }

  /** The exchange refused a timestamp, in a request sent at `atMs`: its clock may have stepped. */
  refusedTimestamp(atMs: number): void {
    this.#refusedAtMs = atMs;
  }

  /** Counts one that was found bad by what else came with it. */
  drop(problem: SampleProblem): SampleProblem {
    const count = ++this.#counts[problem];
    const level = problem === 'interrupted' ? 'debug' : 'warn';
    const message = `${problem}: dropped a server time that ${PROBLEM_TEXTS[problem]}`;
    this.#onBadSample?.({ problem, count, level, message });
    return problem;
  }

  counts(): ProblemCounts {
    return { ...this.#counts };
  }

  #contradiction(sample: ClockSample): SampleProblem | undefined {
    const judges = isCoarse(sample) ? [...this.#exact, ...this.#coarse] : this.#exact;
    for (const judge of judges) {
      const problem = problemAfter(judge, sample);
      if (problem) return problem;
    }
    return undefined;
  }

  #isStep(sample: ClockSample): boolean {
    if (sample.source === 'refusal') return true;
    if (this.#suspect && confirms(sample, this.#suspect)) return true;
    const known = [...this.#exact, ...this.#coarse];
    return this.#isAfterRefusal(sample) && !known.some(each => isSameStamp(each, sample));
  }

  #isAfterRefusal({ sentAtMs }: ClockSample): boolean {
    return this.#refusedAtMs !== undefined && sentAtMs >= this.#refusedAtMs;
  }

  #suspectAnew(sample: ClockSample): void {
    // The same stamp once more would only shorten the time in which the next one is to have moved.
    const isKnown = this.#suspect && isSameStamp(sample, this.#suspect);
    if (!isKnown || (isCoarse(this.#suspect as ClockSample) && !isCoarse(sample))) this.#suspect = sample;
  }

  #remember(sample: ClockSample): void {
    if (isCoarse(sample)) this.#coarse = [...this.#coarse, sample].slice(-REMEMBERED);
    else this.#exact = [...this.#exact, sample].slice(-REMEMBERED);
  }

  #forget(): void {
    this.#exact = [];
    this.#coarse = [];
    this.#suspect = undefined;
  }
}

const isCoarse = ({ source }: ClockSample) => source === 'date-header';

/** Whether both show one running clock, each in its own way. */
function confirms(sample: ClockSample, suspect: ClockSample): boolean {
  return (
    !isSameStamp(sample, suspect) && intersect(amongServers(sample), amongServers(suspect)) !== undefined
  );
}

function amongServers(sample: ClockSample): OffsetEstimate {
  const estimate = estimateFromSample(sample);
  return { ...estimate, uncertaintyMs: estimate.uncertaintyMs + SERVERS_APART_MS / 2 };
}

/** One moment, be it told in two resolutions. */
const isSameStamp = (a: ClockSample, b: ClockSample): boolean =>
  a.serverTimeMs < b.serverTimeMs + Math.max(b.resolutionMs ?? 1, 1) &&
  b.serverTimeMs < a.serverTimeMs + Math.max(a.resolutionMs ?? 1, 1);
