/**
 * What an adapter does with the clocks in its replies: each stamp becomes a sample, is judged
 * (clock/sample-gate.ts), and is then told to whoever listens, or dropped and counted.
 *
 * The `Date` header is no stamp of the exchange's: whoever stands in front of it writes that, by a clock of its own, and
 * what it shows is told apart (clock/edge-clock.ts). Only answers of the exchange itself are looked at.
 */
import { ContinuityGuard } from '../clock/host-clock.js';
import type { ClockSample } from '../clock/offset.js';
import { PROBLEM_TEXTS, problemOf, type SampleProblem } from '../clock/sample-check.js';
import { type ProblemCounts, SampleGate } from '../clock/sample-gate.js';
import type { AdapterOptions } from './exchange-adapter.js';
import { badResponse, type RequestContext } from './failures.js';
import type { HttpReply } from './http-transport.js';
import { DATE_RESOLUTION_MS, isFromCache, sampleOf, stampFromDate } from './server-stamp.js';
import type { ToldStamp } from './stamp-place.js';

export interface SampleIntake {
  /**
   * A sample by the way, of an answer that says yes.
   * @param stamp where the exchange tells its clock in such an answer; undefined when it tells none
   */
  response(reply: HttpReply, stamp: ToldStamp | undefined): void;
  /**
   * The same of one that says no.
   * @param isTimestamp the timestamp was refused, so that a step of the exchange's clock is likely
   * @returns the sample by a stamp of the exchange's own, which is exact enough to sign with; undefined when there is
   *   none that can be believed
   */
  refusal(reply: HttpReply, stamp: ToldStamp | undefined, isTimestamp: boolean): ClockSample | undefined;
  /** A request of somebody else's, sent at `sentAtMs`, was refused for its timestamp: a step of the clock is likely. */
  timestampRefused(sentAtMs: number): void;
  /**
   * A sample that was asked for. Where the first is no good, but that may be this host's doing or a step of the
   * exchange's clock, it is asked once more: that shows which.
   * @throws ExchangeError `EXCHANGE_BAD_RESPONSE` that names the problem
   */
  measure(ask: () => Promise<TimeAnswer>): Promise<ClockSample>;
  counts(): ProblemCounts;
}

/** The time endpoint's answer. */
export interface TimeAnswer {
  readonly context: RequestContext;
  readonly reply: HttpReply;
  readonly sample: ClockSample;
  /** What is wrong already, by what else the answer told. */
  readonly problem?: SampleProblem | undefined;
}

const MAY_PASS_WHEN_ASKED_AGAIN: ReadonlySet<SampleProblem> = new Set([
  'interrupted',
  'backwards',
  'cached',
  'forwards',
]);

type IntakeOptions = Pick<AdapterOptions, 'now' | 'wall' | 'onSample' | 'onEdge' | 'onBadSample'>;

export function createSampleIntake(options: IntakeOptions): SampleIntake {
  const { now, wall, onSample, onEdge, onBadSample } = options;
  const guard = wall && new ContinuityGuard({ now, wall });
  const gate = new SampleGate({ isUnbroken: guard && (() => guard.isUnbroken()), onBadSample });

  function judge(reply: HttpReply, sample: ClockSample): SampleProblem | undefined {
    const problem = isFromCache(reply.headers) ? gate.drop('cached') : gate.admit(sample);
    showEdge(reply, problem ? undefined : sample);
    if (!problem) onSample?.(sample);
    return problem;
  }

  /** @param stamp of the exchange's, in the same answer */
  function showEdge(reply: HttpReply, stamp: ClockSample | undefined): void {
    const dateMs = stampFromDate(reply.headers);
    if (!onEdge || dateMs === undefined || isFromCache(reply.headers)) return;
    const edge = sampleOf(reply, dateMs, 'date-header', DATE_RESOLUTION_MS);
    if (!problemOf(edge)) onEdge(edge, stamp);
  }

  function take(
    reply: HttpReply,
    stamp: ToldStamp | undefined,
    source: 'response' | 'refusal',
  ): ClockSample | undefined {
    if (stamp === undefined) {
      showEdge(reply, undefined);
      return undefined;
    }
    const sample = sampleOf(reply, stamp.ms, source, stamp.resolutionMs);
    return judge(reply, sample) ? undefined : sample;
  }

  return {
    response(reply, stamp) {
      take(reply, stamp, 'response');
    },

    refusal(reply, stamp, isTimestamp) {
      if (isTimestamp) gate.refusedTimestamp(reply.sentAtMs);
      return take(reply, stamp, 'refusal');
    },

    timestampRefused: sentAtMs => gate.refusedTimestamp(sentAtMs),

    async measure(ask) {
      for (let isSecond = false; ; isSecond = true) {
        const { context, reply, sample, problem: known } = await ask();
        const problem = known ? gate.drop(known) : judge(reply, sample);
        if (!problem) return sample;
        if (isSecond || !MAY_PASS_WHEN_ASKED_AGAIN.has(problem)) {
          throw badResponse(
            context,
            reply.status,
            `a server time that ${PROBLEM_TEXTS[problem]} (${problem})`,
            problem,
          );
        }
      }
    },

    counts: () => gate.counts(),
  };
}
