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

/** Of one connector in one tier. What a hit changes lies side by side; the fact is made when it is taken. */
export class HitCount {
  /** The recorder's, of the first hit. */
  readonly number: number;
  /** The connector's name. */
  readonly key: string;
  /** Where it is counted, until it is taken out of there. */
  within: TierCounts | undefined;
  count = 1;
  /** Since the first; a number as small as this is no object of its own. */
  #lastAfterMs = 0;
  readonly #firstAt: number;
  readonly #of: ReturnType<typeof fieldsOf>;

  constructor(of: ConnectorRef, key: string, within: TierCounts, firstAt: number, number: number) {
    this.#of = fieldsOf(of);
    this.key = key;
    this.within = within;
    this.#firstAt = firstAt;
    this.number = number;
  }

  add(at: number): void {
    this.count++;
    const afterMs = at - this.#firstAt;
    if (afterMs > this.#lastAfterMs) this.#lastAfterMs = afterMs;
  }

  dataOf(tier: Tier, isStale: boolean): EventData['ConnectorStateHit'] {
    const firstAt = this.#firstAt;
    const lastAt = firstAt + this.#lastAfterMs;
    return {
      ...this.#of,
      tier,
      count: this.count,
      firstAt,
      lastAt,
      ...(isStale && { stale: true as const }),
    };
  }
}

/** One that is no longer added to. */
export interface TakenCount {
  readonly number: number;
  readonly data: EventData['ConnectorStateHit'];
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
  readonly of: HitCounts;
  readonly tier: Tier;
  readonly isStale: boolean;
  readonly #counts = new Map<string, HitCount>();
  #order: IterableIterator<[string, HitCount]> | undefined;
  #first: [string, HitCount] | undefined;

  constructor(of: HitCounts, tier: Tier, isStale: boolean) {
    this.of = of;
    this.tier = tier;
    this.isStale = isStale;
  }

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

  /** Which {@link first} has looked at. */
  takeFirst(): TakenCount | undefined {
    if (!this.#first) return undefined;
    const [key, count] = this.#first;
    this.#counts.delete(key);
    count.within = undefined;
    this.#first = undefined;
    return { number: count.number, data: count.dataOf(this.tier, this.isStale) };
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
    const isStale = how === 'stale';
    const { counted } = ref;
    const where = counted?.within;
    if (where?.of === this && where.tier === tier && where.isStale === isStale && counted?.key === key) {
      counted.add(at);
      return false;
    }
    const ofTier = this.#tierOf(tier, isStale);
    const known = ofTier.get(key);
    const count = known ?? new HitCount(ref, key, ofTier, at, number);
    if (counted !== undefined) ref.counted = count;
    if (known) {
      known.add(at);
      return false;
    }
    ofTier.add(key, count);
    this.#size++;
    return true;
  }

  #tierOf(tier: Tier, isStale: boolean): TierCounts {
    const name = isStale ? (`stale ${tier}` as const) : tier;
    let ofTier = this.#tiers.get(name);
    if (!ofTier) {
      ofTier = new TierCounts(this, tier, isStale);
      this.#tiers.set(name, ofTier);
    }
    return ofTier;
  }

  /** Removes and returns the count that began first, if its number is not above `mark`. */
  takeOldest(mark = Number.POSITIVE_INFINITY): TakenCount | undefined {
    let oldest: HitCount | undefined;
    let from: TierCounts | undefined;
    for (const ofTier of this.#tiers.values()) {
      const first = ofTier.first();
      if (!first || first.number > (oldest?.number ?? mark)) continue;
      oldest = first;
      from = ofTier;
    }
    if (from) this.#size--;
    return from?.takeFirst();
  }
}
