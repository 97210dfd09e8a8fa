/** `Streams/Append` (one call an append), `Delete` and `Tombstone`. */

import type {
  AppendReq,
  AppendResp as AppendResponse,
  DeleteReq,
  DeleteResp as DeleteResponse,
  TombstoneReq,
  TombstoneResp as TombstoneResponse,
} from '@eventstore/db-client/generated/streams_pb.js';
import type { ServerReadableStream, ServerUnaryCall, sendUnaryData } from '@grpc/grpc-js';
import type { AppendOutcome, DeleteOutcome, EventLog, Expected } from './event-log.js';
import {
  accessDenied,
  type CallFailure,
  commitTimeout,
  streamDeleted,
  thrown,
  tooLarge,
  unavailable,
  wrongExpectedVersion,
} from './failures.js';
import { guard, type NodeState } from './guard.js';
import { expectedOf, fillPosition, fillRevision, nameOf, type Proposed, toProposal } from './proposed.js';
import { AppendResp, DeleteResp, Empty, SharedEmpty, TombstoneResp } from './protocol.js';

const { Success, WrongExpectedVersion, Position } = AppendResp;
/** How the old field says "no stream": 2^64−1, which the generated code can read but not write. */
const NO_STREAM_2060 = Buffer.from([0x18, ...Array(9).fill(0xff), 0x01]);

export const append =
  (state: NodeState) =>
  async (call: ServerReadableStream<AppendReq, AppendResponse>, answer: sendUnaryData<AppendResponse>) => {
    // The client waits for its messages to be taken before it looks for an answer.
    const received: AppendReq[] = [];
    call.on('data', (message: AppendReq) => received.push(message));
    const ended = new Promise(resolve => call.on('end', resolve));
    const fault = await guard(state, 'append', { metadata: call.metadata, emit: refuse(answer) });
    if (fault === 'stop') return;
    await ended;
    const options = received[0]?.getOptions();
    if (!options) return answer({ code: 3, details: 'the first message has no options' });
    const stream = nameOf(options.getStreamIdentifier());
    if (!state.isAllowed('write', stream, call.metadata)) return answer(accessDenied);
    const expected = expectedOf(options, options.hasRevision() ? Number(options.getRevision()) : undefined);
    const proposals = received.slice(1).map(message => toProposal(message.getProposedMessage() as Proposed));
    if (proposals.some(({ type }) => type === '')) return answer(thrown);
    const log = await state.writable();
    if (!log) return answer(commitTimeout);
    const outcome = log.append(stream, expected, proposals);
    if (fault?.kind === 'lose-answer' || fault?.kind === 'cut') return answer(unavailable);
    if (outcome.result === 'stream-deleted') return answer(streamDeleted(stream));
    if (outcome.result === 'too-large') return answer(tooLarge(outcome.limit));
    if (outcome.result !== 'success') return answer(null, refused(expected, outcome.current) as never);
    const response = new AppendResp();
    response.setSuccess(successOf(outcome));
    answer(null, response);
  };

/** The message of an {@link AppendResp}, or its bytes where it cannot say what is to be said. */
function refused(expected: Expected, current: number): AppendResponse | Buffer {
  const response = new AppendResp();
  const conflict = conflictOf(expected, current);
  response.setWrongExpectedVersion(conflict);
  if (expected !== 'no-stream') return response;
  const bytes = Buffer.concat([conflict.serializeBinary(), NO_STREAM_2060]);
  return Buffer.concat([Buffer.from([0x12, bytes.length]), bytes]);
}

function successOf({ revision, position }: Extract<AppendOutcome, { result: 'success' }>) {
  const success = new Success();
  fillRevision(success, revision);
  if (position) success.setPosition(fillPosition(new Position(), position));
  else success.setNoPosition(new Empty() as never);
  return success;
}

/** Both in today's fields and in those of servers before 21. */
function conflictOf(expected: Expected, current: number) {
  const conflict = new WrongExpectedVersion();
  if (current >= 0) {
    conflict.setCurrentRevision(String(current));
    conflict.setCurrentRevision2060(current);
  } else {
    conflict.setCurrentNoStream(new SharedEmpty());
    conflict.setNoStream2060(new SharedEmpty());
  }
  if (expected === 'no-stream') {
    conflict.setExpectedNoStream(new SharedEmpty());
  } else if (expected === 'stream-exists') {
    conflict.setExpectedStreamExists(new SharedEmpty());
    conflict.setStreamExists2060(new SharedEmpty());
  } else if (expected === 'any') {
    conflict.setExpectedAny(new SharedEmpty());
    conflict.setAny2060(new SharedEmpty());
  } else {
    conflict.setExpectedRevision(String(expected));
    conflict.setExpectedRevision2060(expected);
  }
  return conflict;
}

export const remove =
  (state: NodeState) =>
  (call: ServerUnaryCall<DeleteReq, DeleteResponse>, answer: sendUnaryData<DeleteResponse>) =>
    deleting(
      state,
      'delete',
      call,
      (log, stream, expected) => log.softDelete(stream, expected),
      ({ position }) => {
        const response = new DeleteResp();
        response.setPosition(fillPosition(new DeleteResp.Position(), position));
        answer(null, response);
      },
      answer,
    );

export const tombstone =
  (state: NodeState) =>
  (call: ServerUnaryCall<TombstoneReq, TombstoneResponse>, answer: sendUnaryData<TombstoneResponse>) =>
    deleting(
      state,
      'tombstone',
      call,
      (log, stream, expected) => log.tombstone(stream, expected),
      ({ position }) => {
        const response = new TombstoneResp();
        response.setPosition(fillPosition(new TombstoneResp.Position(), position));
        answer(null, response);
      },
      answer,
    );

async function deleting(
  state: NodeState,
  rpc: 'delete' | 'tombstone',
  call: ServerUnaryCall<DeleteReq | TombstoneReq, unknown>,
  act: (log: EventLog, stream: string, expected: Expected) => DeleteOutcome,
  onSuccess: (outcome: Extract<DeleteOutcome, { result: 'success' }>) => void,
  answer: (failure: CallFailure) => void,
): Promise<void> {
  if ((await guard(state, rpc, call)) === 'stop') return;
  const options = call.request.getOptions();
  const stream = nameOf(options?.getStreamIdentifier());
  if (!options || !state.isAllowed('delete', stream, call.metadata)) return answer(accessDenied);
  const log = await state.writable();
  if (!log) return answer(commitTimeout);
  const expected = expectedOf(options, options.hasRevision() ? Number(options.getRevision()) : undefined);
  const outcome = act(log, stream, expected);
  if (outcome.result === 'success') onSuccess(outcome);
  else if (outcome.result === 'stream-deleted') answer(streamDeleted(stream));
  else answer(wrongExpectedVersion(stream, expected, outcome.current));
}

/** Answers a call that has no other way to fail. */
const refuse = (answer: (failure: CallFailure) => void) => (_: 'error', failure: CallFailure) => {
  answer(failure);
  return true;
};
