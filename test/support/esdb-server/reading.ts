/**
 * `Streams/Read` in all its forms: of a stream or of `$all`, either way, filtered or not, once or for ever. A read of a
 * stream ends with where the stream ends. One that begins below what may be read says where that begins, in pages as
 * the real server looks: only when the first page holds nothing.
 */

import type { ReadReq as Request, ReadResp as Response } from '@eventstore/db-client/generated/streams_pb.js';
import type { ServerWritableStream } from '@grpc/grpc-js';
import type { EventLog, LoggedEvent, LogPosition } from './event-log.js';
import {
  accessDenied,
  type CallFailure,
  failWith,
  identifierOf,
  streamDeleted,
  thrown,
  unavailable,
  unreadAll,
  unreadStream,
} from './failures.js';
import type { ReadOptions } from './filter.js';
import { filterOf } from './filter.js';
import { guard, type NodeState } from './guard.js';
import { ReadReq, ReadResp } from './protocol.js';
import { followAll, followStream } from './subscribing.js';
import { NOTHING, positionOf, Writer } from './writer.js';

type ReadCall = ServerWritableStream<Request, Response>;

const { ReadDirection } = ReadReq.Options;
/** How many revisions the real server looks at in one go. */
const PAGE = 32;

export const read = (log: EventLog, state: NodeState) => async (call: ReadCall) => {
  const fault = await guard(state, 'read', call);
  if (fault === 'stop') return;
  const options = call.request.getOptions() as ReadOptions;
  const cutAfter = fault?.kind === 'cut' ? fault.afterMessages : undefined;
  const writer = new Writer(call, cutAfter, state.onMessage);
  try {
    if (await answer(log, state, options, writer)) call.end();
  } catch (error) {
    if (error === writer.cutOff) failWith(call, unavailable);
    else throw error;
  }
};

/** @returns whether the call is to be ended */
async function answer(
  log: EventLog,
  state: NodeState,
  options: ReadOptions,
  writer: Writer,
): Promise<boolean> {
  const stream = options.getStream();
  const name = stream && Buffer.from(stream.getStreamIdentifier()?.getStreamName_asU8() ?? []).toString();
  if (!state.isAllowed('read', name ?? '$all', writer.call.metadata))
    return failWith(writer.call, accessDenied);
  if (name !== undefined && options.hasSubscription() && log.isTombstoned(name))
    return failWith(writer.call, streamDeleted(name));
  if (options.hasSubscription()) {
    const follow =
      name === undefined
        ? followAll(log, state.traits, options, writer)
        : followStream(log, state.traits, name, options, writer);
    await follow;
    return false;
  }
  if (name === undefined) return answerAll(log, options, writer);
  if (log.isTombstoned(name)) return failWith(writer.call, streamDeleted(name));
  const isFromEnd = stream?.hasEnd() && options.getReadDirection() === ReadDirection.FORWARDS;
  if (isFromEnd || Number(options.getCount()) === 0) return failWith(writer.call, unreadStream);
  const events = log.readable(name);
  if (!events) await writer.send(notFound(name));
  else await answerStream(log, name, events, options, writer);
  return true;
}

async function answerStream(
  log: EventLog,
  name: string,
  events: readonly LoggedEvent[],
  options: ReadOptions,
  writer: Writer,
): Promise<void> {
  const isForwards = options.getReadDirection() === ReadDirection.FORWARDS;
  const count = Number(options.getCount());
  const stream = options.getStream();
  const end = log.revisionOf(name) + 1;
  const from = stream?.hasRevision() ? Number(stream.getRevision()) : stream?.hasStart() ? 0 : end;
  if (isForwards) {
    for (const first of emptyPages(log, name, from, Math.min(PAGE, count), events)) {
      await writer.firstStreamPosition(first);
    }
  }
  const wanted = isForwards
    ? events.filter(({ revision }) => revision >= from)
    : events.filter(({ revision }) => revision <= from).reverse();
  for (const event of wanted.slice(0, count)) await writer.event(event);
  await writer.lastStreamPosition(end - 1);
}

/** Where reading goes on after each page that held nothing, until one holds something or the stream ends. */
function* emptyPages(
  log: EventLog,
  name: string,
  from: number,
  page: number,
  events: readonly LoggedEvent[],
): Generator<number> {
  const end = log.revisionOf(name) + 1;
  const first = log.firstReadable(name);
  let at = from;
  if (at + page - 1 < first) {
    at = first;
    yield at;
  }
  const isNothingLeft = !events.some(({ revision }) => revision >= at);
  if (isNothingLeft && at !== end) yield end;
}

async function answerAll(log: EventLog, options: ReadOptions, writer: Writer): Promise<boolean> {
  // The real one says nothing more.
  if (Number(options.getCount()) === 0) return false;
  const position = options.getAll()?.getPosition();
  const failure = position && refusePosition(log, positionOf(position), options);
  if (failure) return failWith(writer.call, failure);
  for (const event of readAll(log, options)) await writer.event(event);
  return true;
}

/** Forwards from beyond the last record there is nothing; backwards there is something wrong, but from the very end. */
function refusePosition(log: EventLog, position: LogPosition, options: ReadOptions): CallFailure | undefined {
  const { commit, prepare } = position;
  if (prepare > commit) return thrown;
  const isForwards = options.getReadDirection() === ReadDirection.FORWARDS;
  if (!isForwards && commit > log.end.commit && commit !== NOTHING.commit) {
    return unreadAll(options.hasFilter(), commit > log.endOfLog ? 'Error' : 'InvalidPosition');
  }
  return log.isRecord(position) ? undefined : unreadAll(options.hasFilter(), 'InvalidPosition');
}

function* readAll(log: EventLog, options: ReadOptions): Generator<LoggedEvent> {
  const all = options.getAll();
  const isForwards = options.getReadDirection() === ReadDirection.FORWARDS;
  const matches = filterOf(options);
  const { events } = log;
  const position = all?.getPosition();
  const from = position ? log.indexAt(positionOf(position), true) : all?.hasStart() ? 0 : events.length;
  const inOrder = function* () {
    if (isForwards) for (let at = from; at < events.length; at++) yield events[at] as LoggedEvent;
    else for (let at = from - 1; at >= 0; at--) yield events[at] as LoggedEvent;
  };
  let left = Number(options.getCount());
  for (const event of inOrder()) {
    if (left <= 0) return;
    if (!matches(event)) continue;
    left -= 1;
    yield event;
  }
}

function notFound(stream: string) {
  const answer = new ReadResp.StreamNotFound();
  answer.setStreamIdentifier(identifierOf(stream));
  const response = new ReadResp();
  response.setStreamNotFound(answer);
  return response;
}
