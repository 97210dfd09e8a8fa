/** Reading with an end: a stream either way, our events in global order, the last of them, how many follow. */
import { InvalidInputError } from '../../errors.js';
import type { RawEvent } from '../../events/decode.js';
import type { Position } from '../../events/event.js';
import type { ReadAllOptions, ReadStreamOptions } from '../event-store.js';
import { type CallContext, collect, withRetries } from './calls.js';
import { comparePositions, parsePosition } from './position.js';
import type { Recorded } from './read-message.js';
import { allBackwards, allForwards, NO_LIMIT, type OrderedRead, streamRead } from './read-requests.js';
import { toRawEvent } from './recorded-event.js';

/** Counted one by one; what lies further behind is estimated. */
const COUNTED_EVENTS = 2_000;
/** The smallest of our events in the log: the record's header, names, envelope and data. */
const SMALLEST_EVENT_BYTES = 256n;

export interface ReadContext extends CallContext {
  readonly readTimeoutMs: number;
}

export async function readStream(
  context: ReadContext,
  stream: string,
  { direction = 'forwards', fromVersion, limit }: ReadStreamOptions,
): Promise<RawEvent[]> {
  requireCount('fromVersion', fromVersion);
  requireCount('limit', limit);
  const request = streamRead(stream, { direction, fromVersion, count: limit ?? NO_LIMIT });
  return (await readAllOf(context, `read stream ${stream}`, request)).map(toRawEvent);
}

/** The server's reads of the log include the event at the position they start from. */
export async function readForwards(
  context: ReadContext,
  { after, limit }: ReadAllOptions,
): Promise<Recorded[]> {
  requireCount('limit', limit);
  const from = after === undefined ? undefined : parsePosition(after);
  const events = await readAllOf(context, 'read events', allForwards(from, from ? limit + 1 : limit));
  const [first] = events;
  if (first && from && comparePositions(first.position, after) <= 0) events.shift();
  return events.slice(0, limit);
}

export async function readLast(context: ReadContext): Promise<Recorded | undefined> {
  const [last] = await readAllOf(context, 'read its head', allBackwards(1));
  return last;
}

/** Exact up to {@link COUNTED_EVENTS}; from there on an estimate from above, by the size of the log that is left. */
export async function countAfter(context: ReadContext, position: Position | undefined): Promise<number> {
  const head = await readLast(context);
  if (!head || comparePositions(head.position, position) <= 0) return 0;
  const counted = await readForwards(context, { after: position, limit: COUNTED_EVENTS });
  const last = counted.at(-1);
  if (!last || counted.length < COUNTED_EVENTS) return counted.length;
  const leftBytes = parsePosition(head.position).commit - parsePosition(last.position).commit;
  return counted.length + Number((leftBytes + SMALLEST_EVENT_BYTES - 1n) / SMALLEST_EVENT_BYTES);
}

async function readAllOf(context: ReadContext, action: string, request: OrderedRead): Promise<Recorded[]> {
  const bounds = { timeoutMs: context.readTimeoutMs };
  return withRetries(context, action, bounds, async (node, { signal }) => {
    const events: Recorded[] = [];
    await collect(node, request, context.attemptTimeoutMs, signal, event => events.push(event));
    return events;
  });
}

function requireCount(name: string, value: number | undefined): void {
  if (value === undefined || (Number.isSafeInteger(value) && value >= 1)) return;
  throw new InvalidInputError(`${name} must be a whole number from 1, got ${String(value)}`);
}
