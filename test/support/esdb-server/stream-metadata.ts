/** What a stream's metadata stream says may still be read of it (`$maxAge`, `$maxCount`, `$tb`) and by whom (`$acl`). */
import type { LoggedEvent } from './record.js';

export type Acl = Readonly<Partial<Record<'$r' | '$w' | '$d' | '$mr' | '$mw', string | readonly string[]>>>;

export interface EffectiveMetadata {
  readonly isDeleted: boolean;
  readonly maxAgeMs: number | undefined;
  readonly maxCount: number | undefined;
  readonly truncateBefore: number;
  readonly acl: Acl | undefined;
}

const PLAIN: EffectiveMetadata = {
  isDeleted: false,
  maxAgeMs: undefined,
  maxCount: undefined,
  truncateBefore: 0,
  acl: undefined,
};
const cache = new WeakMap<LoggedEvent, EffectiveMetadata>();

interface Written {
  readonly $tb?: number;
  readonly $maxAge?: number;
  readonly $maxCount?: number;
  readonly $acl?: Acl;
}

/** @param last the last event of the metadata stream; what is no object says nothing */
export function metadataOf(last: LoggedEvent | undefined): EffectiveMetadata {
  if (!last) return PLAIN;
  const cached = cache.get(last);
  if (cached) return cached;
  const json = parse(last.data);
  const numbers = [json.$maxAge, json.$maxCount].filter(value => value !== undefined);
  if (numbers.some(value => !(value > 0)) || !((json.$tb ?? 0) >= 0)) return PLAIN;
  const truncateBefore = json.$tb ?? 0;
  const metadata = {
    isDeleted: truncateBefore >= 2 ** 63,
    maxAgeMs: json.$maxAge === undefined ? undefined : json.$maxAge * 1_000,
    maxCount: json.$maxCount,
    truncateBefore,
    acl: json.$acl,
  };
  cache.set(last, metadata);
  return metadata;
}

/** What a record of metadata says; nothing where that is no object. */
export const contentOf = ({ data }: Pick<LoggedEvent, 'data'>): object => parse(data);

function parse(data: Uint8Array): Written {
  try {
    return (JSON.parse(Buffer.from(data).toString()) as Written | null) ?? {};
  } catch {
    return {};
  }
}

/** The first revision that numbers alone let be read; of metadata itself only the last is kept. */
export function readableFrom(
  { maxCount, truncateBefore }: EffectiveMetadata,
  streamLength: number,
  isMetadata: boolean,
): number {
  const kept = maxCount ?? (isMetadata ? 1 : undefined);
  return Math.max(truncateBefore, kept === undefined ? 0 : streamLength - kept);
}

export const isReadable = (event: LoggedEvent, { maxAgeMs }: EffectiveMetadata, nowMs: number): boolean =>
  maxAgeMs === undefined || event.createdMs > nowMs - maxAgeMs;
