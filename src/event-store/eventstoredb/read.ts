/**
 * Reading with an end: a stream either way, our events in global order, the last of them, how many follow.
 *
 * With `nodePreference` another node than the leader serves the bulk, and may be behind. Where the log ends only the
 * leader knows: pages that are not full, streams, the head and what is counted come from it.
 */
import { decodeLogEvent, type RawEvent } from '../../events/decode.js';
import type { Position } from '../../events/event.js';
import type { EventAt, EventsFrom, ReadAllOptions, ReadStreamOptions } from '../event-store.js';
import { LogChangedError } from '../log-changed-error.js';
import { requireWhole } from '../whole-number.js';
import { type CallContext, collect, withRetries } from './calls.js';
import { isNoPosition } from './failure.js';
import { within } from './interruption.js';
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
  requireWhole('fromVersion', fromVersion, [1]);
  requireWhole('limit', limit, [1]);
  const request = streamRead(stream, { direction, fromVersion, count: limit ?? NO_LIMIT });
  return (await readAllOf(ofLeader(context), `read stream ${stream}`, request)).map(toRawEvent);
}

export async function readForwards(context: ReadContext, options: ReadAllOptions): Promise<Recorded[]> {
  const { events } = await readPage(context, options);
  const isFull = events.length >= options.limit;
  return isFull || !context.leader ? events : readForwards(ofLeader(context), options);
}

/** What {@link readForwards} leaves out, the event at `after`, is what tells whether this is the log of before. */
export async function readFrom(context: ReadContext, options: ReadAllOptions): Promise<EventsFrom> {
  const { at, events } = await readPage(context, options).catch((error): RecordedPage => {
    if (isNoPosition(error)) return { at: undefined, events: [] };
    throw error;
  });
  const isWhole = (at || options.after === undefined) && events.length >= options.limit;
  if (!isWhole && context.leader) return readFrom(ofLeader(context), options);
  return {
    at: at && { id: at.id, position: at.position },
    events: events.map(event => decodeLogEvent(toRawEvent(event))),
  };
}

interface RecordedPage {
  readonly at: Recorded | undefined;
  readonly events: Recorded[];
}

/** The server's reads of the log include the event at the position they start from. */
async function readPage(context: ReadContext, { after, limit }: ReadAllOptions): Promise<RecordedPage> {
  requireWhole('limit', limit, [1]);
  const from = after === undefined ? undefined : parsePosition(after);
  const asked = from ? limit + 1 : limit;
  const records = await readAllOf(context, 'read events', allForwards(from, asked));
  const [first] = records;
  const at =
    first && after !== undefined && comparePositions(first.position, after) === 0 ? first : undefined;
  const isAfter = ({ position }: Recorded) => after === undefined || comparePositions(position, after) > 0;
  const events = records.filter(record => isAfter(record) && !isTombstone(record)).slice(0, limit);
  const last = records.at(-1);
  // Tombstones took the place of events: a page that is short says that nothing follows.
  if (events.length < limit && records.length >= asked && last) {
    const more = await readPage(context, { after: last.position, limit: limit - events.length });
    events.push(...more.events);
  }
  return { at, events };
}

export const ofLeader = (context: ReadContext): ReadContext => ({
  ...context,
  connection: context.leader ?? context.connection,
  leader: undefined,
});

/** @throws LogChangedError when the event does not lie where it lay */
export async function requireEvent(context: ReadContext, expected: EventAt): Promise<void> {
  const { at } = await readFrom(context, { after: expected.position, limit: 1 });
  if (at?.id !== expected.id) throw new LogChangedError(expected);
}

export const readIdentity = async (context: ReadContext): Promise<string | undefined> =>
  (await firstOf(context, 'read its first event', keptForwards))?.id;

export const readLast = (context: ReadContext): Promise<Recorded | undefined> =>
  firstOf(context, 'read its head', allBackwards);

/** Before it there may be tombstones, however many. */
async function firstOf(
  context: ReadContext,
  action: string,
  request: (count: number) => OrderedRead,
): Promise<Recorded | undefined> {
  for (let count = 1; ; count *= 32) {
    const records = await readAllOf(ofLeader(context), action, request(count));
    const first = records.find(record => !isTombstone(record));
    if (first || records.length < count) return first;
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
  try {
    return await within({ timeoutMs }, context, 'ask for its head', async operation => {
      const node = await (context.leader ?? context.connection).node();
      let last: Recorded | undefined;
      await collect(node, allBackwards(1), operation, event => {
        last = event;
      });
      return { position: last?.position };
    });
  } catch {
    // Whoever follows goes on following; what is wrong with the server shows there.
    return 'unknown';
  }
}

/** Exact up to {@link COUNTED_EVENTS}; from there on by how much of the log each of those took. */
export async function countAfter(context: ReadContext, position: Position | undefined): Promise<number> {
  parsePosition(position);
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
    await collect(node, request, operation, event => events.push(event));
    return events;
  });
}
