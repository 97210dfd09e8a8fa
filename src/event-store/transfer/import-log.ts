/**
 * Takes an exported log in. What is there already must be a beginning of it: then an import that was interrupted goes on, and
 * one that is repeated stores nothing. Where to go on is read from the store itself, which stores events in the order given.
 */
import { InvalidInputError } from '../../base/errors.js';
import type { RawEvent } from '../../events/decode.js';
import type { TransferableEventStore } from '../event-store.js';

export interface ImportOptions {
  readonly to: TransferableEventStore;
  readonly events: AsyncIterable<RawEvent>;
  readonly signal?: AbortSignal | undefined;
  readonly pageSize?: number;
  readonly onProgress?: (imported: number, skipped: number) => void;
}

export interface ImportResult {
  readonly imported: number;
  /** Were there already, in the store or further up in the export. */
  readonly skipped: number;
}

const PAGE_SIZE = 500;

/**
 * @throws InvalidInputError when the store holds something that is not a beginning of the export, before anything is stored;
 *   ConnectorStateError of the store
 */
export async function importLog(options: ImportOptions): Promise<ImportResult> {
  const { to, events, signal, pageSize = PAGE_SIZE, onProgress } = options;
  const last = await to.lastRaw();
  let isBehindLast = last === undefined;
  let [imported, skipped] = [0, 0];
  let page: RawEvent[] = [];
  const flush = async () => {
    signal?.throwIfAborted();
    if (page.length === 0) return;
    const stored = await to.importRaw(page);
    imported += stored;
    skipped += page.length - stored;
    page = [];
    onProgress?.(imported, skipped);
  };
  for await (const event of events) {
    if (!isBehindLast) {
      skipped += 1;
      isBehindLast = event.id === last?.id && event.stream === last.stream;
      continue;
    }
    page.push(event);
    if (page.length === pageSize) await flush();
  }
  await flush();
  if (isBehindLast) return { imported, skipped };
  throw new InvalidInputError(
    `the event store is not empty, and its last event (${last?.id} in ${last?.stream}) is not in the export: import into an empty event store, or into one that holds a beginning of this export and nothing else`,
  );
}
