/**
 * A server in front of another that passes every message on as it is, and adds what a test tells it to: messages the
 * real one did not send, the same ones again, some of them late. It knows nothing of what they say.
 */

import {
  Client,
  type ClientReadableStream,
  credentials,
  type Metadata,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServerWritableStream,
} from '@grpc/grpc-js';
import { StreamsService } from '../support/esdb-server/protocol.js';

/** What reaches the client for one message of the server's: usually that message and something around it. */
export type Meddling = (message: Buffer) => readonly Buffer[];

export interface Meddler {
  readonly url: string;
  /** How many calls were under way together at most. */
  readonly mostAtOnce: number;
  /** Of reads and subscriptions, and of appends. Default: nothing is changed. */
  meddle(how: { readonly read?: () => Meddling; readonly append?: () => Meddling }): void;
  close(): void;
}

const raw = (bytes: Buffer): Buffer => bytes;
const asRaw = (method: { readonly path: string }) => ({
  ...method,
  requestSerialize: raw,
  requestDeserialize: raw,
  responseSerialize: raw,
  responseDeserialize: raw,
});

const untouched = (): Meddling => message => [message];

export async function startMeddler(port: number): Promise<Meddler> {
  const upstream = new Client(`localhost:${port}`, credentials.createInsecure(), {
    'grpc.use_local_subchannel_pool': 1,
  });
  let how: Parameters<Meddler['meddle']>[0] = {};
  let [atOnce, mostAtOnce] = [0, 0];
  const count = (source: Source) => {
    atOnce += 1;
    mostAtOnce = Math.max(mostAtOnce, atOnce);
    source.on('status', () => {
      atOnce -= 1;
    });
    return source;
  };
  // As the real server has it.
  const server = new Server({ 'grpc.max_concurrent_streams': 100 });
  const { read, batchAppend } = StreamsService;
  server.addService(
    { read: asRaw(read), batchAppend: asRaw(batchAppend) } as never,
    {
      read(call: ServerWritableStream<Buffer, Buffer>) {
        const source = upstream.makeServerStreamRequest(
          read.path,
          raw,
          raw,
          call.request,
          own(call.metadata),
        );
        passOn(count(source), call, (how.read ?? untouched)());
      },
      batchAppend(call: ServerDuplexStream<Buffer, Buffer>) {
        const source = upstream.makeBidiStreamRequest(batchAppend.path, raw, raw, own(call.metadata));
        call.on('data', message => source.write(message));
        call.on('end', () => source.end());
        passOn(count(source), call, (how.append ?? untouched)());
      },
    } as never,
  );
  const own = (metadata: Metadata) => metadata.clone();
  const at = await new Promise<number>((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    ),
  );
  return {
    url: `esdb://localhost:${at}?tls=false`,
    get mostAtOnce() {
      return mostAtOnce;
    },
    meddle(next) {
      how = next;
    },
    close() {
      server.forceShutdown();
      upstream.close();
    },
  };
}

type Source = ClientReadableStream<Buffer>;

interface Target {
  write(message: Buffer): unknown;
  end(): void;
  emit(event: 'error', error: unknown): boolean;
  on(event: 'cancelled', listener: () => void): unknown;
}

function passOn(source: Source, target: Target, meddling: Meddling): void {
  source.on('data', (message: Buffer) => {
    for (const each of meddling(message)) target.write(each);
  });
  source.on('end', () => target.end());
  source.on('error', (error: unknown) => target.emit('error', error));
  target.on('cancelled', () => source.cancel());
}
