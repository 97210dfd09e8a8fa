/**
 * Analyses take turns: one at a time in a process, however many are asked for.
 *
 * A lookup is a millisecond before somebody signs; an analysis is for who looks back. Six of them at once left a machine of
 * two processors none for lookups, and whoever was refused at once came again at once, which cost more still. So who asks
 * while one is under way waits, and lookups that have come meanwhile go first. Who asks what somebody else waits for already
 * waits with him: it is made once, after both have asked. Where too many wait, or for too long, they are told to come again.
 *
 * While lookups come, analyses rest after each for twice as long as it took: however many are asked for, the database and this
 * process are free of them two thirds of the time. One after the other without a pause kept a processor of the database busy
 * for good.
 */
import { setTimeout as delay, setImmediate } from 'node:timers/promises';
import { HttpProblem } from './problem.js';

export interface Turns {
  /**
   * @param question the same for who may be given the same answer
   * @throws HttpProblem 503 where too many wait, or this one has for too long; what `work` throws
   */
  take<T>(question: string, work: () => Promise<T>): Promise<T>;
  /** A lookup has come: there is a rest behind the analysis that is under way. */
  giveWay(): void;
}

export interface TurnsOptions {
  /** Different questions. */
  readonly mostWaiting?: number;
  readonly patienceMs?: number;
  /** A clock that does not step. */
  readonly nowMs?: () => number;
  readonly rest?: (ms: number) => Promise<void>;
}

interface Waiting {
  readonly sinceMs: number;
  readonly answer: Promise<unknown>;
  start(): Promise<void>;
  refuse(): void;
}

const MOST_WAITING = 32;
const PATIENCE_MS = 10_000;
/** Measured: after as long as it took the p99 of lookups is 1.4 times that without analyses, after twice as long 1.2. */
const REST = 2;
/** Whoever waits has patience for a few of these. */
const LONGEST_REST_MS = 1_000;

export function createTurns(options: TurnsOptions = {}): Turns {
  const { mostWaiting = MOST_WAITING, patienceMs = PATIENCE_MS } = options;
  const { nowMs = () => performance.now(), rest = ms => delay(ms, undefined, { ref: false }) } = options;
  const waiting = new Map<string, Waiting>();
  let isUnderWay = false;
  let hasGivenWay = false;

  async function goOn(): Promise<void> {
    if (isUnderWay) return;
    isUnderWay = true;
    for (;;) {
      const [next] = waiting;
      if (!next) break;
      const [question, one] = next;
      waiting.delete(question);
      if (nowMs() - one.sinceMs > patienceMs) {
        one.refuse();
        continue;
      }
      hasGivenWay = false;
      const startedMs = nowMs();
      await one.start();
      if (hasGivenWay) await rest(Math.min(REST * (nowMs() - startedMs), LONGEST_REST_MS));
      else await setImmediate();
    }
    isUnderWay = false;
  }

  return {
    giveWay() {
      hasGivenWay = true;
    },
    take<T>(question: string, work: () => Promise<T>): Promise<T> {
      const known = waiting.get(question);
      if (known) return known.answer as Promise<T>;
      if (waiting.size >= mostWaiting) return Promise.reject(overloaded(`${mostWaiting} analyses wait`));
      const answer = new Promise<T>((resolve, reject) => {
        waiting.set(question, {
          sinceMs: nowMs(),
          get answer() {
            return answer;
          },
          start: () => (async () => work())().then(resolve, reject),
          refuse: () => reject(overloaded(`an analysis has waited for more than ${patienceMs} ms`)),
        });
      });
      void goOn();
      return answer;
    },
  };
}

const overloaded = (detail: string) => new HttpProblem(503, 'OVERLOADED', detail, { retryAfterSeconds: 1 });
