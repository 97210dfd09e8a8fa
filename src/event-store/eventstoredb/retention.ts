/**
 * How long hits are kept: `$maxAge` in the metadata of each hits stream, and of no other, for syncs, failures and
 * invalidations are kept for good. Set when this process first appends to the stream; what a stream has
 * otherwise in its metadata is left as it is.
 */
import { randomUUID } from 'node:crypto';
import { isForgettable } from '../../events/streams.js';
import { collect } from './calls.js';
import type { Node } from './connection.js';
import { toFailure } from './failure.js';
import { streamRead } from './read-requests.js';
import { type Recorded, versionOf } from './recorded-event.js';

export interface RetentionOptions {
  /** Whole seconds, 1 and up. */
  readonly hitsMaxAgeSeconds: number;
  readonly attemptTimeoutMs: number;
  onFailure(failure: Error): void;
}

/** A failure is reported and no more: it must not keep a fact from being stored. The next process tries again. */
export function createRetention({ hitsMaxAgeSeconds, attemptTimeoutMs, onFailure }: RetentionOptions) {
  return async (node: Node, stream: string, signal: AbortSignal): Promise<void> => {
    if (!isForgettable(stream)) return;
    const metadataStream = `$$${stream}`;
    try {
      let last: Recorded | undefined;
      const request = streamRead(metadataStream, {
        direction: 'backwards',
        fromVersion: undefined,
        count: 1,
      });
      await collect(node, request, attemptTimeoutMs, signal, event => {
        last = event;
      });
      const metadata = last ? (JSON.parse(Buffer.from(last.getData_asU8()).toString()) as object) : {};
      const { $maxAge, $tb = 0 } = metadata as { $maxAge?: unknown; $tb?: unknown };
      // A deleted stream has a `$tb` no number here can hold; its next append brings it back, and the next look.
      if ($maxAge === hitsMaxAgeSeconds || !Number.isSafeInteger($tb)) return;
      const change = {
        id: randomUUID(),
        type: '$metadata',
        data: JSON.stringify({ ...metadata, $maxAge: hitsMaxAgeSeconds }),
        metadata: '{}',
      };
      // A conflict means that another process was faster.
      await node.appends.append(metadataStream, last ? versionOf(last) : 0, [change], attemptTimeoutMs);
    } catch (error) {
      onFailure(toFailure(error, `set how long ${stream} is kept`));
    }
  };
}
