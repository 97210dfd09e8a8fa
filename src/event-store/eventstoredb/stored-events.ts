/**
 * What has become of the events of a batch so far: which are there, where, and whether it was this process that stored
 * them. Without it what an unanswered append had stored in part was stored again.
 */
import type { Proposal } from './append-message.js';
import type { Known } from './stream-tail.js';
import type { Write } from './writes.js';

export interface Stored extends Known {
  isNew: boolean;
}

/** By stream and lower-case id. */
export type StoredEvents = ReadonlyMap<string, ReadonlyMap<string, Stored>>;

export class BatchProgress {
  readonly stored: ReadonlyMap<string, Map<string, Stored>>;
  /** Events that this process has sent: should they be there, it stored them. */
  readonly #ours: Set<string>;

  constructor(streams: Iterable<string>, ours: Set<string>) {
    this.#ours = ours;
    this.stored = new Map(Array.from(streams, stream => [stream, new Map<string, Stored>()]));
  }

  /** Events were found in their stream. */
  noteFound({ stream, events }: Write, known: ReadonlyMap<string, Known>): void {
    if (known.size === 0) return;
    const stored = this.in(stream);
    for (const { id } of events) {
      const key = id.toLowerCase();
      const found = known.get(key);
      if (found && !stored.has(key)) stored.set(key, { ...found, isNew: this.#ours.has(`${stream} ${key}`) });
    }
  }

  /** They were sent, and nobody knows whether they are stored. */
  noteUncertain({ stream, events }: Write): void {
    for (const { id } of events) this.#ours.add(`${stream} ${id.toLowerCase()}`);
  }

  /** This batch will not be gone on with: whoever takes up its events learns which of them it stored. */
  handOver(): void {
    for (const [stream, stored] of this.stored) {
      for (const [key, { isNew }] of stored) if (isNew) this.#ours.add(`${stream} ${key}`);
    }
  }

  in(stream: string): Map<string, Stored> {
    return this.stored.get(stream) as Map<string, Stored>;
  }

  /** What is not there yet, each once, also what is given twice. */
  missingOf({ stream, events }: Write): readonly Proposal[] {
    const stored = this.in(stream);
    const seen = new Set<string>();
    return events.filter(({ id }) => {
      const key = id.toLowerCase();
      if (stored.has(key) || seen.has(key)) return false;
      seen.add(key);
      return true;
    });
  }

  /** Whether something of the batch was stored in this stream, by this process. */
  wasBegun(stream: string): boolean {
    for (const { isNew } of this.in(stream).values()) if (isNew) return true;
    return false;
  }
}
