/**
 * The memory tier: states that this process has seen, for the time it may use them without asking again.
 *
 * A warm lookup ends here, in about a microsecond, so an entry is flat: most hits are judged by two numbers,
 * when it ends and what was known to be void when it was last judged, and touch nothing else.
 */
import { LRUCache } from 'lru-cache';
import type { HostClock } from '../clock/host-clock.js';
import type { Hit, UsableState } from './lookup.js';
import type { VoidStates } from './void-states.js';

interface Entry {
  readonly state: UsableState;
  /** By this process's clock: when the state ends or the database is to be asked again. */
  readonly usableUntilMs: number;
  /** The version of what is void that the state was last judged by. */
  judgedAt: number;
  /** This process recorded it, so that it may be newer than what the read model shows. */
  readonly isOwn: boolean;
  /** Kept because its end would be heard of. */
  readonly isHeardOf: boolean;
}

export interface Keeping {
  readonly isOwn: boolean;
  /** From the shared tier: so long at most, by the clock of whoever answered. */
  readonly usableForMs?: number;
}

const NOT_JUDGED = -1;

export class MemoryTier {
  readonly #entries: LRUCache<string, Entry> | undefined;
  readonly #ttlMs: number;
  readonly #clock: HostClock;
  readonly #voids: VoidStates;

  /** @param options `maxEntries` 0 turns the tier off; `ttlMs` is how long a state is used without asking again */
  constructor(
    options: { readonly maxEntries: number; readonly ttlMs: number },
    clock: HostClock,
    voids: VoidStates,
  ) {
    if (options.maxEntries > 0) this.#entries = new LRUCache({ max: options.maxEntries });
    this.#ttlMs = options.ttlMs;
    this.#clock = clock;
    this.#voids = voids;
  }

  get(key: string): Hit | undefined {
    const entries = this.#entries;
    if (!entries) return undefined;
    const entry = entries.get(key);
    if (!entry) return undefined;
    const { version } = this.#voids;
    const isJudged = entry.judgedAt === version;
    if (this.#clock.now() < entry.usableUntilMs && (isJudged || this.#isGood(entry.state))) {
      entry.judgedAt = version;
      return { hit: true, tier: 'memory', state: entry.state };
    }
    entries.delete(key);
    return undefined;
  }

  /** In a contest the database is asked: it may have been decided, and knows both sides. */
  #isGood(state: UsableState): boolean {
    return !this.#voids.isVoid(state) && !this.#voids.isDoubtful(state);
  }

  /** The state that this process itself recorded last, usable or not. */
  own(key: string): UsableState | undefined {
    const entry = this.#entries?.peek(key);
    return entry?.isOwn ? entry.state : undefined;
  }

  set(key: string, state: UsableState, { isOwn, usableForMs }: Keeping): void {
    if (!this.#entries) return;
    const endsAtMs = state.expiresAtMs - state.link.offsetMs;
    const forMs = Math.min(this.#ttlMs, usableForMs ?? this.#ttlMs);
    const usableUntilMs = Math.min(endsAtMs, this.#clock.now() + forMs);
    const isHeardOf = usableForMs !== undefined;
    this.#entries.set(key, { state, usableUntilMs, judgedAt: NOT_JUDGED, isOwn, isHeardOf });
  }

  /** The connector's row is another now. What was measured later, or rests on a sync that is still good, stays. */
  replaced(key: string, by: { syncId: string; measuredAtMs: number; isValid: boolean }): void {
    const state = this.#entries?.peek(key)?.state;
    if (!state) return;
    const isSame = state.syncId === by.syncId;
    if (isSame ? !by.isValid : !(state.estimate.atMs > by.measuredAtMs)) this.#entries?.delete(key);
  }

  /** The keys begin with the name of the clock that they are of. */
  clearOf(clock: string): void {
    for (const key of this.#entries?.keys() ?? [])
      if (key.startsWith(`${clock} `)) this.#entries?.delete(key);
  }

  /** What was kept only because one would hear of its end. */
  clearHeardOf(): void {
    for (const [key, entry] of this.#entries?.entries() ?? [])
      if (entry.isHeardOf) this.#entries?.delete(key);
  }

  delete(key: string): void {
    this.#entries?.delete(key);
  }

  clear(): void {
    this.#entries?.clear();
  }
}
