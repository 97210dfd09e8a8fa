/**
 * Concurrent syncs of one exchange and environment share one measurement.
 *
 * A book of twenty connectors that starts on an empty cache would otherwise measure the same clock twenty
 * times, 1.5 s each. The first to need it measures; who comes while that is under way waits for its result,
 * success or failure. Nothing is kept afterwards: the cache remembers, this does not.
 */
import type { MeasuredOffset } from '../cache/measurement.js';
import type { Environment, Exchange } from '../events/connector.js';

export class MeasurementSharing {
  readonly #underWay = new Map<string, Promise<MeasuredOffset>>();

  measure(
    of: { exchange: Exchange; environment: Environment },
    measure: () => Promise<MeasuredOffset>,
  ): Promise<MeasuredOffset> {
    const key = `${of.exchange} ${of.environment}`;
    const running = this.#underWay.get(key);
    if (running) return running;
    const started = measure().finally(() => this.#underWay.delete(key));
    this.#underWay.set(key, started);
    return started;
  }
}
