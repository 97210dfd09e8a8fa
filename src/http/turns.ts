/**
 * Analyses take turns: one at a time in a process, however many are asked for.
 *
 * A lookup is a millisecond before somebody signs; an analysis is for who looks back. Six of them at once left a machine of
 * two processors none for lookups, and whoever was refused at once came again at once, which cost more still. So who asks
 * while one is under way waits, and lookups that have come meanwhile go first. Who asks what somebody else waits for already
 * waits with him: it is made once, after both have asked. Where too many wait, or for too long, they are told to come again.
 */
import { setImmediate } from 'node:timers/promises';
import { HttpProblem } from './problem.js';

export interface Turns {
  /**
   * @param question the same for who may be given the same answer
   * @throws HttpProblem 503 where too many wait, or this one has for too long; what `work` throws
   */
  take<T>(question: string, work: () => Promise<T>): Promise<T>;
}

export interface TurnsOptions {
  /** Different questions. */
  readonly mostWaiting?: number;
  readonly patienceMs?: number;
  /** A clock that does not step. */
  readonly nowMs?: () => number;
}

interface Waiting {
  readonly sinceMs: number;
  readonly answer: Promise<unknown>;
  start(): Promise<void>;
  refuse(): void;
}

const MOST_WAITING = 32;
const PATIENCE_MS = 10_000;

export function createTurns(options: TurnsOptions = {}): Turns {
  const { mostWaiting = MOST_WAITING, patienceMs = PATIENCE_MS, nowMs = () => performance.now() } = options;
  const waiting = new Map<string, Waiting>();
  let isUnderWay = false;

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
      await one.start();
      await setImmediate();
    }
    isUnderWay = false;
  }

  return {
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
