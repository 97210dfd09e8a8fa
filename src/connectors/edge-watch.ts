/**
 * What a process makes of the clock in front of an exchange (clock/edge-clock.ts): a measurement that nobody waits for, where it
 * hints that one of the clocks moved; a fact, where it is another clock than the exchange's. Nothing is signed by it.
 *
 * BingX tells no time when it says yes. Without the hint a step of its clock would show only when a sync is due, or in a
 * refusal.
 */
import type { ConnectorStateCacheService } from '../cache/connector-state-cache-service.js';
import { EdgeClock, isApart } from '../clock/edge-clock.js';
import type { ClockSample, OffsetEstimate } from '../clock/offset.js';
import type { ConnectorRef } from '../events/connector.js';

/** So often a process says that the edge is apart, */
const SAID_EVERY_MS = 3_600_000;
/** and of many short ones, this share. */
const SAID_SHARE = 0.1;
/** What a process knows that has just begun is what the edge shows now: of many, this share looks whether the exchange stepped. */
const ASKED_SHARE = 0.25;

export class EdgeWatch {
  readonly #cache: ConnectorStateCacheService;
  readonly #edge = new EdgeClock();
  #saidAtMs = Number.NEGATIVE_INFINITY;

  constructor(cache: ConnectorStateCacheService) {
    this.#cache = cache;
  }

  /** Edge minus exchange, milliseconds; `undefined` while no answer has shown it. */
  get aheadOfExchange(): OffsetEstimate | undefined {
    return this.#edge.aheadOfExchange;
  }

  /** An answer carried both clocks. */
  compared(ref: ConnectorRef, stamp: ClockSample, edge: ClockSample): void {
    this.#edge.comparedWith(stamp, edge);
    this.#say(ref);
  }

  /**
   * An answer carried the edge's alone.
   * @param known of the exchange: its clock minus this host's
   * @returns whether the exchange's clock is worth a measurement now
   */
  heard(edge: ClockSample, known: OffsetEstimate): boolean {
    const finding = this.#edge.heard(edge, known);
    if (finding === 'steady') return false;
    if (finding === 'apart' && this.#cache.random() >= ASKED_SHARE) return false;
    return this.#edge.isHint(edge.receivedAtMs);
  }

  #say(ref: ConnectorRef): void {
    const { aheadOfExchange } = this;
    const nowMs = this.#cache.clock.now();
    if (this.#cache.mode !== 'on' || !aheadOfExchange || !isApart(aheadOfExchange)) return;
    if (nowMs - this.#saidAtMs < SAID_EVERY_MS) return;
    const isFirst = this.#saidAtMs === Number.NEGATIVE_INFINITY;
    this.#saidAtMs = nowMs;
    const { exchange, environment } = ref;
    const { offsetMs, uncertaintyMs } = aheadOfExchange;
    if (isFirst) {
      this.#cache.log.info(
        { exchange, environment, edgeAheadMs: offsetMs, uncertaintyMs },
        `the clock in front of ${exchange} ${environment} is ${Math.round(offsetMs)} ± ${Math.round(uncertaintyMs)} ms ahead of the exchange's: its Date headers are another machine's, and nothing is signed by them`,
      );
    }
    if (!isFirst || this.#cache.random() < SAID_SHARE) this.#cache.recordEdge(ref, aheadOfExchange);
  }
}
