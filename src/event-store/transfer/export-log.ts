/** Hands a log out, page by page, from a place on or from the beginning, until its end. */
import { InvalidInputError } from '../../base/errors.js';
import type { RawEvent } from '../../events/decode.js';
import type { EventAt, TransferableEventStore } from '../event-store.js';

export interface ExportOptions {
  readonly from: TransferableEventStore;
  /** The last event that is there already: goes on behind it, where it still lies. */
  readonly after?: EventAt | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly pageSize?: number;
  /** Takes a page; the next is read when it is done. */
  readonly write: (events: readonly RawEvent[]) => Promise<void>;
  readonly onProgress?: (done: number, total: number) => void;
}

const PAGE_SIZE = 1_000;

/**
 * @returns how many events were handed out
 * @throws InvalidInputError when the log is not the one that the export was begun from; ConnectorStateError of the store
 */
export async function exportLog(options: ExportOptions): Promise<number> {
  const { from, after, signal, pageSize = PAGE_SIZE, write, onProgress } = options;
  let position = after?.position;
  if (after) {
    const { at } = await from.readFrom({ after: after.position, limit: 1 });
    if (at?.id !== after.id) {
      throw new InvalidInputError(
        `the log has no event ${after.id} at ${after.position} any more, the last of the export: begin a new one`,
      );
    }
  }
  const total = await from.countAfter(position);
  let done = 0;
  for (;;) {
    signal?.throwIfAborted();
    const page = await from.readRaw({ after: position, limit: pageSize });
    if (page.length === 0) return done;
    await write(page);
    position = page.at(-1)?.position;
    done += page.length;
    onProgress?.(done, Math.max(total, done));
  }
}
