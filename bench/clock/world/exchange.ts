/**
 * An exchange as a timestamp meets it: its clock, its window, and what its answers say of its clock.
 *
 * Window (facts of both exchanges): refused when the timestamp is older than the recv window, or lies a second or
 * more ahead. BingX documents no early limit; the same is assumed. Every answer of Bybit carries the time in
 * milliseconds, truncated. BingX says it in refusals and at its time endpoint only; its other answers have the HTTP
 * `Date` header, in whole seconds.
 */
import { DEFAULT_RECV_WINDOW_MS, EARLY_LIMIT_MS } from '../../../src/clock/request-window.js';
import type { Environment, Exchange } from '../../../src/events/connector.js';
import type { TrueClock } from './true-clock.js';

export interface Stamp {
  readonly serverTimeMs: number;
  readonly resolutionMs: number;
}

export class SimulatedExchange {
  readonly index: number;
  readonly exchange: Exchange;
  readonly environment: Environment;
  readonly clock: TrueClock;
  /** What the machine in front adds to the exchange's time in the `Date` header, at a true time. */
  edgeAheadMs: (trueMs: number) => number = () => 0;
  /** What an answer adds to the exchange's time in its body, at a true time. */
  toldAheadMs: (trueMs: number) => number = () => 0;

  constructor(index: number, exchange: Exchange, environment: Environment, clock: TrueClock) {
    this.index = index;
    this.exchange = exchange;
    this.environment = environment;
    this.clock = clock;
  }

  /** @param timestampMs of a signed request that arrives at the true time `trueMs` */
  accepts(timestampMs: number, trueMs: number): boolean {
    const serverMs = Math.floor(this.clock.read(trueMs));
    return timestampMs >= serverMs - DEFAULT_RECV_WINDOW_MS && timestampMs < serverMs + EARLY_LIMIT_MS;
  }

  /** Of the time endpoint, and of refusals. */
  stamp(trueMs: number): Stamp {
    return { serverTimeMs: Math.floor(this.clock.read(trueMs)), resolutionMs: 1 };
  }

  /** Of an answer to a request that was accepted. */
  stampOfSuccess(trueMs: number): Stamp {
    if (this.exchange === 'BYBIT') return this.stamp(trueMs);
    return { serverTimeMs: Math.floor(this.clock.read(trueMs) / 1000) * 1000, resolutionMs: 1000 };
  }
}
