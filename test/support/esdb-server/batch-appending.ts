/**
 * `Streams/BatchAppend`: many appends in one long call, each told apart by its correlation id and put together from
 * one message or several, answered one after another.
 *
 * An answer of kind `BadRequest` leaves the append open, so a `Timeout` for the same correlation id follows when its time
 * is over: whoever takes an answer must expect one for an id it has forgotten. And the server does not end the call when
 * the client has ended its side: only cancelling does.
 */
import type {
  BatchAppendReq,
  BatchAppendResp as BatchAppendResponse,
} from '@eventstore/db-client/generated/streams_pb.js';
import type { ServerDuplexStream } from '@grpc/grpc-js';
import { type EventLog, type Expected, MAX_APPEND_BYTES, type Proposal } from './event-log.js';
import {
  accessDenied,
  batchAccessDenied,
  batchBadRequest,
  batchFailure,
  batchTimeout,
  unavailable,
} from './failures.js';
import { guard, type NodeState } from './guard.js';
import { expectedOf, fillPosition, fillRevision, nameOf, toProposal } from './proposed.js';
import { AllStreamPosition, BatchAppendResp, Empty, UUID } from './protocol.js';
import { countedBytes } from './record.js';

/** The real server's `WriteTimeout`; a client may ask for less. */
const WRITE_TIMEOUT_MS = 2_000;

interface Open {
  readonly stream: string;
  readonly expected: Expected;
  readonly proposals: Proposal[];
}

type Call = ServerDuplexStream<BatchAppendReq, BatchAppendResponse>;

export const batchAppend = (log: EventLog, state: NodeState) => (call: Call) => {
  const open = new Map<string, Open>();
  let turn: Promise<unknown> = Promise.resolve();
  call.on('data', (request: BatchAppendReq) => {
    const correlation = request.getCorrelationId()?.getString() ?? '';
    const append = open.get(correlation) ?? opened(request);
    if (!append) return;
    open.set(correlation, append);
    const wrong = request.getProposedMessagesList().find(message => !message.getMetadataMap().get('type'));
    if (wrong) {
      send(call, request, response => response.setError(batchBadRequest('an event has no type')));
      setTimeout(() => {
        if (!open.delete(correlation)) return;
        send(call, request, response =>
          response.setCorrelationId(structured(correlation)).setError(batchTimeout()),
        );
      }, WRITE_TIMEOUT_MS).unref();
      return;
    }
    append.proposals.push(...request.getProposedMessagesList().map(toProposal));
    const isTooLarge = countedBytes(append.proposals) > Math.min(log.maxAppendBytes, MAX_APPEND_BYTES);
    if (!request.getIsFinal() && !isTooLarge) return;
    open.delete(correlation);
    // Each waits for a majority from its own beginning, and is answered in its turn.
    const isTaken = state.writable();
    turn = turn.then(async () => settle(state, call, append, request, (await isTaken) !== undefined));
  });
};

function opened(request: BatchAppendReq): Open | undefined {
  const options = request.getOptions();
  if (!options) return undefined;
  const revision = options.hasStreamPosition() ? Number(options.getStreamPosition()) : undefined;
  return {
    stream: nameOf(options.getStreamIdentifier()),
    expected: expectedOf(options, revision),
    proposals: [],
  };
}

async function settle(
  state: NodeState,
  call: Call,
  { stream, expected, proposals }: Open,
  request: BatchAppendReq,
  isTaken: boolean,
): Promise<void> {
  let isDenied = false;
  const fault = await guard(state, 'batchAppend', {
    metadata: call.metadata,
    emit: (event, failure) => {
      isDenied = failure === accessDenied;
      return isDenied || call.emit(event, failure);
    },
  });
  // What was received is stored, also when whoever sent it has gone meanwhile.
  if (fault === 'stop' && !isDenied) return;
  if (isDenied || !state.isAllowed('write', stream, call.metadata)) {
    send(call, request, response => response.setError(batchAccessDenied()));
    return;
  }
  const written = isTaken ? await state.writable() : undefined;
  if (!written) {
    send(call, request, response => response.setError(batchTimeout()));
    return;
  }
  const outcome = written.append(stream, expected, proposals);
  const afterwards = fault === 'stop' ? undefined : fault?.kind;
  if (afterwards === 'lose-answer' || afterwards === 'cut') {
    call.emit('error', unavailable);
    return;
  }
  send(call, request, response => {
    if (outcome.result !== 'success') {
      response.setError(batchFailure(stream, expected, outcome));
      return;
    }
    const success = new BatchAppendResp.Success();
    fillRevision(success, outcome.revision);
    if (afterwards === 'withhold-position' || !outcome.position) success.setNoPosition(new Empty());
    else success.setPosition(fillPosition(new AllStreamPosition(), outcome.position));
    response.setSuccess(success);
  });
}

/** The way in which this one answer writes its id, whatever the client wrote. */
function structured(id: string) {
  const hex = BigInt(`0x0${id.replaceAll('-', '')}`);
  const bits = new UUID.Structured();
  bits.setMostSignificantBits(String(BigInt.asIntN(64, hex >> 64n)));
  bits.setLeastSignificantBits(String(BigInt.asIntN(64, hex)));
  return new UUID().setStructured(bits);
}

function send(call: Call, request: BatchAppendReq, fill: (response: BatchAppendResponse) => unknown): void {
  const response = new BatchAppendResp();
  response.setCorrelationId(request.getCorrelationId());
  const identifier = request.getOptions()?.getStreamIdentifier();
  if (identifier) response.setStreamIdentifier(identifier);
  fill(response);
  call.write(response);
}
