/**
 * What appends or an import come to: a list of writes in the order in which they are to lie in the log, each of
 * events of one stream that the server takes together or not at all. It refuses all of one that is larger than its
 * MaxAppendSize, so what is larger is cut here, and no append's part where that can be helped.
 */
import type { Proposal } from './append-message.js';

export interface Write {
  readonly stream: string;
  readonly events: readonly Proposal[];
}

export interface Item {
  readonly stream: string;
  readonly proposal: Proposal;
}

/** The server's default MaxAppendSize is 1 MiB, of types, data and metadata; some room for what it adds. */
const MAX_WRITE_BYTES = 900 * 1024;

/**
 * One write a stream, in the order in which the streams first appear, as far as its size allows: what one append has
 * for a stream stays whole.
 */
export function byStream(appends: readonly (readonly Item[])[]): Write[] {
  const parts = new Map<string, Proposal[][]>();
  for (const items of appends) {
    // Of this append: the part of each stream it has begun.
    const own = new Map<string, Proposal[]>();
    for (const { stream, proposal } of items) {
      const part = own.get(stream);
      if (part) {
        part.push(proposal);
        continue;
      }
      const begun = [proposal];
      own.set(stream, begun);
      const there = parts.get(stream);
      if (there) there.push(begun);
      else parts.set(stream, [begun]);
    }
  }
  return [...parts].flatMap(([stream, ofStream]) => pack(stream, ofStream));
}

/** Neighbours of one stream make one write: the log has the events in the order given. */
export function inOrder(items: readonly Item[]): Write[] {
  const runs: { stream: string; events: Proposal[] }[] = [];
  for (const { stream, proposal } of items) {
    const last = runs.at(-1);
    if (last?.stream === stream) last.events.push(proposal);
    else runs.push({ stream, events: [proposal] });
  }
  return runs.flatMap(({ stream, events }) => pack(stream, [events]));
}

/** Fills writes with whole parts; only a part that is too large for any is cut. */
function pack(stream: string, parts: readonly (readonly Proposal[])[]): Write[] {
  const writes: { stream: string; events: Proposal[] }[] = [{ stream, events: [] }];
  let bytes = 0;
  const startAnother = () => {
    if (writes.at(-1)?.events.length !== 0) writes.push({ stream, events: [] });
    bytes = 0;
  };
  for (const part of parts) {
    const sizes = part.map(sizeOf);
    const partBytes = sizes.reduce((sum, size) => sum + size, 0);
    if (bytes + partBytes > MAX_WRITE_BYTES) startAnother();
    for (const [index, event] of part.entries()) {
      const size = sizes[index] as number;
      if (bytes + size > MAX_WRITE_BYTES) startAnother();
      writes.at(-1)?.events.push(event);
      bytes += size;
    }
  }
  return writes;
}

/** As many of the first as the server takes at once, and one at least. */
export function fitting(events: readonly Proposal[], limitBytes: number): readonly Proposal[] {
  if (limitBytes === Number.POSITIVE_INFINITY) return events;
  let bytes = 0;
  const end = events.findIndex((event, index) => {
    bytes += sizeOf(event);
    return index > 0 && bytes > limitBytes;
  });
  return end === -1 ? events : events.slice(0, end);
}

export const sizeOf = ({ type, data, metadata }: Proposal): number =>
  type.length + data.length + metadata.length;
