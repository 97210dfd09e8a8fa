/**
 * The verification that a host offers: an exchange's demo, test and regional hosts do not have all its calls. What answers
 * that it is not there gives way to the next, and is not asked again.
 */
import { ExchangeError } from './exchange-adapter.js';

/** Not on this host, or not in this environment: another call may be. */
const isNotOffered = (error: unknown): boolean =>
  error instanceof ExchangeError &&
  (error.reason === 'other-environment' || error.exchangeCode === 'HTTP 404');

export class FirstOffered<Call> {
  readonly #calls: readonly Call[];
  #next = 0;

  /** @param calls one at least */
  constructor(calls: readonly Call[]) {
    this.#calls = calls;
  }

  /** @throws what the last of them throws, or any that is offered */
  async run<Result>(send: (call: Call) => Promise<Result>): Promise<Result> {
    for (;;) {
      const index = this.#next;
      try {
        return await send(this.#calls[index] as Call);
      } catch (error) {
        if (index + 1 >= this.#calls.length || !isNotOffered(error)) throw error;
        // Another verification may have found it meanwhile.
        this.#next = Math.max(this.#next, index + 1);
      }
    }
  }
}
