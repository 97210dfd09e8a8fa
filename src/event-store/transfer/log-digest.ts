/**
 * What a log holds, in a few bytes a stream: how many events, and a digest of all that is in them. Two logs with the
 * same digests hold the same facts, so that every fold of them gives the same rows.
 *
 * A digest is a chain, sha256(digest so far, event), over id, type, place in the stream, schema version, the times, host,
 * correlation, causation and data (canonical JSON). The place is counted from the first event there is: a store
 * that has forgotten old hits numbers the rest from where it began, another from 1. Positions are each store's own
 * and no part of it, nor is the login that appended, which not every store knows. The order of streams among each other has a chain of its own, for a clean-up means all that came
 * before it.
 */
import { createHash } from 'node:crypto';
import type { RawEvent } from '../../events/decode.js';
import type { Position } from '../../events/event.js';
import type { TransferableEventStore } from '../event-store.js';
import { canonicalJson } from './canonical-json.js';

export interface StreamDigest {
  readonly events: number;
  /** Hexadecimal. */
  readonly sha256: string;
}

export interface LogDigest {
  readonly events: number;
  readonly streams: ReadonlyMap<string, StreamDigest>;
  /** Over the ids of all events in global order. */
  readonly order: string;
}

const sha256 = (...parts: readonly string[]): string => {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest('hex');
};

export class LogDigester {
  readonly #streams = new Map<string, { events: number; sha256: string }>();
  #order = '';
  #events = 0;

  /** In global order. */
  add(event: RawEvent): void {
    const stream = this.#streams.get(event.stream) ?? { events: 0, sha256: '' };
    stream.events++;
    stream.sha256 = sha256(
      stream.sha256,
      canonicalJson([
        event.id,
        event.type,
        stream.events,
        event.schemaVersion,
        event.occurredAt,
        event.recordedAt,
        event.host,
        event.correlationId,
        event.causationId,
        event.data,
      ]),
    );
    this.#streams.set(event.stream, stream);
    this.#order = sha256(this.#order, event.stream, ' ', event.id);
    this.#events++;
  }

  digest(): LogDigest {
    return { events: this.#events, streams: this.#streams, order: this.#order };
  }
}

export interface DigestOptions {
  /** Inclusive; default: to the end. `undefined` given on purpose means nothing at all. */
  readonly upTo?: { readonly position: Position | undefined };
  readonly pageSize: number;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((events: number) => void) | undefined;
}

export async function digestLog(
  store: Pick<TransferableEventStore, 'readRaw' | 'compare'>,
  { upTo, pageSize, signal, onProgress }: DigestOptions,
): Promise<LogDigest> {
  const digester = new LogDigester();
  let after: Position | undefined;
  let events = 0;
  for (;;) {
    signal?.throwIfAborted();
    const page = await store.readRaw({ after, limit: pageSize });
    const wanted = upTo ? page.filter(event => store.compare(event.position, upTo.position) <= 0) : page;
    for (const event of wanted) digester.add(event);
    events += wanted.length;
    if (wanted.length > 0) onProgress?.(events);
    if (page.length === 0 || wanted.length < page.length) return digester.digest();
    after = page.at(-1)?.position;
  }
}
