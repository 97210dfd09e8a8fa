/** So many at once, and no queue behind them: who comes when it is full is told to come again. */
import { HttpProblem } from './problem.js';

export interface Gate {
  /** @throws HttpProblem 503 when it is full */
  pass<T>(work: () => Promise<T>): Promise<T>;
}

export function createGate(atOnce: number, what: string): Gate {
  let inside = 0;
  return {
    async pass(work) {
      if (inside >= atOnce) {
        throw new HttpProblem(503, 'OVERLOADED', `${atOnce} ${what} at once are under way`, {
          retryAfterSeconds: 1,
        });
      }
      inside++;
      try {
        return await work();
      } finally {
        inside--;
      }
    },
  };
}
