/** What a stream's metadata stream says may still be read of it: `$maxAge`, `$maxCount`, `$tb`. */
import type { LoggedEvent } from './event-log.js';

export interface EffectiveMetadata {
  /** Nothing is held back. */
  readonly isPlain: boolean;
  readonly isDeleted: boolean;
  readonly maxAgeMs: number | undefined;
  readonly maxCount: number | undefined;
  readonly truncateBefore: number;
}

const PLAIN: EffectiveMetadata = {
  isPlain: true,
  isDeleted: false,
  maxAgeMs: undefined,
  maxCount: undefined,
  truncateBefore: 0,
};
const cache = new WeakMap<LoggedEvent, EffectiveMetadata>();

/** @param last the last event of the metadata stream */
export function metadataOf(last: LoggedEvent | undefined): EffectiveMetadata {
  if (!last) return PLAIN;
  const cached = cache.get(last);
  if (cached) return cached;
  const json = JSON.parse(Buffer.from(last.data).toString()) as Record<string, number | undefined>;
  const truncateBefore = json.$tb ?? 0;
  const metadata = {
    isPlain: json.$maxAge === undefined && json.$maxCount === undefined && truncateBefore === 0,
    isDeleted: truncateBefore >= 2 ** 63,
    maxAgeMs: json.$maxAge === undefined ? undefined : json.$maxAge * 1_000,
    maxCount: json.$maxCount,
    truncateBefore,
  };
  cache.set(last, metadata);
  return metadata;
}

export function isReadable(
  event: LoggedEvent,
  { maxAgeMs, maxCount, truncateBefore }: EffectiveMetadata,
  streamLength: number,
  nowMs: number,
): boolean {
  if (event.revision < truncateBefore) return false;
  if (maxCount !== undefined && event.revision < streamLength - maxCount) return false;
  return maxAgeMs === undefined || event.createdMs > nowMs - maxAgeMs;
}
