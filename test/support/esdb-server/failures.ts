/**
 * How the protocol says no. Of a call: a gRPC status whose metadata names the exception, given by emitting
 * `error` (destroying the call instead leaves the client hanging). Of one append in a batch: a `google.rpc.Status`
 * with the reason packed as `Any`.
 */
import { Metadata, status } from '@grpc/grpc-js';
import type { Message } from 'google-protobuf';
import type { AppendOutcome, Expected } from './event-log.js';
import {
  AccessDenied,
  Any,
  BadRequest,
  Empty,
  MaximumAppendSizeExceeded,
  Status,
  StreamDeleted,
  StreamIdentifier,
  Timeout,
  WrongExpectedVersion,
} from './protocol.js';

export interface CallFailure {
  readonly code: status;
  readonly details: string;
  readonly metadata?: Metadata;
}

export const unavailable: CallFailure = {
  code: status.UNAVAILABLE,
  details: 'the server was told to refuse',
};
/** Not enough nodes took it in time; they may yet. */
export const commitTimeout: CallFailure = {
  code: status.ABORTED,
  details: 'Operation timed out: CommitTimeout',
};
export const notReady: CallFailure = { code: status.UNAVAILABLE, details: 'Server Is Not Ready' };
export const wrongCredentials: CallFailure = { code: status.UNAUTHENTICATED, details: 'Unauthenticated' };
export const accessDenied = exception('access-denied', status.PERMISSION_DENIED, 'Access Denied');

export const streamDeleted = (stream: string): CallFailure =>
  exception('stream-deleted', status.FAILED_PRECONDITION, `Event stream '${stream}' is deleted.`, {
    'stream-name': stream,
  });

/** Of a subscription to it, while it was followed. */
export function streamDeletedNow(stream: string): CallFailure {
  const failure = streamDeleted(stream);
  failure.metadata?.remove('content-length');
  return failure;
}

export const tooLarge = (limit: number): CallFailure =>
  exception(
    'maximum-append-size-exceeded',
    status.INVALID_ARGUMENT,
    `Maximum Append Size of ${limit} Exceeded.`,
    { 'maximum-append-size': String(limit) },
  );

/** Of a delete; an append says it in its answer. */
export function wrongExpectedVersion(stream: string, expected: Expected, current: number): CallFailure {
  const asked = String(typeof expected === 'number' ? expected : EXPECTED_VERSIONS[expected]);
  return exception(
    'wrong-expected-version',
    status.FAILED_PRECONDITION,
    `Delete failed due to WrongExpectedVersion. Stream: ${stream}, Expected version: ${asked}, Actual version: ${current}`,
    { 'stream-name': stream, 'expected-version': asked, 'actual-version': String(current) },
  );
}

/** As the real server numbers what is no revision. */
const EXPECTED_VERSIONS = { any: -2, 'no-stream': -1, 'stream-exists': -4 } as const;

/** What the server did not foresee. */
export const thrown = untyped('Exception was thrown by handler.');
export const unreadStream = untyped('Unexpected ReadStreamResult: Error');

/** @param why `InvalidPosition` for what is no record's; `Error` for backwards from beyond the end */
export const unreadAll = (isFiltered: boolean, why: 'InvalidPosition' | 'Error'): CallFailure =>
  untyped(`Unexpected ${isFiltered ? 'FilteredReadAllResult' : 'ReadAllResult'}: ${why}`);

/** Both of a subscription that was confirmed already. */
export const invalidPosition: CallFailure = {
  code: status.INVALID_ARGUMENT,
  details: 'Trying to read from an invalid position.',
};
export const thrownLater: CallFailure = { code: thrown.code, details: thrown.details };
export const consumerTooSlow: CallFailure = {
  code: status.ABORTED,
  details:
    'Operation timed out: Consumer too slow to handle event while live. Client resubscription required.',
};

/** Ends a call with a failure. @returns false: there is nothing left to end */
export function failWith(
  call: { emit(event: 'error', failure: CallFailure): boolean },
  failure: CallFailure,
) {
  call.emit('error', failure);
  return false;
}

export const notLeader = (host: string, port: number): CallFailure =>
  exception('not-leader', status.NOT_FOUND, `Leader info available`, {
    'leader-endpoint-host': host,
    'leader-endpoint-port': String(port),
  });

function untyped(details: string): CallFailure {
  const metadata = new Metadata();
  metadata.set('content-length', '0');
  return { code: status.UNKNOWN, details, metadata };
}

function exception(
  name: string,
  code: status,
  details: string,
  more: Readonly<Record<string, string>> = {},
): CallFailure {
  const metadata = new Metadata();
  metadata.set('content-length', '0');
  metadata.set('exception', name);
  for (const [key, value] of Object.entries(more)) metadata.set(key, value);
  return { code, details, metadata };
}

export const batchAccessDenied = () =>
  batchStatus(status.PERMISSION_DENIED, 'AccessDenied', new AccessDenied());
export const batchTimeout = () => batchStatus(status.DEADLINE_EXCEEDED, 'Timeout', new Timeout());
export const batchBadRequest = (message: string) => {
  const bad = new BadRequest();
  bad.setMessage(message);
  return batchStatus(status.INVALID_ARGUMENT, 'BadRequest', bad);
};

export function batchFailure(
  stream: string,
  expected: Expected,
  outcome: Exclude<AppendOutcome, { result: 'success' }>,
) {
  if (outcome.result === 'stream-deleted') {
    const deleted = new StreamDeleted();
    deleted.setStreamIdentifier(identifierOf(stream));
    return batchStatus(status.NOT_FOUND, 'StreamDeleted', deleted);
  }
  if (outcome.result === 'too-large') {
    const exceeded = new MaximumAppendSizeExceeded();
    exceeded.setMaxappendsize(outcome.limit);
    return batchStatus(status.INVALID_ARGUMENT, 'MaximumAppendSizeExceeded', exceeded);
  }
  const conflict = new WrongExpectedVersion();
  if (outcome.current >= 0) conflict.setCurrentStreamRevision(String(outcome.current));
  else conflict.setCurrentNoStream(new Empty());
  if (typeof expected === 'number') conflict.setExpectedStreamPosition(String(expected));
  else if (expected === 'no-stream') conflict.setExpectedNoStream(new Empty());
  else if (expected === 'stream-exists') conflict.setExpectedStreamExists(new Empty());
  else conflict.setExpectedAny(new Empty());
  return batchStatus(status.ALREADY_EXISTS, 'WrongExpectedVersion', conflict);
}

function batchStatus(code: status, name: string, details: Message) {
  const any = new Any();
  any.pack(details.serializeBinary(), `event_store.client.${name}`);
  const error = new Status();
  error.setCode(code as never);
  error.setMessage(name);
  error.setDetails(any);
  return error;
}

export function identifierOf(stream: string) {
  const identifier = new StreamIdentifier();
  identifier.setStreamName(Buffer.from(stream));
  return identifier;
}
