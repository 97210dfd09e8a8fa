/**
 * One at a time by key, first come first served, for several keys at once. All keys are asked for in one step, so
 * that two holders never wait for each other.
 */
export class KeyedLock {
  readonly #last = new Map<string, Promise<unknown>>();

  /** @returns `ready` when all keys are held; `release` must be called, also by who no longer waits */
  acquire(keys: readonly string[]): { readonly ready: Promise<unknown>; release(): void } {
    let release!: () => void;
    const released = new Promise<void>(resolve => {
      release = resolve;
    });
    const ready = Promise.all(keys.map(key => this.#last.get(key)));
    const free = ready.then(() => released);
    for (const key of keys) this.#last.set(key, free);
    void free.then(() => {
      for (const key of keys) if (this.#last.get(key) === free) this.#last.delete(key);
    });
    return { ready, release };
  }
}
