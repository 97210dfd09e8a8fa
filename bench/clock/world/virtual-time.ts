/**
 * Time that passes only when everybody waits.
 *
 * What happens is kept in a heap by true time. The next thing happens when all that the last one set going has come
 * to rest, promises included, because the code under test is asynchronous. Node drains its microtasks between two
 * immediates, so each thing that happens gets an immediate of its own; several are asked for at once, as a turn of
 * the event loop costs more than they do.
 */
type Action = () => void;

/** Immediates asked for at once; any left over find nothing to do. */
const AT_ONCE = 64;

export class VirtualTime {
  #nowMs: number;
  #count = 0;
  /** A binary heap in three columns. */
  readonly #times: number[] = [];
  readonly #numbers: number[] = [];
  readonly #actions: Action[] = [];

  constructor(startMs: number) {
    this.#nowMs = startMs;
  }

  /** True time, milliseconds. */
  readonly now = (): number => this.#nowMs;

  /** Things that are to happen at the same time happen in the order in which they were asked for. */
  at(trueMs: number, action: Action): void {
    const [times, numbers, actions] = [this.#times, this.#numbers, this.#actions];
    const number = this.#count++;
    let place = times.length;
    while (place > 0) {
      const above = (place - 1) >> 1;
      if ((times[above] as number) <= trueMs) break;
      times[place] = times[above] as number;
      numbers[place] = numbers[above] as number;
      actions[place] = actions[above] as Action;
      place = above;
    }
    times[place] = trueMs;
    numbers[place] = number;
    actions[place] = action;
  }

  until(trueMs: number): Promise<void> {
    return new Promise(resolve => this.at(trueMs, resolve));
  }

  /** Until nothing is left to happen. @throws what an action threw */
  run(): Promise<void> {
    return new Promise((resolve, reject) => {
      let waiting = 0;
      const turn = () => {
        waiting--;
        try {
          const action = this.#take();
          if (action) action();
          else if (waiting === 0) return resolve();
        } catch (error) {
          return reject(error);
        }
        if (waiting === 0) ask();
      };
      const ask = () => {
        for (; waiting < AT_ONCE; waiting++) setImmediate(turn);
      };
      ask();
    });
  }

  #take(): Action | undefined {
    const [times, numbers, actions] = [this.#times, this.#numbers, this.#actions];
    const action = actions[0];
    const last = times.length - 1;
    if (!action) return undefined;
    this.#nowMs = Math.max(this.#nowMs, times[0] as number);
    const time = times.pop() as number;
    const number = numbers.pop() as number;
    const moved = actions.pop() as Action;
    if (last === 0) return action;
    let place = 0;
    for (;;) {
      let below = 2 * place + 1;
      if (below >= last) break;
      if (below + 1 < last && isBefore(times, numbers, below + 1, below)) below++;
      const belowTime = times[below] as number;
      if (belowTime > time || (belowTime === time && (numbers[below] as number) > number)) break;
      times[place] = belowTime;
      numbers[place] = numbers[below] as number;
      actions[place] = actions[below] as Action;
      place = below;
    }
    times[place] = time;
    numbers[place] = number;
    actions[place] = moved;
    return action;
  }
}

function isBefore(times: readonly number[], numbers: readonly number[], a: number, b: number): boolean {
  const [at, bt] = [times[a] as number, times[b] as number];
  return at < bt || (at === bt && (numbers[a] as number) < (numbers[b] as number));
}
