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
import type { Interruption } from './interruption.js';
import type { Recorded } from './read-message.js';
import { streamRead } from './read-requests.js';

export interface RetentionOptions {
  /** Whole seconds, 1 and up. */
  readonly hitsMaxAgeSeconds: number;
  onFailure(failure: Error): void;
}

/** A failure is reported and no more: it must not keep a fact from being stored. The next process tries again. */
export function createRetention({ hitsMaxAgeSeconds, onFailure }: RetentionOptions) {
  return async (node: Node, stream: string, operation: Interruption): Promise<void> => {
    if (!isForgettable(stream)) return;
    const metadataStream = `$$${stream}`;
    try {
      let last: Recorded | undefined;
      const request = streamRead(metadataStream, {
        direction: 'backwards',
        fromVersion: undefined,
        count: 1,
      });
      await collect(node, request, operation, event => {
        last = event;
      });
      const metadata = last ? ((JSON.parse(last.data.toString()) as object | null) ?? {}) : {};
      const { $maxAge, $tb = 0 } = metadata as { $maxAge?: unknown; $tb?: unknown };
      // A deleted stream has a `$tb` no number here can hold; its next append brings it back, and the next look.
      if ($maxAge === hitsMaxAgeSeconds || !Number.isSafeInteger($tb)) return;
      const change = {
        id: randomUUID(),
        type: '$metadata',
        data: Buffer.from(JSON.stringify({ ...metadata, $maxAge: hitsMaxAgeSeconds })),
        metadata: Buffer.from('{}'),
      };
      const write = { stream: metadataStream, version: last?.version ?? 0, events: [change] };
      const [receipt] = await node.appends.append([write], operation.attemptMs, stop =>
        operation.onOver(stop),
      );
      // A conflict means that another process was faster.
      if (receipt?.outcome === 'failed') throw receipt.failure;
    } catch (error) {
      onFailure(toFailure(error, `set how long ${stream} is kept`));
    }
  };
}
