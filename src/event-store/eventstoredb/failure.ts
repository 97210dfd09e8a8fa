/**
 * What a failure of EventStoreDB is called in our terms, and whether waiting may help. One sentence each, with the
 * remedy; the server's own words only where they can hold no secret. A refusal names its streams: without that five of
 * them stopped the facts of every connector, and named one by one, twenty took as many appends of all that waits.
 */
import { type Metadata, status } from '@grpc/grpc-js';
import { ConnectorStateError } from '../../base/errors.js';
import { STREAM_PREFIX } from '../../events/streams.js';
import type { Endpoint } from './connection-string.js';

/** `transient`: the same call may succeed later without anyone changing anything. */
export class EventStoreFailure extends ConnectorStateError {
  readonly transient: boolean;
  /** Where the leader is, when the node that was asked is none. */
  readonly leader: Endpoint | undefined;
  /** Streams that are refused, when others need not be, each with what is to be said of it. */
  readonly refused: ReadonlyMap<string, string>;

  constructor(
    message: string,
    transient: boolean,
    about: { leader?: Endpoint; stream?: string; refused?: ReadonlyMap<string, string> } = {},
  ) {
    super('EVENT_STORE_FAILED', message);
    this.transient = transient;
    this.leader = about.leader;
    this.refused = about.refused ?? new Map(about.stream === undefined ? [] : [[about.stream, message]]);
  }
}

/** To throw for all that failed of one append: what is for good says more than what may pass, and names all it is about. */
export function ofAll(failures: readonly Error[]): Error | undefined {
  const refusals = failures.filter(failure => !isTransient(failure));
  const [first = failures[0]] = refusals;
  if (!(first instanceof EventStoreFailure) || refusals.length < 2) return first;
  const refused = refusals.flatMap(each => (each instanceof EventStoreFailure ? [...each.refused] : []));
  return new EventStoreFailure(first.message, first.transient, { refused: new Map(refused) });
}

/** The server takes less at once than was sent. */
export const isTooLarge = (error: unknown): boolean =>
  error instanceof EventStoreFailure && error.message.includes(TOO_LARGE.reason);

export const isNoPosition = (error: unknown): boolean =>
  error instanceof EventStoreFailure && error.message.includes(NO_POSITION.reason);

export const isTransient = (error: unknown): boolean => error instanceof EventStoreFailure && error.transient;

export interface Reason {
  readonly reason: string;
  readonly remedy: string;
  readonly transient: boolean;
  /** It may be so for one stream and not for another. */
  readonly isOfStream?: boolean;
}

const ACCESS_DENIED: Reason = {
  reason: 'access denied',
  remedy: `name a user in the event store's URL, if it names none, and give it the right to read $all and to read and write streams that start with ${STREAM_PREFIX}; \`connector-state doctor --store-rights\` says how`,
  transient: false,
  isOfStream: true,
};
const STREAM_DELETED: Reason = {
  reason: 'the stream was deleted for good',
  remedy: 'its name cannot be used again in this store',
  transient: false,
  isOfStream: true,
};
const TOO_LARGE: Reason = {
  reason: 'the append is larger than the server takes',
  remedy: 'raise its MaxAppendSize',
  transient: false,
  isOfStream: true,
};
/** Of another log, or of a later state of this one. Under the code of any unknown trouble, it was tried for 30 s. */
const NO_POSITION: Reason = {
  reason: 'the position is no record of its log',
  remedy: 'rebuild the read tables',
  transient: false,
};
const RETRY = 'retry with the same event ids, or look after the server';

const EXCEPTIONS: Readonly<Record<string, Reason>> = {
  'access-denied': ACCESS_DENIED,
  'stream-deleted': STREAM_DELETED,
  'maximum-append-size-exceeded': TOO_LARGE,
};
/** The same, as the details of one append's refusal in a batch. */
const BATCH_ERRORS: Readonly<Record<string, Reason>> = {
  'event_store.client.AccessDenied': ACCESS_DENIED,
  'event_store.client.StreamDeleted': STREAM_DELETED,
  'event_store.client.MaximumAppendSizeExceeded': TOO_LARGE,
};

/** Appends and reads that a repetition would not change. */
const REFUSALS = new Set<status>([status.INVALID_ARGUMENT, status.UNIMPLEMENTED, status.OUT_OF_RANGE]);

/** Why a call failed and what to do, without saying which call. */
export function reasonFor(error: unknown): Reason {
  const {
    code,
    details,
    metadata,
    message = '',
  } = error as Partial<{ code: number; details: string; metadata: Metadata } & Error>;
  const exception = String(metadata?.get('exception')[0] ?? '');
  return EXCEPTIONS[exception] ?? reasonOf(code, details ?? message);
}

/**
 * @param action completes "the event store could not …"
 * @param stream that the call was about
 */
export function toFailure(error: unknown, action: string, stream?: string): ConnectorStateError {
  if (error instanceof ConnectorStateError) return error;
  const { metadata } = error as { metadata?: Metadata };
  if (metadata?.get('exception')[0] === 'not-leader') {
    const leader = {
      host: String(metadata?.get('leader-endpoint-host')[0] ?? ''),
      port: Number(metadata?.get('leader-endpoint-port')[0] ?? 0),
    };
    const isKnown = leader.host !== '' && leader.port > 0;
    const reason = { reason: 'the node is not the leader', remedy: RETRY, transient: true };
    return failure(action, reason, isKnown ? { leader } : {});
  }
  return failure(action, reasonFor(error), stream === undefined ? {} : { stream });
}

/** @param typeName the packed details of a `google.rpc.Status` */
export function toBatchFailure(typeName: string, message: string, stream: string): EventStoreFailure {
  const busy: Reason = { reason: `the server said: ${message}`, remedy: RETRY, transient: true };
  return failure('append', BATCH_ERRORS[typeName] ?? busy, { stream });
}

function reasonOf(code: number | undefined, details: string): Reason {
  if (code === status.UNAUTHENTICATED) {
    return {
      reason: 'the server did not take the user and password',
      remedy: "correct them in the event store's URL",
      transient: false,
    };
  }
  if (code === status.PERMISSION_DENIED) return ACCESS_DENIED;
  if (/invalid ?position/i.test(details)) return NO_POSITION;
  if (code === status.DEADLINE_EXCEEDED)
    return { reason: 'no answer in time', remedy: RETRY, transient: true };
  if (code !== undefined && REFUSALS.has(code)) {
    return {
      reason: `the server refused: ${details}`,
      remedy: 'check that it is EventStoreDB 23.10 or newer, or KurrentDB',
      transient: false,
    };
  }
  return reasonOfConnection(details);
}

function reasonOfConnection(details: string): Reason {
  if (/certificate|self.signed|altname|CERT_/i.test(details)) {
    return {
      reason: `the server's certificate does not verify: ${innermost(details)}`,
      remedy: 'give the file of the authority that signed it as tlsCAFile, and the host name it was made for',
      transient: false,
    };
  }
  if (/wrong version number|SSL|EPROTO|socket disconnected before secure TLS/i.test(details)) {
    return {
      reason: 'no TLS with this server',
      remedy: 'add tls=false if it runs insecurely, or correct the port',
      transient: false,
    };
  }
  if (/name resolution failed|ENOTFOUND|EAI_AGAIN/i.test(details)) {
    return { reason: 'no such host', remedy: "correct the host in the event store's URL", transient: true };
  }
  if (/ECONNREFUSED/.test(details)) {
    return {
      reason: 'nothing listens at this address',
      remedy: "start the server, or correct the event store's URL",
      transient: true,
    };
  }
  // What a server with TLS does to plain text, too.
  if (/failed to connect|connection dropped|ECONNRESET/i.test(details)) {
    return {
      reason: 'the connection broke before there was an answer',
      remedy: `${RETRY}; if it wants TLS, remove tls=false`,
      transient: true,
    };
  }
  return { reason: innermost(details) || 'the connection broke', remedy: RETRY, transient: true };
}

/** gRPC wraps: "No connection established. Last error: Error: self-signed certificate. Resolution note: ". */
const innermost = (details: string): string =>
  (WRAPPED.exec(details)?.groups?.reason || NOTE.exec(details)?.[1] || details).slice(0, 200).trim();
const WRAPPED = /Last error: *(?:Error: )?(?<reason>.*?)\.?(?: Resolution note:|$)/s;
const NOTE = /Resolution note: *(.*)$/s;

function failure(
  action: string,
  { reason, remedy, transient, isOfStream }: Reason,
  { stream, leader }: { readonly stream?: string; readonly leader?: Endpoint } = {},
): EventStoreFailure {
  const named = isOfStream ? stream : undefined;
  const what = named === undefined ? action : `${action} to ${named}`;
  return new EventStoreFailure(`the event store could not ${what} (${reason}): ${remedy}`, transient, {
    ...(leader && { leader }),
    ...(named !== undefined && { stream: named }),
  });
}
