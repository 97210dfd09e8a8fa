/**
 * One long `BatchAppend` call to one node, which carries all appends in the order they are made and answers each by
 * its correlation id. The server takes them up in that order too, so that appends to many streams need not wait
 * for one another to lie in the log as they were made.
 *
 * The map of what awaits an answer belongs to this call. Each append has its own deadline; one that passes it
 * says that the call is stuck, so the call is given up, and with it what else it carried: their outcome is
 * unknown, and whoever made them tries again under the same ids.
 */
import { randomUUID } from 'node:crypto';
import type { ClientDuplexStream } from '@grpc/grpc-js';
import type { Position } from '../../events/event.js';
import { EventStoreFailure, toBatchFailure, toFailure } from './failure.js';
import { toPosition } from './position.js';
import {
  BatchAppendReq,
  type BatchAppendRequest,
  type BatchAppendResponse,
  StreamIdentifier,
  UUID,
  WellKnownEmpty,
  WrongExpectedVersion,
} from './protocol.js';

export interface Proposal {
  readonly id: string;
  readonly type: string;
  /** JSON texts. */
  readonly data: string;
  readonly metadata: string;
}

export type Receipt =
  /** `position` of the last event; `undefined` where the server does not say. `version` of the last event. */
  | { readonly outcome: 'stored'; readonly version: number; readonly position: Position | undefined }
  | { readonly outcome: 'conflict'; readonly actual: number };

interface Pending {
  resolve(receipt: Receipt): void;
  reject(failure: Error): void;
}

type Call = ClientDuplexStream<BatchAppendRequest, BatchAppendResponse>;

/** The server's "nothing is known" as an unsigned number. */
const NO_POSITION = BigInt(2) ** BigInt(63);

export class AppendCall {
  readonly #open: () => Call;
  readonly #pending = new Map<string, Pending>();
  #call: Call | undefined;

  constructor(open: () => Call) {
    this.#open = open;
  }

  /**
   * Appends when the stream is exactly at `version`, or when these very events are what follows it already.
   * Sent before this returns. @throws EventStoreFailure whose outcome is unknown when it is transient
   */
  append(stream: string, version: number, events: readonly Proposal[], timeoutMs: number): Promise<Receipt> {
    const correlation = randomUUID();
    const answer = new Promise<Receipt>((resolve, reject) => {
      this.#pending.set(correlation, { resolve, reject });
    });
    const timer = setTimeout(() => {
      this.#giveUp(new EventStoreFailure('the event store could not append: no answer in time', true));
    }, timeoutMs);
    try {
      this.#call ??= this.#start();
      this.#call.write(toRequest(correlation, stream, version, events));
    } catch (error) {
      this.#giveUp(toFailure(error, 'append'));
    }
    return answer.finally(() => clearTimeout(timer));
  }

  close(): void {
    this.#giveUp(new EventStoreFailure('the event store could not append: the connection was closed', true));
  }

  #start(): Call {
    const call = this.#open();
    call.on('data', (response: BatchAppendResponse) => this.#settle(response));
    const onOver = (error?: unknown) => {
      if (this.#call !== call) return;
      this.#giveUp(
        error
          ? toFailure(error, 'append')
          : new EventStoreFailure('the event store could not append: the server ended the call', true),
      );
    };
    call.on('error', onOver);
    call.on('end', () => onOver());
    return call;
  }

  /** An answer nobody waits for belongs to an append that was given up. */
  #settle(response: BatchAppendResponse): void {
    const correlation = response.getCorrelationId()?.getString() ?? '';
    const pending = this.#pending.get(correlation);
    this.#pending.delete(correlation);
    if (!pending) return;
    try {
      pending.resolve(toReceipt(response));
    } catch (error) {
      pending.reject(toFailure(error, 'append'));
    }
  }

  #giveUp(failure: Error): void {
    const call = this.#call;
    this.#call = undefined;
    call?.cancel();
    const pending = [...this.#pending.values()];
    this.#pending.clear();
    for (const { reject } of pending) reject(failure);
  }
}

function toRequest(correlation: string, stream: string, version: number, events: readonly Proposal[]) {
  const identifier = new StreamIdentifier();
  identifier.setStreamName(Buffer.from(stream));
  const options = new BatchAppendReq.Options();
  options.setStreamIdentifier(identifier);
  if (version === 0) options.setNoStream(new WellKnownEmpty());
  else options.setStreamPosition(String(version - 1));
  const request = new BatchAppendReq();
  request.setCorrelationId(uuid(correlation));
  request.setOptions(options);
  request.setProposedMessagesList(events.map(toMessage));
  request.setIsFinal(true);
  return request;
}

function toMessage({ id, type, data, metadata }: Proposal) {
  const message = new BatchAppendReq.ProposedMessage();
  message.setId(uuid(id));
  message.getMetadataMap().set('type', type).set('content-type', 'application/json');
  message.setData(Buffer.from(data));
  message.setCustomMetadata(Buffer.from(metadata));
  return message;
}

function uuid(text: string) {
  const message = new UUID();
  message.setString(text);
  return message;
}

function toReceipt(response: BatchAppendResponse): Receipt {
  const success = response.getSuccess();
  if (success) {
    const position = success.getPosition();
    const isKnown = position !== undefined && BigInt(position.getCommitPosition()) < NO_POSITION;
    return {
      outcome: 'stored',
      version: Number(success.getCurrentRevision()) + 1,
      position: isKnown ? toPosition(position) : undefined,
    };
  }
  const error = response.getError();
  const typeName = error?.getDetails()?.getTypeName() ?? '';
  if (typeName !== 'event_store.client.WrongExpectedVersion') {
    throw toBatchFailure(typeName, error?.getMessage() ?? '');
  }
  const conflict = error
    ?.getDetails()
    ?.unpack(WrongExpectedVersion.deserializeBinary, 'event_store.client.WrongExpectedVersion');
  // A stream that does not exist is said in two ways: as none, and as the largest unsigned number.
  const current = conflict?.hasCurrentStreamRevision() ? BigInt(conflict.getCurrentStreamRevision()) : -1n;
  return { outcome: 'conflict', actual: current < 0n || current >= NO_POSITION ? 0 : Number(current) + 1 };
}
