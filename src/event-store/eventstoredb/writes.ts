/**
 * What an append or an import comes to: a list of writes in the order in which they are to lie in the log, each of
 * events of one stream that the server takes together or not at all.
 */
import type { Proposal } from './append-call.js';

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

/** One write a stream, in the order in which the streams first appear: what goes into a stream stays whole. */
export function byStream(items: readonly Item[]): Write[] {
  const streams = new Map<string, Proposal[]>();
  for (const { stream, proposal } of items) {
    const proposals = streams.get(stream);
    if (proposals) proposals.push(proposal);
    else streams.set(stream, [proposal]);
  }
  return [...streams].flatMap(([stream, events]) => split(stream, events));
}

/** Neighbours of one stream make one write: the log has the events in the order given. */
export function inOrder(items: readonly Item[]): Write[] {
  const writes: { stream: string; events: Proposal[] }[] = [];
  for (const { stream, proposal } of items) {
    const last = writes.at(-1);
    if (last?.stream === stream) last.events.push(proposal);
    else writes.push({ stream, events: [proposal] });
  }
  return writes.flatMap(({ stream, events }) => split(stream, events));
}

function split(stream: string, events: readonly Proposal[]): Write[] {
  const writes: { stream: string; events: Proposal[] }[] = [];
  let bytes = Number.POSITIVE_INFINITY;
  for (const event of events) {
    const size = Buffer.byteLength(event.data) + Buffer.byteLength(event.metadata) + event.type.length;
    bytes += size;
    if (bytes > MAX_WRITE_BYTES) {
      writes.push({ stream, events: [] });
      bytes = size;
    }
    writes.at(-1)?.events.push(event);
  }
  return writes;
}
