/**
 * How the protocol says no. Of a call: a gRPC status whose metadata names the exception, given by emitting
 * `error` (destroying the call instead leaves the client hanging). Of one append in a batch: a `google.rpc.Status`
 * with the reason packed as `Any`.
 */
import { Metadata, status } from '@grpc/grpc-js';
import type { Message } from 'google-protobuf';
import { type AppendOutcome, type Expected, MAX_APPEND_BYTES } from './event-log.js';
import {
  AccessDenied,
  Any,
  Empty,
  MaximumAppendSizeExceeded,
  Status,
  StreamDeleted,
  StreamIdentifier,
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
export const notReady: CallFailure = { code: status.UNAVAILABLE, details: 'Server Is Not Ready' };
export const wrongCredentials: CallFailure = { code: status.UNAUTHENTICATED, details: 'Unauthenticated' };
export const accessDenied = exception('access-denied', status.PERMISSION_DENIED, 'Access Denied');

export const streamDeleted = (stream: string): CallFailure =>
  exception('stream-deleted', status.FAILED_PRECONDITION, `Event stream '${stream}' is deleted.`, {
    'stream-name': stream,
  });

export const tooLarge = (): CallFailure =>
  exception('maximum-append-size-exceeded', status.INVALID_ARGUMENT, 'Maximum Append Size exceeded.', {
    'maximum-append-size': String(MAX_APPEND_BYTES),
  });

export const notLeader = (host: string, port: number): CallFailure =>
  exception('not-leader', status.NOT_FOUND, `Leader info available`, {
    'leader-endpoint-host': host,
    'leader-endpoint-port': String(port),
  });

function exception(
  name: string,
  code: status,
  details: string,
  more: Readonly<Record<string, string>> = {},
): CallFailure {
  const metadata = new Metadata();
  metadata.set('exception', name);
  for (const [key, value] of Object.entries(more)) metadata.set(key, value);
  return { code, details, metadata };
}

export const batchAccessDenied = () =>
  batchStatus('event_store.client.AccessDenied', new AccessDenied(), 'Access Denied');

export function batchFailure(
  stream: string,
  expected: Expected,
  outcome: Exclude<AppendOutcome, { result: 'success' }>,
) {
  if (outcome.result === 'stream-deleted') {
    const deleted = new StreamDeleted();
    deleted.setStreamIdentifier(identifierOf(stream));
    return batchStatus('event_store.client.StreamDeleted', deleted, 'StreamDeleted');
  }
  if (outcome.result === 'too-large') {
    const exceeded = new MaximumAppendSizeExceeded();
    exceeded.setMaxappendsize(MAX_APPEND_BYTES);
    return batchStatus('event_store.client.MaximumAppendSizeExceeded', exceeded, 'MaximumAppendSizeExceeded');
  }
  const conflict = new WrongExpectedVersion();
  if (outcome.current >= 0) conflict.setCurrentStreamRevision(String(outcome.current));
  else conflict.setCurrentNoStream(new Empty());
  if (typeof expected === 'number') conflict.setExpectedStreamPosition(String(expected));
  else if (expected === 'no-stream') conflict.setExpectedNoStream(new Empty());
  else if (expected === 'stream-exists') conflict.setExpectedStreamExists(new Empty());
  else conflict.setExpectedAny(new Empty());
  return batchStatus('event_store.client.WrongExpectedVersion', conflict, 'WrongExpectedVersion');
}

function batchStatus(typeName: string, details: Message, message: string) {
  const any = new Any();
  any.pack(details.serializeBinary(), typeName);
  const error = new Status();
  error.setMessage(message);
  error.setDetails(any);
  return error;
}

export function identifierOf(stream: string) {
  const identifier = new StreamIdentifier();
  identifier.setStreamName(Buffer.from(stream));
  return identifier;
}
