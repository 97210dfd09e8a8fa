/** What a server can be told to do wrong, to some of its calls or to all, some times or until it is told to stop. */

export type Rpc =
  | 'read'
  | 'append'
  | 'batchAppend'
  | 'delete'
  | 'tombstone'
  | 'getSupportedMethods'
  | 'gossip';

export type Fault =
  /** Takes the call (or the one append of a batch) and never answers. */
  | { readonly kind: 'stall' }
  /** `UNAVAILABLE`, at once. */
  | { readonly kind: 'refuse' }
  /** The server's own "you may not". */
  | { readonly kind: 'deny' }
  | { readonly kind: 'slow'; readonly delayMs: number }
  /** Ends the call after so many messages, as a lost connection would. */
  | { readonly kind: 'cut'; readonly afterMessages: number }
  /** Takes the append in full, and ends the call instead of answering. */
  | { readonly kind: 'lose-answer' }
  /** Takes the append and does not say where it lies, as the protocol allows. */
  | { readonly kind: 'withhold-position' };

export type Injection = Fault & {
  /** Default: every call. */
  readonly rpc?: Rpc;
  /** So many calls are spared first. Default: none. */
  readonly skip?: number;
  /** Default: until it is taken back. */
  readonly times?: number;
};

export class Faults {
  readonly #injected: { injection: Injection; spared: number; left: number }[] = [];

  /** @returns takes it back */
  inject(injection: Injection): () => void {
    const entry = {
      injection,
      spared: injection.skip ?? 0,
      left: injection.times ?? Number.POSITIVE_INFINITY,
    };
    this.#injected.push(entry);
    return () => {
      entry.left = 0;
    };
  }

  clear(): void {
    this.#injected.length = 0;
  }

  /** The fault this call is to suffer, counted. */
  take(rpc: Rpc): Fault | undefined {
    for (const entry of this.#injected) {
      if (entry.left <= 0 || (entry.injection.rpc ?? rpc) !== rpc) continue;
      if (entry.spared > 0) {
        entry.spared -= 1;
        continue;
      }
      entry.left -= 1;
      return entry.injection;
    }
    return undefined;
  }
}
