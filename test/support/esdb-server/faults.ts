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
  | { readonly kind: 'lose-answer' };

export type Injection = Fault & {
  /** Default: every call. */
  readonly rpc?: Rpc;
  /** Default: until it is taken back. */
  readonly times?: number;
};

export class Faults {
  readonly #injected: { injection: Injection; left: number }[] = [];

  /** @returns takes it back */
  inject(injection: Injection): () => void {
    const entry = { injection, left: injection.times ?? Number.POSITIVE_INFINITY };
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
    const entry = this.#injected.find(({ injection, left }) => left > 0 && (injection.rpc ?? rpc) === rpc);
    if (!entry) return undefined;
    entry.left -= 1;
    return entry.injection;
  }
}
