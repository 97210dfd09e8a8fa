/**
 * Whose turn it is to measure an exchange's clock, over all processes that share a Redis.
 *
 * The first to need it measures, under a lease, and stores what it found before it gives the lease back. The others wait
 * for that, five lookup deadlines at most (half a second), and look again: what was measured is there for them. Who has waited long enough, or
 * has nobody to ask, measures for itself.
 *
 * Within one process those who need it at once share one turn; it ends when the last of them is done.
 */
import { setTimeout as pause } from 'node:timers/promises';
import type { ConnectorRef } from '../events/connector.js';
import { scopeOf } from '../events/connector.js';
import type { Lease } from '../shared-tier/lease.js';

export interface Turn {
  /** Somebody else measured meanwhile, or tried to: look again first. */
  readonly hasWaited: boolean;
  /** Call it once what was measured has been recorded, or came to nothing. */
  done(): void;
}

export interface TurnParts {
  /** @returns `undefined` when another process has it; @throws when nobody can be asked */
  readonly lease: (of: Clock) => Promise<Lease | undefined>;
  /** So long another process is waited for. */
  readonly patienceMs: number;
  /** Stores what was measured, for the others to find. */
  readonly flush: () => Promise<unknown>;
}

type Clock = Pick<ConnectorRef, 'exchange' | 'environment' | 'scope'>;

const PAUSE_MS = 20;

interface Shared {
  readonly begun: Promise<{ readonly hasWaited: boolean; readonly lease: Lease | undefined }>;
  users: number;
}

export class MeasuringTurns {
  readonly #parts: TurnParts;
  readonly #turns = new Map<string, Shared>();

  constructor(parts: TurnParts) {
    this.#parts = parts;
  }

  /** Never rejects. */
  async take(of: Clock): Promise<Turn> {
    const name = `${of.exchange} ${of.environment} ${scopeOf(of)}`;
    let shared = this.#turns.get(name);
    if (!shared) {
      shared = { begun: this.#begin(of), users: 0 };
      this.#turns.set(name, shared);
    }
    const mine = shared;
    mine.users++;
    const { hasWaited, lease } = await mine.begun;
    let isDone = false;
    return {
      hasWaited,
      done: () => {
        if (isDone) return;
        isDone = true;
        if (--mine.users > 0) return;
        if (this.#turns.get(name) === mine) this.#turns.delete(name);
        if (lease) void this.#parts.flush().finally(() => lease.giveBack());
      },
    };
  }

  async #begin(of: Clock): Promise<{ hasWaited: boolean; lease: Lease | undefined }> {
    const endMs = performance.now() + this.#parts.patienceMs;
    let hasWaited = false;
    try {
      for (;;) {
        const lease = await this.#parts.lease(of);
        if (lease || performance.now() >= endMs) return { hasWaited, lease };
        hasWaited = true;
        await pause(PAUSE_MS);
      }
    } catch {
      return { hasWaited, lease: undefined };
    }
  }
}
