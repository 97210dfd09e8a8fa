/**
 * Concurrent syncs of one exchange, environment and scope share one measurement.
 *
 * A book of twenty connectors that starts on an empty cache would otherwise measure the same clock twenty
 * times, 1.5 s each. The first to need it measures; who comes while that is under way waits for its result,
 * success or failure. Nothing is kept afterwards: the cache remembers, this does not.
 *
 * Two results are not good enough for who waits:
 *  - Of a measurement that began before the waiter was refused. The clock may have stepped in between, and what
 *    was read before the step would be refused again. Measurements are numbered in the order they begin; who was
 *    refused says which was the last by then, and joins only a later one.
 *  - The failure of a connector that was closed while it measured. That says nothing about the exchange, so
 *    those who waited measure for themselves: the first of them for all.
 */

import { isConnectorStateError } from '../base/errors.js';
import type { MeasuredOffset } from '../cache/measurement.js';
import { type ConnectorRef, scopeOf } from '../events/connector.js';

interface UnderWay {
  readonly number: number;
  readonly result: Promise<MeasuredOffset>;
}

export class MeasurementSharing {
  /** The latest of each exchange, environment and scope. */
  readonly #underWay = new Map<string, UnderWay>();
  readonly #numbers = new WeakMap<MeasuredOffset, number>();
  #begun = 0;

  /** How many measurements have begun; the number of the last one. */
  get begun(): number {
    return this.#begun;
  }

  /** Of the measurement that this is the result of. */
  numberOf(measured: MeasuredOffset): number {
    return this.#numbers.get(measured) ?? this.#begun;
  }

  /**
   * @param measure throws ConnectorStateError `CLOSED` when it was given up for a reason of its own
   * @param after join only a measurement that began after this one; see {@link begun}
   * @throws what `measure` throws, this one or the one joined
   */
  async measure(
    of: Pick<ConnectorRef, 'exchange' | 'environment' | 'scope'>,
    measure: () => Promise<MeasuredOffset>,
    after = 0,
  ): Promise<MeasuredOffset> {
    const key = `${of.exchange} ${of.environment} ${scopeOf(of)}`;
    for (;;) {
      const running = this.#underWay.get(key);
      if (!running || running.number <= after) return this.#begin(key, measure);
      try {
        return await running.result;
      } catch (error) {
        // Ends: with each turn one more of those who wait has measured for itself.
        if (!isConnectorStateError(error, 'CLOSED')) throw error;
      }
    }
  }

  #begin(key: string, measure: () => Promise<MeasuredOffset>): Promise<MeasuredOffset> {
    const number = ++this.#begun;
    const result = measure()
      .then(measured => {
        this.#numbers.set(measured, number);
        return measured;
      })
      .finally(() => {
        // A later one may have taken the place.
        if (this.#underWay.get(key)?.number === number) this.#underWay.delete(key);
      });
    this.#underWay.set(key, { number, result });
    return result;
  }
}

const sharings = new WeakMap<object, MeasurementSharing>();

/** The one of all connectors over a cache. */
export function sharingOver(cache: object): MeasurementSharing {
  let sharing = sharings.get(cache);
  if (!sharing) {
    sharing = new MeasurementSharing();
    sharings.set(cache, sharing);
  }
  return sharing;
}
