/** `Streams/Read` in all its forms: of a stream or of `$all`, either way, filtered or not, once or for ever. */

import type { ReadReq as Request, ReadResp as Response } from '@eventstore/db-client/generated/streams_pb.js';
import type { ServerWritableStream } from '@grpc/grpc-js';
import type { EventLog, LoggedEvent } from './event-log.js';
import { identifierOf, streamDeleted, unavailable } from './failures.js';
import type { ReadOptions } from './filter.js';
import { filterOf } from './filter.js';
import { guard, type NodeState } from './guard.js';
import { ReadReq, ReadResp } from './protocol.js';
import { followAll, followStream } from './subscribing.js';
import { positionOf, Writer } from './writer.js';

type ReadCall = ServerWritableStream<Request, Response>;

const { ReadDirection } = ReadReq.Options;

export const read = (log: EventLog, state: NodeState) => async (call: ReadCall) => {
  const fault = await guard(state, 'read', call);
  if (fault === 'stop') return;
  const options = call.request.getOptions() as ReadOptions;
  const cutAfter = fault?.kind === 'cut' ? fault.afterMessages : undefined;
  const writer = new Writer(call, cutAfter, state.onMessage);
  try {
    if (await answer(log, options, writer)) call.end();
  } catch (error) {
    if (error === writer.cutOff) call.emit('error', unavailable);
    else throw error;
  }
};

/** @returns whether the call is to be ended */
async function answer(log: EventLog, options: ReadOptions, writer: Writer): Promise<boolean> {
  const stream = options.getStream();
  const name = stream && Buffer.from(stream.getStreamIdentifier()?.getStreamName_asU8() ?? []).toString();
  if (options.hasSubscription()) {
    await (name === undefined ? followAll(log, options, writer) : followStream(log, name, options, writer));
    return false;
  }
  if (name === undefined) {
    for (const event of readAll(log, options)) await writer.event(event);
    return true;
  }
  if (log.isTombstoned(name)) {
    writer.call.emit('error', streamDeleted(name));
    return false;
  }
  const events = log.readable(name);
  if (events) for (const event of readStream(events, options)) await writer.event(event);
  else await writer.send(notFound(name));
  return true;
}

function* readStream(events: readonly LoggedEvent[], options: ReadOptions): Generator<LoggedEvent> {
  const stream = options.getStream();
  const isForwards = options.getReadDirection() === ReadDirection.FORWARDS;
  const from = stream?.hasRevision()
    ? Number(stream.getRevision())
    : stream?.hasStart()
      ? 0
      : Number.POSITIVE_INFINITY;
  const wanted = isForwards
    ? events.slice(lowerBound(events, from))
    : events.slice(0, lowerBound(events, from + 1)).reverse();
  yield* take(wanted, Number(options.getCount()));
}

/** The index of the first event of this revision or a later one: the first of a stream may be gone. */
function lowerBound(events: readonly LoggedEvent[], revision: number): number {
  const first = events[0]?.revision ?? 0;
  return Math.min(Math.max(0, revision - first), events.length);
}

function* readAll(log: EventLog, options: ReadOptions): Generator<LoggedEvent> {
  const all = options.getAll();
  const isForwards = options.getReadDirection() === ReadDirection.FORWARDS;
  const matches = filterOf(options);
  const position = all?.getPosition();
  const from = position ? log.indexAt(positionOf(position), true) : all?.hasStart() ? 0 : log.events.length;
  const matching = function* () {
    if (isForwards) for (let at = from; at < log.events.length; at++) yield log.events[at] as LoggedEvent;
    else for (let at = from - 1; at >= 0; at--) yield log.events[at] as LoggedEvent;
  };
  let left = Number(options.getCount());
  for (const event of matching()) {
    if (left <= 0) return;
    if (!matches(event)) continue;
    left -= 1;
    yield event;
  }
}

function* take(events: readonly LoggedEvent[], count: number): Generator<LoggedEvent> {
  for (let at = 0; at < events.length && at < count; at++) yield events[at] as LoggedEvent;
}

function notFound(stream: string) {
  const answer = new ReadResp.StreamNotFound();
  answer.setStreamIdentifier(identifierOf(stream));
  const response = new ReadResp();
  response.setStreamNotFound(answer);
  return response;
}
