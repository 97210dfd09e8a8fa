/**
 * What the network does to one init: the round trips it would make, in the order in which it makes them.
 *
 * Every policy and every estimator meets the same. The k-th request to the exchange takes as long whoever makes it,
 * and one that makes fewer requests does not see the rest.
 */
import { type Dice, numberedDice } from './dice.js';
import type { SimulatedExchange } from './exchange.js';
import type { Host } from './host.js';
import { queryTrip, type Trip, trip } from './network.js';

const TO_EXCHANGE = 2;
const TO_DATABASE = 3;

export class Weather {
  readonly #host: Host;
  readonly #exchange: SimulatedExchange;
  readonly #exchangeDice: Dice;
  readonly #databaseDice: Dice;
  readonly #trips: Trip[] = [];
  readonly #queries: Trip[] = [];

  constructor(seed: number, init: number, host: Host, exchange: SimulatedExchange) {
    this.#host = host;
    this.#exchange = exchange;
    this.#exchangeDice = numberedDice(seed, TO_EXCHANGE, init);
    this.#databaseDice = numberedDice(seed, TO_DATABASE, init);
  }

  /** @param k from 0 */
  trip(k: number): Trip {
    while (this.#trips.length <= k) {
      const route = this.#host.machine.exchangePaths[this.#exchange.index];
      if (!route) throw new Error(`no path from ${this.#host.machine.name} to ${this.#exchange.exchange}`);
      this.#trips.push(trip(route, this.#exchangeDice));
    }
    return this.#trips[k] as Trip;
  }

  query(k: number): Trip {
    while (this.#queries.length <= k) {
      this.#queries.push(queryTrip(this.#host.machine.databasePath, this.#databaseDice));
    }
    return this.#queries[k] as Trip;
  }
}
