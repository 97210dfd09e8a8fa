/** `Streams/Append` (one call an append), `Streams/BatchAppend` (many in one call), `Delete` and `Tombstone`. */

import type {
  AppendReq,
  AppendResp as AppendResponse,
  BatchAppendReq,
  BatchAppendResp as BatchAppendResponse,
  DeleteReq,
  DeleteResp as DeleteResponse,
  TombstoneReq,
  TombstoneResp as TombstoneResponse,
} from '@eventstore/db-client/generated/streams_pb.js';
import type { ServerDuplexStream, ServerReadableStream, ServerUnaryCall, sendUnaryData } from '@grpc/grpc-js';
import type { EventLog, Expected, LogPosition, Proposal } from './event-log.js';
import {
  accessDenied,
  batchAccessDenied,
  batchFailure,
  streamDeleted,
  tooLarge,
  unavailable,
} from './failures.js';
import { guard, type NodeState } from './guard.js';
import {
  AllStreamPosition,
  AppendResp,
  BatchAppendResp,
  DeleteResp,
  Empty,
  SharedEmpty,
  TombstoneResp,
  UUID,
} from './protocol.js';

const { Success, WrongExpectedVersion, Position } = AppendResp;

export const append =
  (log: EventLog, state: NodeState) =>
  async (call: ServerReadableStream<AppendReq, AppendResponse>, answer: sendUnaryData<AppendResponse>) => {
    // The client waits for its messages to be taken before it looks for an answer.
    const received: AppendReq[] = [];
    call.on('data', (message: AppendReq) => received.push(message));
    const ended = new Promise(resolve => call.on('end', resolve));
    const fault = await guard(state, 'append', {
      metadata: call.metadata,
      emit: (_, error) => {
        answer(error);
        return true;
      },
    });
    if (fault === 'stop') return;
    await ended;
    const options = received[0]?.getOptions();
    if (!options) return answer({ code: 3, details: 'the first message has no options' });
    const stream = nameOf(options.getStreamIdentifier());
    const expected = expectedOf(options, options.hasRevision() ? Number(options.getRevision()) : undefined);
    const proposals = received.slice(1).map(message => toProposal(message.getProposedMessage() as Proposed));
    const outcome = log.append(stream, expected, proposals);
    if (fault?.kind === 'lose-answer' || fault?.kind === 'cut') return answer(unavailable);
    if (outcome.result === 'stream-deleted') return answer(streamDeleted(stream));
    if (outcome.result === 'too-large') return answer(tooLarge());
    const response = new AppendResp();
    if (outcome.result === 'success') {
      const success = new Success();
      success.setCurrentRevision(String(outcome.revision));
      success.setPosition(fillPosition(new Position(), outcome.position));
      response.setSuccess(success);
    } else {
      const conflict = new WrongExpectedVersion();
      if (outcome.current >= 0) conflict.setCurrentRevision(String(outcome.current));
      else conflict.setCurrentNoStream(new SharedEmpty());
      response.setWrongExpectedVersion(conflict);
    }
    answer(null, response);
  };

export const batchAppend =
  (log: EventLog, state: NodeState) => (call: ServerDuplexStream<BatchAppendReq, BatchAppendResponse>) => {
    const open = new Map<string, { stream: string; expected: Expected; proposals: Proposal[] }>();
    let turn: Promise<unknown> = Promise.resolve();
    call.on('end', () => void turn.then(() => call.end()));
    call.on('data', (request: BatchAppendReq) => {
      const correlation = request.getCorrelationId()?.getString() ?? '';
      const options = request.getOptions();
      if (options) {
        open.set(correlation, {
          stream: nameOf(options.getStreamIdentifier()),
          expected: expectedOf(
            options,
            options.hasStreamPosition() ? Number(options.getStreamPosition()) : undefined,
          ),
          proposals: [],
        });
      }
      const append = open.get(correlation);
      if (!append) return;
      append.proposals.push(...request.getProposedMessagesList().map(toProposal));
      if (!request.getIsFinal()) return;
      open.delete(correlation);
      turn = turn.then(() => settle(append, request));
    });

    const settle = async (
      { stream, expected, proposals }: { stream: string; expected: Expected; proposals: Proposal[] },
      request: BatchAppendReq,
    ) => {
      const response = new BatchAppendResp();
      response.setCorrelationId(structured(request.getCorrelationId()?.getString() ?? ''));
      const identifier = request.getOptions()?.getStreamIdentifier();
      if (identifier) response.setStreamIdentifier(identifier);
      let isDenied = false;
      const fault = await guard(state, 'batchAppend', {
        metadata: call.metadata,
        emit: (event, failure) => {
          isDenied = failure === accessDenied;
          return isDenied || call.emit(event, failure);
        },
      });
      if (isDenied) {
        response.setError(batchAccessDenied());
        call.write(response);
        return;
      }
      // What was received is stored, also when whoever sent it has gone meanwhile.
      if (fault === 'stop') return;
      const outcome = log.append(stream, expected, proposals);
      if (fault?.kind === 'lose-answer' || fault?.kind === 'cut') {
        call.emit('error', unavailable);
        return;
      }
      if (outcome.result === 'success') {
        const success = new BatchAppendResp.Success();
        success.setCurrentRevision(String(outcome.revision));
        if (fault?.kind === 'withhold-position') success.setNoPosition(new Empty());
        else success.setPosition(fillPosition(new AllStreamPosition(), outcome.position));
        response.setSuccess(success);
      } else {
        response.setError(batchFailure(stream, expected, outcome));
      }
      call.write(response);
    };
  };

export const remove =
  (log: EventLog, state: NodeState) =>
  async (call: ServerUnaryCall<DeleteReq, DeleteResponse>, answer: sendUnaryData<DeleteResponse>) => {
    if ((await guard(state, 'delete', call)) === 'stop') return;
    log.softDelete(nameOf(call.request.getOptions()?.getStreamIdentifier()));
    answer(null, new DeleteResp());
  };

export const tombstone =
  (log: EventLog, state: NodeState) =>
  async (
    call: ServerUnaryCall<TombstoneReq, TombstoneResponse>,
    answer: sendUnaryData<TombstoneResponse>,
  ) => {
    if ((await guard(state, 'tombstone', call)) === 'stop') return;
    log.tombstone(nameOf(call.request.getOptions()?.getStreamIdentifier()));
    answer(null, new TombstoneResp());
  };

interface Proposed {
  getId(): { getString(): string } | undefined;
  getMetadataMap(): { get(key: string): string | undefined };
  getData_asU8(): Uint8Array;
  getCustomMetadata_asU8(): Uint8Array;
}

const toProposal = (message: Proposed): Proposal => ({
  id: message.getId()?.getString() ?? '',
  type: message.getMetadataMap().get('type') ?? '',
  contentType: message.getMetadataMap().get('content-type') ?? '',
  data: message.getData_asU8(),
  metadata: message.getCustomMetadata_asU8(),
});

const nameOf = (identifier: { getStreamName_asU8(): Uint8Array } | undefined): string =>
  Buffer.from(identifier?.getStreamName_asU8() ?? []).toString();

/** Real servers answer so, or with the text they were given. */
function structured(id: string) {
  const bits = BigInt(`0x${id.replaceAll('-', '')}`);
  const halves = new UUID.Structured();
  halves.setMostSignificantBits(String(BigInt.asIntN(64, bits >> 64n)));
  halves.setLeastSignificantBits(String(BigInt.asIntN(64, bits)));
  const uuid = new UUID();
  uuid.setStructured(halves);
  return uuid;
}

function expectedOf(
  options: { hasAny(): boolean; hasNoStream(): boolean; hasStreamExists(): boolean },
  revision: number | undefined,
): Expected {
  if (revision !== undefined) return revision;
  if (options.hasNoStream()) return 'no-stream';
  return options.hasStreamExists() ? 'stream-exists' : 'any';
}

function fillPosition<
  P extends { setCommitPosition(value: string): unknown; setPreparePosition(value: string): unknown },
>(message: P, { commit, prepare }: LogPosition): P {
  message.setCommitPosition(String(commit));
  message.setPreparePosition(String(prepare));
  return message;
}
