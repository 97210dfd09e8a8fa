/**
 * Hits, counted per connector and tier until a flush takes them: one event each instead of one a lookup.
 *
 * Counting is on the path of every warm lookup, so a count is found by two maps, the tier's and the connector's
 * in it, and no name is made of the two. Within a tier the counts are in the order of their first hit, across
 * tiers the recorder's number tells which is the oldest.
 */
import type { EventData, Tier } from '../events/catalogue.js';
import type { ConnectorRef } from '../events/connector.js';
import { fieldsOf } from './facts.js';

export interface HitCount {
  /** The recorder's, of the first hit. */
  readonly number: number;
  readonly data: EventData['ConnectorStateHit'];
}

export class HitCounts {
  /** Stale hits apart from the tier's others. */
  readonly #tiers = new Map<Tier | `stale ${Tier}`, Map<string, HitCount>>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /**
   * @param at epoch milliseconds
   * @param number for the count that this hit may begin
   * @returns whether it did
   */
  count(ref: ConnectorRef, tier: Tier, key: string, at: number, number: number, how?: 'stale'): boolean {
    const name = how ? (`stale ${tier}` as const) : tier;
    let ofTier = this.#tiers.get(name);
    if (!ofTier) {
      ofTier = new Map();
      this.#tiers.set(name, ofTier);
    }
    const known = ofTier.get(key);
    if (known) {
      const { data } = known;
      data.count++;
      data.lastAt = Math.max(data.lastAt, at);
      return false;
    }
    const fields = { ...fieldsOf(ref), tier };
    ofTier.set(key, {
      number,
      data: { ...fields, count: 1, firstAt: at, lastAt: at, ...(how && { stale: true }) },
    });
    this.#size++;
    return true;
  }

  /** Removes and returns the count that began first, if its number is not above `mark`. */
  takeOldest(mark = Number.POSITIVE_INFINITY): HitCount | undefined {
    let oldest: HitCount | undefined;
    let from: { key: string; ofTier: Map<string, HitCount> } | undefined;
    for (const ofTier of this.#tiers.values()) {
      const first = ofTier.entries().next();
      if (first.done) continue;
      const [key, count] = first.value;
      if (count.number > (oldest?.number ?? mark)) continue;
      oldest = count;
      from = { key, ofTier };
    }
    if (from) {
      from.ofTier.delete(from.key);
      this.#size--;
    }
    return oldest;
  }
}
