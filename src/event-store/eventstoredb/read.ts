/** Reading with an end: a stream either way, our events in global order, the last of them, how many follow. */
import { status } from '@grpc/grpc-js';
import { InvalidInputError } from '../../errors.js';
import { decodeEvent, type RawEvent } from '../../events/decode.js';
import type { Position } from '../../events/event.js';
import type { EventAt, EventsFrom, ReadAllOptions, ReadStreamOptions } from '../event-store.js';
import { LogChangedError } from '../log-changed-error.js';
import { type CallContext, collect, withRetries } from './calls.js';
import { EventStoreFailure } from './failure.js';
import { comparePositions, parsePosition } from './position.js';
import type { Recorded } from './read-message.js';
import {
  allBackwards,
  allForwards,
  keptForwards,
  NO_LIMIT,
  type OrderedRead,
  streamRead,
} from './read-requests.js';
import { toRawEvent } from './recorded-event.js';

/** Counted one by one; what lies further behind is estimated. */
const COUNTED_EVENTS = 2_000;
/** The smallest of our events in the log: the record's header, names, envelope and data. */
const SMALLEST_EVENT_BYTES = 256n;

export interface ReadContext extends CallContext {
  readonly readTimeoutMs: number;
  /** Who knows the end of the log, where reads go to a node that may be behind. */
  readonly leader?: CallContext['connection'] | undefined;
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

/** What {@link readForwards} leaves out, the event at `after`, is what tells whether this is the log of before. */
export async function readFrom(context: ReadContext, options: ReadAllOptions): Promise<EventsFrom> {
  const found = await readFromNode(context, options);
  if (found.at || options.after === undefined || !context.leader) return found;
  return readFromNode({ ...context, connection: context.leader }, options);
}

async function readFromNode(context: ReadContext, { after, limit }: ReadAllOptions): Promise<EventsFrom> {
  requireCount('limit', limit);
  const from = after === undefined ? undefined : parsePosition(after);
  const request = allForwards(from, from ? limit + 1 : limit);
  const events = await readAllOf(context, 'read events', request).catch(error => {
    if (isNoPosition(error)) return [];
    throw error;
  });
  const [first] = events;
  const isAt = after !== undefined && first !== undefined && comparePositions(first.position, after) === 0;
  const behind = isAt ? events.slice(1) : events;
  return {
    at: isAt ? { id: first.id, position: first.position } : undefined,
    events: behind.slice(0, limit).map(event => decodeEvent(toRawEvent(event))),
  };
}

/** @throws LogChangedError when the event does not lie where it lay */
export async function requireEvent(context: ReadContext, expected: EventAt): Promise<void> {
  const { at } = await readFrom(context, { after: expected.position, limit: 1 });
  if (at?.id !== expected.id) throw new LogChangedError(expected);
}

export async function readIdentity(context: ReadContext): Promise<string | undefined> {
  const [first] = await readAllOf(context, 'read its first event', keptForwards(1));
  return first?.id;
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
  return withRetries(context, action, bounds, async (node, operation) => {
    const events: Recorded[] = [];
    try {
      await collect(node, request, operation, event => events.push(event));
    } catch (error) {
      if (isNoPosition(error))
        throw new EventStoreFailure(
          `the event store could not ${action} (${NO_POSITION}): rebuild the read tables`,
          false,
        );
      throw error;
    }
    return events;
  });
}

const NO_POSITION = 'the position is no record of its log';

/**
 * The server's words for a position between two records, of another log or of a later state of this one: "InvalidPosition".
 * Under the code of any unknown trouble, which would be tried again and again.
 */
function isNoPosition(error: unknown): boolean {
  if (error instanceof EventStoreFailure) return error.message.includes(NO_POSITION);
  const { code, details } = error as { code?: unknown; details?: unknown };
  return code === status.UNKNOWN && /invalid ?position/i.test(String(details));
}

function requireCount(name: string, value: number | undefined): void {
  if (value === undefined || (Number.isSafeInteger(value) && value >= 1)) return;
  throw new InvalidInputError(`${name} must be a whole number from 1, got ${String(value)}`);
}
