/**
 * Names as the server behind the gateway has them: every stream of a test run begins with the run's own prefix, metadata
 * streams behind their `$$`. What comes back has its own name again.
 */
import type {
  BatchAppendReq,
  BatchAppendResp,
  ReadReq,
  ReadResp,
} from '@eventstore/db-client/generated/streams_pb.js';
import { Metadata, type ServiceError, status } from '@grpc/grpc-js';
import { Any, StreamDeleted } from '../esdb-server/protocol.js';

interface Identifier {
  getStreamName_asU8(): Uint8Array;
  setStreamName(name: Uint8Array): unknown;
}

export class Naming {
  readonly #prefix: string;

  constructor(prefix: string) {
    this.#prefix = prefix;
  }

  there(name: string): string {
    return name.startsWith('$$') ? `$$${this.#prefix}${name.slice(2)}` : `${this.#prefix}${name}`;
  }

  /** Takes the prefix out of any text, be it a name or a message that contains one. */
  here(text: string): string {
    return text.replaceAll(this.#prefix, '');
  }

  send(identifier: Identifier | undefined): void {
    identifier?.setStreamName(Buffer.from(this.there(nameOf(identifier))));
  }

  receive(identifier: Identifier | undefined): void {
    identifier?.setStreamName(Buffer.from(this.here(nameOf(identifier))));
  }

  read(request: ReadReq): ReadReq {
    const options = request.getOptions();
    this.send(options?.getStream()?.getStreamIdentifier());
    const expression = options?.getFilter()?.getStreamIdentifier();
    expression?.setPrefixList(expression.getPrefixList().map(prefix => this.there(prefix)));
    return request;
  }

  answer(response: ReadResp): ReadResp {
    this.receive(response.getEvent()?.getEvent()?.getStreamIdentifier());
    this.receive(response.getStreamNotFound()?.getStreamIdentifier());
    return response;
  }

  batch(request: BatchAppendReq): BatchAppendReq {
    this.send(request.getOptions()?.getStreamIdentifier());
    return request;
  }

  batchAnswer(response: BatchAppendResp): BatchAppendResp {
    this.receive(response.getStreamIdentifier());
    const details = response.getError()?.getDetails();
    if (details?.getTypeName().endsWith('StreamDeleted')) {
      const deleted = StreamDeleted.deserializeBinary(details.getValue_asU8());
      this.receive(deleted.getStreamIdentifier());
      const any = new Any();
      any.pack(deleted.serializeBinary(), details.getTypeName());
      response.getError()?.setDetails(any);
    }
    return response;
  }

  failure(error: Partial<ServiceError> & Error): { code: number; details: string; metadata: Metadata } {
    const told = new Metadata();
    // A failure that arose on this side, of a stream that was cancelled for instance, is none of gRPC's.
    const { details = error.message, metadata } = error;
    const code = typeof error.code === 'number' ? error.code : status.UNAVAILABLE;
    for (const [key, value] of Object.entries(metadata?.getMap() ?? {})) {
      if (typeof value === 'string' && !OF_TRANSPORT.has(key)) told.set(key, this.here(value));
    }
    return { code, details: this.here(details), metadata: told };
  }
}

const OF_TRANSPORT = new Set(['date', 'server', 'content-type', 'content-length', 'grpc-status-details-bin']);

const nameOf = (identifier: Identifier): string => Buffer.from(identifier.getStreamName_asU8()).toString();
