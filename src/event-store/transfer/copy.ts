/**
 * Copies a log into another store: every event, in global order, under its id, with its times and metadata.
 *
 * Where to go on after an interruption is read from the target itself: an import stores events in the order given, so
 * what is there is a beginning of the source, and the target's last event is the place. No state is kept anywhere
 * else. The same look tells a target that is something else: one whose last event the source does not have, or which
 * begins with another event.
 *
 * Events that arrive in the source meanwhile are copied too, until a page comes back empty. The comparison at the end
 * reads both logs whole, up to there.
 */
import { InvalidInputError } from '../../base/errors.js';
import type { RawEvent } from '../../events/decode.js';
import type { Position } from '../../events/event.js';
import type { TransferableEventStore } from '../event-store.js';
import { digestLog, type LogDigest } from './log-digest.js';

export interface CopyProgress {
  readonly stage: 'copying' | 'comparing';
  readonly done: number;
  /** An estimate from above. */
  readonly total: number;
}

export interface CopyOptions {
  readonly from: TransferableEventStore;
  readonly to: TransferableEventStore;
  /** Events a page. Default 1000. */
  readonly pageSize?: number;
  /** Ends the copy between two pages; the next one goes on from there. */
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: CopyProgress) => void) | undefined;
}

export interface StreamDifference {
  readonly stream: string;
  readonly from: { readonly events: number; readonly sha256: string } | undefined;
  readonly to: { readonly events: number; readonly sha256: string } | undefined;
}

export interface CopyResult {
  /** By this call. */
  readonly copied: number;
  /** There was something in the target already, and it was a beginning of the source. */
  readonly resumed: boolean;
  readonly events: { readonly from: number; readonly to: number };
  readonly streams: { readonly from: number; readonly to: number };
  /** The same events in every stream, and the streams in the same order among each other. */
  readonly equal: boolean;
  readonly sameOrder: boolean;
  readonly differing: readonly StreamDifference[];
}

const DEFAULT_PAGE_SIZE = 1_000;

/**
 * @throws InvalidInputError when the target holds something that is not a beginning of the source;
 *   ConnectorStateError of either store; the signal's reason
 */
export async function copyLog(options: CopyOptions): Promise<CopyResult> {
  const { from, to, pageSize = DEFAULT_PAGE_SIZE, signal, onProgress } = options;
  const last = await to.lastRaw();
  if (last) await requireSameBeginning(from, to);
  let after = last && (await placeOf(last, from));
  const total = await from.countAfter(after);
  let copied = 0;
  for (;;) {
    signal?.throwIfAborted();
    const page = await from.readRaw({ after, limit: pageSize });
    if (page.length === 0) break;
    await to.importRaw(page);
    after = page.at(-1)?.position;
    copied += page.length;
    onProgress?.({ stage: 'copying', done: copied, total: Math.max(total, copied) });
  }

  const expected = (await from.countAfter(undefined)) || copied;
  const [source, target] = await Promise.all([
    digestLog(from, {
      upTo: { position: after },
      pageSize,
      signal,
      onProgress: done => onProgress?.({ stage: 'comparing', done, total: Math.max(expected, done) }),
    }),
    digestLog(to, { pageSize, signal }),
  ]);
  return { copied, resumed: last !== undefined, ...compareLogs(source, target) };
}

/** A log is known by its first event that is kept for good; see the port. */
async function requireSameBeginning(from: TransferableEventStore, to: TransferableEventStore): Promise<void> {
  const [source, target] = await Promise.all([from.identity(), to.identity()]);
  if (target === undefined || source === target) return;
  throw new InvalidInputError(
    `the target is another log: it begins with event ${target}, the source with ${source ?? 'none that is kept'}. copy into an empty event store, or into one that holds a beginning of this copy and nothing else`,
  );
}

/** Where the source has the target's last event. */
async function placeOf(last: RawEvent, from: TransferableEventStore): Promise<Position> {
  const PAGE = 500;
  let fromVersion: number | undefined;
  for (;;) {
    const page = await from.readStream(last.stream, {
      direction: 'backwards',
      limit: PAGE,
      ...(fromVersion !== undefined && { fromVersion }),
    });
    const found = page.find(({ id }) => id === last.id);
    if (found) return found.position;
    const oldest = page.at(-1)?.version ?? 1;
    if (page.length < PAGE || oldest <= 1) break;
    fromVersion = oldest - 1;
  }
  throw new InvalidInputError(
    `the target is not empty, and its last event (${last.id} in ${last.stream}) is not one of the source: copy into an empty event store, or into one that holds a beginning of this copy and nothing else`,
  );
}

function compareLogs(source: LogDigest, target: LogDigest): Omit<CopyResult, 'copied' | 'resumed'> {
  const differing: StreamDifference[] = [];
  for (const stream of new Set([...source.streams.keys(), ...target.streams.keys()])) {
    const [a, b] = [source.streams.get(stream), target.streams.get(stream)];
    if (a?.sha256 !== b?.sha256) differing.push({ stream, from: a, to: b });
  }
  const sameOrder = source.order === target.order;
  return {
    events: { from: source.events, to: target.events },
    streams: { from: source.streams.size, to: target.streams.size },
    equal: differing.length === 0 && sameOrder,
    sameOrder,
    differing,
  };
}
