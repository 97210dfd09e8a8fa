/**
 * What of an adapter's samples may go on, judged by what came before.
 *
 * A sample that contradicts the last good ones (see sample-check.ts) is a suspect. It is dropped, but remembered,
 * because exchanges do set their clocks: a second sample that agrees with it, and is not the same stamp once more,
 * shows that it was no accident, and is let through. A refusal is let through at once: it shows the very clock the
 * request was judged by. So is what is sent after a timestamp was refused by an answer that told no time, for then a
 * step is likely; only a stamp that was told before stays a suspect. After any of these, what was known from before the
 * step judges nothing any more.
 *
 * `Date` headers do not come here: whoever stands in front of the exchange writes them (edge-clock.ts).
 *
 * What stays undetected: the first stamp of a host when it is off by less than a year, and a cache that answers
 * each request with the time of the one before: such a clock is like one that was set back.
 */
import { type ClockSample, estimateFromSample, intersect, type OffsetEstimate } from './offset.js';
import {
  PROBLEM_TEXTS,
  problemAfter,
  problemOf,
  SAMPLE_PROBLEMS,
  type SampleProblem,
  SERVERS_APART_MS,
} from './sample-check.js';

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
  /** The latest good ones. */
  #known: ClockSample[] = [];
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
    if (this.#isAfterRefusal(sample)) this.#refusedAtMs = undefined;
    if (sample.sentAtMs >= this.#stepMs) this.#known.push(sample);
    if (this.#known.length > REMEMBERED) this.#known.shift();
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
    for (const judge of this.#known) {
      const problem = problemAfter(judge, sample);
      if (problem) return problem;
    }
    return undefined;
  }

  #isStep(sample: ClockSample): boolean {
    if (sample.source === 'refusal') return true;
    if (this.#suspect && confirms(sample, this.#suspect)) return true;
    return this.#isAfterRefusal(sample) && !this.#known.some(each => isSameStamp(each, sample));
  }

  #isAfterRefusal({ sentAtMs }: ClockSample): boolean {
    return this.#refusedAtMs !== undefined && sentAtMs >= this.#refusedAtMs;
  }

  #suspectAnew(sample: ClockSample): void {
    // The same stamp once more would only shorten the time in which the next one is to have moved.
    if (!this.#suspect || !isSameStamp(sample, this.#suspect)) this.#suspect = sample;
  }

  #forget(): void {
    this.#known = [];
    this.#suspect = undefined;
  }
}

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
  a.serverTimeMs < b.serverTimeMs + (b.resolutionMs ?? 1) &&
  b.serverTimeMs < a.serverTimeMs + (a.resolutionMs ?? 1);
