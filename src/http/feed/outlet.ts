/**
 * What a follower's socket is given, and when.
 *
 * Each write wakes a process at the other end. Who follows only to know that something happened (a dashboard asks again what
 * it shows) says how long news may wait for him, and is given what has come in that time at once; each such follower at
 * moments of his own, so that a hundred of them are not written to, and do not come asking, in the same millisecond.
 *
 * What waits are the texts that all followers share, and no more of them than {@link MOST_WAITING}: a burst goes out early.
 */
import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import type { FeedTimers } from './timers.js';

/** Who takes nothing for so long is cut off. */
export const STALL_MS = 30_000;
/** Bytes, or characters. */
const MOST_WAITING = 65_536;

type Chunk = string | Buffer;

export interface OutletOptions {
  readonly response: ServerResponse;
  /** Aborted when the connection ends. */
  readonly gone: AbortSignal;
  readonly timers: FeedTimers;
  /** So long may news wait, milliseconds; 0: not at all. */
  readonly gatherMs: number;
}

export class Outlet {
  readonly #options: OutletOptions;
  /** Where this follower's moments lie, `gatherMs` apart. */
  readonly #phaseMs: number;
  #waiting: Chunk[] = [];
  #size = 0;
  #endWait: (() => void) | undefined;
  #sending = Promise.resolve();
  #isStuck = false;

  constructor(options: OutletOptions) {
    this.#options = options;
    this.#phaseMs = Math.random() * options.gatherMs;
  }

  /** Nothing waits here, be it for its moment or for the socket: what was put last was handed on. */
  get isIdle(): boolean {
    return this.#waiting.length === 0 && !this.#isStuck;
  }

  /** Resolves when there is room for more. */
  async news(chunk: Chunk): Promise<void> {
    const { gatherMs, timers } = this.#options;
    this.#waiting.push(chunk);
    this.#size += chunk.length;
    if (gatherMs === 0 || this.#size >= MOST_WAITING) return this.flush();
    this.#endWait ??= timers.after(gatherMs - ((timers.nowMs() + this.#phaseMs) % gatherMs), () => {
      void this.flush();
    });
    return this.#sending;
  }

  /** What waits, then this. */
  now(chunk: Chunk): Promise<void> {
    this.#waiting.push(chunk);
    return this.flush();
  }

  flush(): Promise<void> {
    this.#endWait?.();
    this.#endWait = undefined;
    const chunks = this.#waiting;
    this.#waiting = [];
    this.#size = 0;
    if (chunks.length > 0) this.#sending = this.#sending.then(() => this.#send(chunks));
    return this.#sending;
  }

  /** Without what waits. */
  close(): void {
    this.#endWait?.();
    this.#waiting = [];
  }

  async #send(chunks: readonly Chunk[]): Promise<void> {
    const { response, gone, timers } = this.#options;
    const [first] = chunks;
    const whole =
      chunks.length === 1 ? (first as Chunk) : Buffer.concat(chunks.map(chunk => Buffer.from(chunk)));
    if (gone.aborted || response.write(whole)) return;
    this.#isStuck = true;
    const endPatience = timers.after(STALL_MS, () => response.destroy());
    try {
      await once(response, 'drain', { signal: gone });
    } catch {
      // Gone meanwhile.
    } finally {
      this.#isStuck = false;
      endPatience();
    }
  }
}
