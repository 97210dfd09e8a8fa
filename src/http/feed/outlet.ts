/**
 * What a follower's socket is given, and whether it takes it.
 *
 * Pages that lie ready one behind the other go out in one write, {@link MOST_WAITING} at most: what waits are the texts that
 * all followers share.
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
}

export class Outlet {
  readonly #options: OutletOptions;
  #waiting: Chunk[] = [];
  #size = 0;
  #isStuck = false;

  constructor(options: OutletOptions) {
    this.#options = options;
  }

  /** What was put last was handed on. */
  get isIdle(): boolean {
    return this.#waiting.length === 0 && !this.#isStuck;
  }

  /**
   * Resolves when there is room for more.
   * @param more another follows at once, and this may go out with it
   */
  async put(chunk: Chunk | undefined, more = false): Promise<void> {
    if (chunk !== undefined) {
      this.#waiting.push(chunk);
      this.#size += chunk.length;
    }
    if (more && this.#size < MOST_WAITING) return;
    const chunks = this.#waiting;
    this.#waiting = [];
    this.#size = 0;
    if (chunks.length > 0) await this.#send(chunks);
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
