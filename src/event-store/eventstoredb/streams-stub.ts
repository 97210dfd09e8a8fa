/** The two calls that this store makes of the `Streams` service, with messages in our terms. */
import { Client, type ClientDuplexStream, type ClientReadableStream, type Metadata } from '@grpc/grpc-js';
import { type AppendAnswer, decodeAppendAnswer } from './append-message.js';
import { type ReadRequest, StreamsService } from './protocol.js';
import { decodeReadMessage, type ReadMessage } from './read-message.js';

const { read, batchAppend } = StreamsService;
const asItIs = (encoded: Buffer): Buffer => encoded;

export class StreamsStub extends Client {
  read(request: ReadRequest, metadata: Metadata): ClientReadableStream<ReadMessage> {
    return this.makeServerStreamRequest(
      read.path,
      read.requestSerialize,
      decodeReadMessage,
      request,
      metadata,
    );
  }

  /** Takes what {@link encodeAppend} makes. */
  batchAppend(metadata: Metadata): ClientDuplexStream<Buffer, AppendAnswer> {
    return this.makeBidiStreamRequest(batchAppend.path, asItIs, decodeAppendAnswer, metadata);
  }
}
