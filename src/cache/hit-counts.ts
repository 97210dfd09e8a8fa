/**
 * Hits, counted per connector and tier until a flush takes them: one event each instead of one a lookup.
 *
 * Counting is on the path of every warm lookup, so whoever asks carries the count that was added to last: with a hundred
 * thousand connectors a map's entry is in nobody's processor cache. Another is found by two maps, the tier's and the
 * connector's in it, and no name is made of the two. Within a tier the counts are in the order of their first hit, across tiers the
 * recorder's number tells which is the oldest.
 */
import type { EventData, Tier } from '../events/catalogue.js';
import type { ConnectorRef } from '../events/connector.js';
import { fieldsOf } from './facts.js';

export interface HitCount {
  /** The recorder's, of the first hit. */
  readonly number: number;
  readonly data: EventData['ConnectorStateHit'];
  /** The connector's name. */
  readonly key: string;
  /** Where it is counted, until it is taken out of there. */
  within: TierCounts | undefined;
}

/** A connector that is known (known-connector.ts): the same object each time. */
export interface CountedRef extends ConnectorRef {
  /** What was added to last for it; `null` before the first. Left out: it is not that kind of object. */
  counted?: HitCount | null;
}

/**
 * The counts of one tier, by connector, in the order of their first hit. One iterator goes through them for good: to ask
 * a map for its first entry means passing over every place that was emptied before it, half a million in a recorder
 * that drops.
 */
class TierCounts {
  readonly #counts = new Map<string, HitCount>();
  #order: IterableIterator<[string, HitCount]> | undefined;
  #first: [string, HitCount] | undefined;

  get(key: string): HitCount | undefined {
    return this.#counts.get(key);
  }

  add(key: string, count: HitCount): void {
    this.#counts.set(key, count);
  }

  first(): HitCount | undefined {
    if (!this.#first) {
      this.#order ??= this.#counts.entries();
      const next = this.#order.next();
      // An iterator that came to an end stays there.
      if (next.done) this.#order = undefined;
      else this.#first = next.value;
    }
    return this.#first?.[1];
  }

  removeFirst(): void {
    if (this.#first) {
      const [key, count] = this.#first;
      this.#counts.delete(key);
      count.within = undefined;
    }
    this.#first = undefined;
  }
}

export class HitCounts {
  /** Stale hits apart from the tier's others. */
  readonly #tiers = new Map<Tier | `stale ${Tier}`, TierCounts>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /**
   * @param at epoch milliseconds
   * @param number for the count that this hit may begin
   * @returns whether it did
   */
  count(ref: CountedRef, tier: Tier, key: string, at: number, number: number, how?: 'stale'): boolean {
    const name = how ? (`stale ${tier}` as const) : tier;
    let ofTier = this.#tiers.get(name);
    if (!ofTier) {
      ofTier = new TierCounts();
      this.#tiers.set(name, ofTier);
    }
    const { counted } = ref;
    const isSame = counted?.within === ofTier && counted.key === key;
    const known = isSame ? counted : ofTier.get(key);
    if (known) {
      const { data } = known;
      data.count++;
      data.lastAt = Math.max(data.lastAt, at);
      if (counted !== undefined) ref.counted = known;
      return false;
    }
    const data = {
      ...fieldsOf(ref),
      tier,
      count: 1,
      firstAt: at,
      lastAt: at,
      ...(how && { stale: true as const }),
    };
    const begun: HitCount = { number, data, key, within: ofTier };
    if (counted !== undefined) ref.counted = begun;
    ofTier.add(key, begun);
    this.#size++;
    return true;
  }

  /** Removes and returns the count that began first, if its number is not above `mark`. */
  takeOldest(mark = Number.POSITIVE_INFINITY): HitCount | undefined {
    let oldest: HitCount | undefined;
    let from: TierCounts | undefined;
    for (const ofTier of this.#tiers.values()) {
      const first = ofTier.first();
      if (!first || first.number > (oldest?.number ?? mark)) continue;
      oldest = first;
      from = ofTier;
    }
    if (from) {
      from.removeFirst();
      this.#size--;
    }
    return oldest;
  }
}
