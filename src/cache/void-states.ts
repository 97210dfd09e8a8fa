/**
 * Which states this process knows to be void, whatever the read model still says.
 *
 * A state is void when the sync it rests on was condemned here or, as far as was heard, elsewhere, when it was measured
 * before a step of the exchange's clock that this process has seen, or, if it is relative to this host's own clock,
 * when that clock has broken off since. The read model learns of the first two with the next flush and projection; until then a
 * lookup that believed it would walk into the refusal just met.
 *
 * To judge a state costs two look-ups, and most lookups are answered from memory. So {@link VoidStates.version}
 * counts whatever may have made a state void: one that was judged at this version need not be judged again.
 * A break of the host's clock is not counted, because it empties the memory.
 */
import { LRUCache } from 'lru-cache';
import type { LocalClocks } from './local-clocks.js';
import type { OffsetState } from './offset-state.js';

/** Condemned syncs are looked for only until the read model knows them; the oldest go first. */
const MAX_CONDEMNED = 10_000;

export class VoidStates {
  readonly #clocks: LocalClocks;
  readonly #hostClockId: string;
  readonly #condemned = new LRUCache<string, true>({ max: MAX_CONDEMNED });
  #condemnations = 0;
  /** What was measured against this host's own clock before it last broke off is void. */
  #hostEpochStartedAtMs = Number.NEGATIVE_INFINITY;

  constructor(clocks: LocalClocks, hostClockId: string) {
    this.#clocks = clocks;
    this.#hostClockId = hostClockId;
  }

  /** While it stays the same nothing that was good has become void. */
  get version(): number {
    return this.#clocks.epochs + this.#condemnations;
  }

  isVoid(state: OffsetState): boolean {
    if (this.#condemned.has(state.syncId)) return true;
    const { atMs } = state.estimate;
    if (state.referenceClock === this.#hostClockId && atMs < this.#hostEpochStartedAtMs) return true;
    const clock = this.#clocks.known(state);
    return clock !== undefined && atMs < clock.epochStartedAtMs;
  }

  /** Whether a host contradicts the clock that the state is of, since the state was last known to be true. */
  isDoubtful(state: OffsetState): boolean {
    const sinceMs = this.#clocks.known(state)?.rival?.sinceMs;
    return sinceMs !== undefined && state.estimate.atMs < sinceMs;
  }

  /** @param voidsOlder the exchange's clock stepped: what was measured before is void too */
  condemn(state: OffsetState, voidsOlder: boolean): void {
    const { syncId } = state;
    this.#condemned.set(syncId, true);
    this.#condemnations++;
    const measuredAtMs = Math.round(state.estimate.atMs);
    this.#clocks.condemned(state, { syncId, measuredAtMs, voidsOlder, host: this.#hostClockId });
  }

  /** Another process condemned it, and what is read may not show it yet. */
  heard(syncId: string): void {
    if (this.#condemned.has(syncId)) return;
    this.#condemned.set(syncId, true);
    this.#condemnations++;
  }

  hostClockBroke(nowMs: number): void {
    this.#hostEpochStartedAtMs = nowMs;
  }
}
