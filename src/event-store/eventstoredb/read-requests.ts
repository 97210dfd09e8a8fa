/** The four ways this store reads: a stream, our streams in global order both ways, and our streams for ever. */
import { KEPT_PREFIXES, STREAM_PREFIX } from '../../events/streams.js';
import type { Order } from './in-order.js';
import { comparePositions, type LogPosition } from './position.js';
import { Empty, ReadReq, type ReadRequest, StreamIdentifier } from './protocol.js';

const { Options } = ReadReq;
const FORWARDS = Options.ReadDirection.FORWARDS;
const BACKWARDS = Options.ReadDirection.BACKWARDS;
/** Events that the server looks at before it says how far it has come, matching or not. */
const CHECKPOINT_EVENTS = 500;
export const NO_LIMIT = Number.MAX_SAFE_INTEGER;

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
  options.setReadDirection(direction === 'forwards' ? FORWARDS : BACKWARDS);
  options.setCount(String(count));
  options.setNoFilter(new Empty());
  return {
    request: requestOf(options),
    order: direction === 'forwards' ? byVersion : backwards(byVersion),
  };
}

/** From `from` on, inclusive. */
export function allForwards(from: LogPosition | undefined, count: number): OrderedRead {
  const options = ourStreams(from);
  options.setReadDirection(FORWARDS);
  options.setCount(String(count));
  return { request: requestOf(options), order: byPosition };
}

/** The first events of the streams that are kept for good. */
export function keptForwards(count: number): OrderedRead {
  const options = ourStreams(undefined, KEPT_PREFIXES);
  options.setReadDirection(FORWARDS);
  options.setCount(String(count));
  return { request: requestOf(options), order: byPosition };
}

export function allBackwards(count: number): OrderedRead {
  const all = new Options.AllOptions();
  all.setEnd(new Empty());
  const options = ourStreams(undefined);
  options.setAll(all);
  options.setReadDirection(BACKWARDS);
  options.setCount(String(count));
  return { request: requestOf(options), order: backwards(byPosition) };
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
