/**
 * The ways this store reads: a stream, our streams in global order both ways, and our streams for ever; and the order in
 * which the answer must come. It is held against the server (a fuzz of its messages had events skipped and doubled): what
 * is repeated is left out, what is out of order ends the call.
 */
import { KEPT_PREFIXES, STREAM_PREFIX } from '../../events/streams.js';
import { EventStoreFailure } from './failure.js';
import { comparePositions, type LogPosition } from './position.js';
import { Empty, ReadReq, type ReadRequest, StreamIdentifier } from './protocol.js';
import type { Recorded } from './read-message.js';

const { Options } = ReadReq;
const FORWARDS = Options.ReadDirection.FORWARDS;
const BACKWARDS = Options.ReadDirection.BACKWARDS;
/** Events that the server looks at before it says how far it has come, matching or not. */
const CHECKPOINT_EVENTS = 500;
export const NO_LIMIT = Number.MAX_SAFE_INTEGER;

/** <0, 0, >0 as `a` comes before, is, or comes after `b` in the order of the call. */
type Order = (a: Recorded, b: Recorded) => number;

/** A read with an end, and the order its events come in. */
export interface OrderedRead {
  readonly request: ReadRequest;
  readonly order: Order;
}

const byVersion: Order = (a, b) => a.version - b.version;
const byPosition: Order = (a, b) => comparePositions(a.position, b.position);
const backwards =
  (order: Order): Order =>
  (a, b) =>
    order(b, a);

/** @returns whether `event` is the next one. @throws EventStoreFailure when it lies before `last` */
export function isNext(event: Recorded, last: Recorded | undefined, order: Order): boolean {
  if (last === undefined) return true;
  const place = order(event, last);
  if (place < 0) throw outOfOrder(event.position);
  return place > 0;
}

export const outOfOrder = (position: string): EventStoreFailure =>
  new EventStoreFailure(
    `the event store could not read (the server sent the event at ${position} out of its order): reading again`,
    true,
  );

export interface StreamRead {
  readonly direction: 'forwards' | 'backwards';
  /** Inclusive, from 1; `undefined`: from the first forwards, from the last backwards. */
  readonly fromVersion: number | undefined;
  readonly count: number;
}

export function streamRead(stream: string, { direction, fromVersion, count }: StreamRead): OrderedRead {
  const identifier = new StreamIdentifier();
  identifier.setStreamName(Buffer.from(stream));
  const from = new Options.StreamOptions();
  from.setStreamIdentifier(identifier);
  if (fromVersion !== undefined) from.setRevision(String(fromVersion - 1));
  else if (direction === 'forwards') from.setStart(new Empty());
  else from.setEnd(new Empty());
  const options = baseOptions();
  options.setStream(from);
  options.setNoFilter(new Empty());
  return direction === 'forwards'
    ? orderedRead(options, FORWARDS, count, byVersion)
    : orderedRead(options, BACKWARDS, count, backwards(byVersion));
}

/** From `from` on, inclusive. */
export const allForwards = (from: LogPosition | undefined, count: number): OrderedRead =>
  orderedRead(ourStreams(from), FORWARDS, count, byPosition);

/** The first events of the streams that are kept for good. */
export const keptForwards = (count: number): OrderedRead =>
  orderedRead(ourStreams(undefined, KEPT_PREFIXES), FORWARDS, count, byPosition);

export function allBackwards(count: number): OrderedRead {
  const all = new Options.AllOptions();
  all.setEnd(new Empty());
  const options = ourStreams(undefined);
  options.setAll(all);
  return orderedRead(options, BACKWARDS, count, backwards(byPosition));
}

/** After `after`, exclusive, then what comes. */
export function allFrom(after: LogPosition | undefined): ReadRequest {
  const options = ourStreams(after);
  options.setReadDirection(FORWARDS);
  options.setSubscription(new Options.SubscriptionOptions());
  return requestOf(options);
}

function ourStreams(from: LogPosition | undefined, prefixes: readonly string[] = [STREAM_PREFIX]) {
  const all = new Options.AllOptions();
  if (from) {
    const position = new Options.Position();
    position.setCommitPosition(String(from.commit));
    position.setPreparePosition(String(from.prepare));
    all.setPosition(position);
  } else {
    all.setStart(new Empty());
  }
  const prefix = new Options.FilterOptions.Expression();
  prefix.setPrefixList([...prefixes]);
  const filter = new Options.FilterOptions();
  filter.setStreamIdentifier(prefix);
  filter.setMax(CHECKPOINT_EVENTS);
  filter.setCheckpointintervalmultiplier(1);
  const options = baseOptions();
  options.setAll(all);
  options.setFilter(filter);
  return options;
}

function baseOptions() {
  const ids = new Options.UUIDOption();
  ids.setString(new Empty());
  const options = new Options();
  options.setUuidOption(ids);
  options.setResolveLinks(false);
  return options;
}

function requestOf(options: ReturnType<typeof baseOptions>): ReadRequest {
  const request = new ReadReq();
  request.setOptions(options);
  return request;
}

function orderedRead(
  options: ReturnType<typeof baseOptions>,
  direction: typeof FORWARDS | typeof BACKWARDS,
  count: number,
  order: Order,
): OrderedRead {
  options.setReadDirection(direction);
  options.setCount(String(count));
  return { request: requestOf(options), order };
}
