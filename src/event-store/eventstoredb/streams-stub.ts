/** The calls that this store makes of the server, with messages in our terms: the codecs of wire.ts in gRPC's place. */
import { Client, type ClientDuplexStream, type ClientReadableStream, type Metadata } from '@grpc/grpc-js';
import { type AppendAnswer, decodeAppendAnswer } from './append-message.js';
import { Empty, type ReadRequest, ServerFeaturesService, StreamsService } from './protocol.js';
import { decodeReadMessage, type ReadMessage } from './read-message.js';

const { read, batchAppend } = StreamsService;
const { getSupportedMethods } = ServerFeaturesService;
const VERSION_TIMEOUT_MS = 3_000;
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

  /** What the server calls its version, such as `24.2.0`. */
  serverVersion(metadata: Metadata): Promise<string> {
    return new Promise((resolve, reject) => {
      this.makeUnaryRequest(
        getSupportedMethods.path,
        getSupportedMethods.requestSerialize,
        getSupportedMethods.responseDeserialize,
        new Empty(),
        metadata,
        { deadline: Date.now() + VERSION_TIMEOUT_MS },
        (error, answer) => (error || !answer ? reject(error) : resolve(answer.getEventStoreServerVersion())),
      );
    });
  }

  /** Takes what {@link encodeAppend} makes. */
  batchAppend(metadata: Metadata): ClientDuplexStream<Buffer, AppendAnswer> {
    return this.makeBidiStreamRequest(batchAppend.path, asItIs, decodeAppendAnswer, metadata);
  }
}
