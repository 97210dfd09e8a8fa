/**
 * Reading with an end: a stream either way, our events in global order, the last of them, how many follow.
 *
 * With `nodePreference` another node than the leader serves the bulk, and may be behind. Where the log ends only the
 * leader knows: pages that are not full, streams, the head and what is counted come from it.
 */
import { status } from '@grpc/grpc-js';
import { InvalidInputError } from '../../base/errors.js';
import { shown } from '../../base/shown.js';
import { decodeEvent, type RawEvent } from '../../events/decode.js';
import type { Position } from '../../events/event.js';
import type { EventAt, EventsFrom, ReadAllOptions, ReadStreamOptions } from '../event-store.js';
import { LogChangedError } from '../log-changed-error.js';
import { type CallContext, collect, withRetries } from './calls.js';
import { EventStoreFailure } from './failure.js';
import { interruptAfter } from './interruption.js';
import { comparePositions, parsePosition } from './position.js';
import { isTombstone, type Recorded } from './read-message.js';
import {
  allBackwards,
  allForwards,
  keptForwards,
  NO_LIMIT,
  type OrderedRead,
  streamRead,
} from './read-requests.js';
import { toRawEvent } from './recorded-event.js';

/** Counted one by one; what lies further behind is estimated. (By the smallest event, 27 852 were told as 2 095 380.) */
const COUNTED_EVENTS = 20_000;
const COUNTED_AT_ONCE = 2_000;

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
  return (await readAllOf(ofLeader(context), `read stream ${stream}`, request)).map(toRawEvent);
}

/** The server's reads of the log include the event at the position they start from. */
export async function readForwards(
  context: ReadContext,
  { after, limit }: ReadAllOptions,
): Promise<Recorded[]> {
  requireCount('limit', limit);
  const from = after === undefined ? undefined : parsePosition(after);
  const asked = from ? limit + 1 : limit;
  const records = await readAllOf(context, 'read events', allForwards(from, asked));
  const events = records.filter(record => isAfter(record, after) && !isTombstone(record));
  const last = records.at(-1);
  // Tombstones took the place of events: a page that is short says that nothing follows.
  if (events.length < limit && records.length >= asked && last) {
    const more = await readForwards(context, { after: last.position, limit: limit - events.length });
    return [...events, ...more];
  }
  if (events.length < limit && context.leader) return readForwards(ofLeader(context), { after, limit });
  return events.slice(0, limit);
}

const isAfter = ({ position }: Recorded, after: Position | undefined): boolean =>
  after === undefined || comparePositions(position, after) > 0;

export const ofLeader = (context: ReadContext): ReadContext => ({
  ...context,
  connection: context.leader ?? context.connection,
  leader: undefined,
});

/** What {@link readForwards} leaves out, the event at `after`, is what tells whether this is the log of before. */
export async function readFrom(context: ReadContext, options: ReadAllOptions): Promise<EventsFrom> {
  const found = await readFromNode(context, options);
  const isWhole = (found.at || options.after === undefined) && found.events.length >= options.limit;
  if (isWhole || !context.leader) return found;
  return readFromNode(ofLeader(context), options);
}

async function readFromNode(context: ReadContext, { after, limit }: ReadAllOptions): Promise<EventsFrom> {
  requireCount('limit', limit);
  const from = after === undefined ? undefined : parsePosition(after);
  const request = allForwards(from, from ? limit + 1 : limit);
  const records = await readAllOf(context, 'read events', request).catch(error => {
    if (isNoPosition(error)) return [];
    throw error;
  });
  const [first] = records;
  const isAt = after !== undefined && first !== undefined && comparePositions(first.position, after) === 0;
  const found = (isAt ? records.slice(1) : records).slice(0, limit);
  const events = found.filter(record => !isTombstone(record));
  const last = found.at(-1);
  const isShortened = events.length < found.length && last !== undefined;
  const more = isShortened
    ? await readForwards(context, { after: last.position, limit: limit - events.length })
    : [];
  return {
    at: isAt ? { id: first.id, position: first.position } : undefined,
    events: [...events, ...more].map(event => decodeEvent(toRawEvent(event))),
  };
}

/** @throws LogChangedError when the event does not lie where it lay */
export async function requireEvent(context: ReadContext, expected: EventAt): Promise<void> {
  const { at } = await readFrom(context, { after: expected.position, limit: 1 });
  if (at?.id !== expected.id) throw new LogChangedError(expected);
}

export async function readIdentity(context: ReadContext): Promise<string | undefined> {
  for (let count = 1; ; count *= 32) {
    const records = await readAllOf(ofLeader(context), 'read its first event', keptForwards(count));
    const first = records.find(record => !isTombstone(record));
    if (first || records.length < count) return first?.id;
  }
}

export async function readLast(context: ReadContext): Promise<Recorded | undefined> {
  // Behind the last event there may be tombstones, however many.
  for (let count = 1; ; count *= 32) {
    const records = await readAllOf(ofLeader(context), 'read its head', allBackwards(count));
    const last = records.find(record => !isTombstone(record));
    if (last || records.length < count) return last;
  }
}

/**
 * The head, asked for in a hurry: not in turn with other reads, and no longer than `timeoutMs`.
 * @returns `unknown` when nobody said
 */
export async function askForHead(
  context: ReadContext,
  timeoutMs: number,
): Promise<{ readonly position: Position | undefined } | 'unknown'> {
  const action = 'ask for its head';
  const operation = interruptAfter({ timeoutMs }, context, action);
  let last: Recorded | undefined;
  try {
    const node = await operation.race((context.leader ?? context.connection).node());
    await operation.race(
      collect(node, allBackwards(1), operation, event => {
        last = event;
      }),
    );
    return { position: last?.position };
  } catch {
    // Whoever follows goes on following; what is wrong with the server shows there.
    return 'unknown';
  } finally {
    operation.dispose();
  }
}

/** Exact up to {@link COUNTED_EVENTS}; from there on by how much of the log each of those took. */
export async function countAfter(context: ReadContext, position: Position | undefined): Promise<number> {
  const head = await readLast(context);
  if (!head || comparePositions(head.position, position) <= 0) return 0;
  let count = 0;
  let after = position;
  while (count < COUNTED_EVENTS) {
    const page = await readForwards(ofLeader(context), { after, limit: COUNTED_AT_ONCE });
    count += page.length;
    after = page.at(-1)?.position ?? after;
    if (page.length < COUNTED_AT_ONCE) return count;
  }
  const start = position === undefined ? 0n : parsePosition(position).commit;
  const counted = parsePosition(after).commit - start;
  const left = parsePosition(head.position).commit - parsePosition(after).commit;
  return count + Number((left * BigInt(count)) / (counted || 1n));
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
  throw new InvalidInputError(`${name} must be a whole number from 1, got ${shown(value)}`);
}
