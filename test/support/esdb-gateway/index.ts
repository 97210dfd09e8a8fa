/**
 * A way to a real server that others use too: what goes through it gets a prefix of its own before every stream's name,
 * so that tests of one run read nothing of anybody's, write to nobody's streams, and no subscription of the product's
 * sees theirs. Everything else is passed as it is, both ways, no faster than it is taken. The connection string's user and
 * certificates are the gateway's; who connects to it needs none. It can be shut and opened, as a server that dies and
 * comes back; of a cluster it goes to the node that leads when it is opened.
 */
import gossipGrpc from '@eventstore/db-client/generated/gossip_grpc_pb.js';
import type { ClusterInfo } from '@eventstore/db-client/generated/gossip_pb.js';
import featuresGrpc from '@eventstore/db-client/generated/serverfeatures_grpc_pb.js';
import streamsGrpc from '@eventstore/db-client/generated/streams_grpc_pb.js';
import type {
  AppendReq,
  BatchAppendReq,
  BatchAppendResp,
  DeleteReq,
  ReadReq,
  ReadResp,
} from '@eventstore/db-client/generated/streams_pb.js';
import {
  type ChannelCredentials,
  type ClientReadableStream,
  credentials,
  Metadata,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServerReadableStream,
  type ServerUnaryCall,
  type ServerWritableStream,
  type ServiceError,
  type sendUnaryData,
  status,
} from '@grpc/grpc-js';
import {
  type ConnectionSettings,
  parseConnectionString,
} from '../../../src/event-store/eventstoredb/connection-string.js';
import {
  ClusterInfo as Cluster,
  EndPoint,
  GossipService,
  MemberInfo,
  ServerFeaturesService,
  SharedEmpty,
  StreamsService,
} from '../esdb-server/protocol.js';
import { Naming } from './naming.js';

export interface GatewayOptions {
  /** Of the real server. */
  readonly url: string;
  readonly prefix: string;
  /** Default: any that is free. */
  readonly port?: number;
}

const LARGEST_MESSAGE = { 'grpc.max_receive_message_length': -1, 'grpc.max_send_message_length': -1 };
/** As the real server allows. */
const STREAMS_A_CONNECTION = 100;

export class Gateway {
  readonly #settings: ConnectionSettings;
  readonly #naming: Naming;
  #port: number;
  #server: Server | undefined;
  #upstream: Upstream | undefined;

  constructor({ url, prefix, port = 0 }: GatewayOptions) {
    this.#settings = parseConnectionString(url);
    this.#naming = new Naming(prefix);
    this.#port = port;
  }

  get port(): number {
    return this.#port;
  }

  get url(): string {
    return `esdb://localhost:${this.#port}?tls=false`;
  }

  async open(): Promise<void> {
    const upstream = await connect(this.#settings);
    this.#upstream = upstream;
    const server = new Server({ ...LARGEST_MESSAGE, 'grpc.max_concurrent_streams': STREAMS_A_CONNECTION });
    server.addService(StreamsService as never, streams(upstream, this.#naming) as never);
    server.addService(ServerFeaturesService as never, {
      getSupportedMethods: (_: unknown, answer: sendUnaryData<unknown>) =>
        upstream.features.getSupportedMethods(new SharedEmpty(), upstream.metadata(), answer as never),
    });
    server.addService(GossipService as never, {
      read: (_: unknown, answer: sendUnaryData<ClusterInfo>) => answer(null, alone(this.#port)),
    });
    this.#port = await new Promise<number>((resolve, reject) =>
      server.bindAsync(`127.0.0.1:${this.#port}`, ServerCredentials.createInsecure(), (error, port) =>
        error ? reject(error) : resolve(port),
      ),
    );
    this.#server = server;
  }

  shut(): void {
    this.#server?.forceShutdown();
    this.#upstream?.close();
  }

  async restart(): Promise<void> {
    this.shut();
    await this.open();
  }
}

/** @param prefix without one: of this run alone */
export async function openGateway(options: Omit<GatewayOptions, 'prefix'> & { prefix?: string }) {
  const prefix = options.prefix ?? `connector-state-test-${crypto.randomUUID().slice(0, 8)}-`;
  const gateway = new Gateway({ ...options, prefix });
  await gateway.open();
  return gateway;
}

type Upstream = Awaited<ReturnType<typeof connect>>;

async function connect(settings: ConnectionSettings) {
  const { tls, credentials: user } = settings;
  const channel = tls
    ? credentials.createSsl(tls.authority ?? null, tls.key ?? null, tls.certificate ?? null)
    : credentials.createInsecure();
  const address = await leaderOf(settings, channel);
  const own = { ...LARGEST_MESSAGE, 'grpc.use_local_subchannel_pool': 1 };
  const streamsClient = new streamsGrpc.StreamsClient(address, channel, own);
  const features = new featuresGrpc.ServerFeaturesClient(address, channel, own);
  const login = user && Buffer.from(`${user.user}:${user.password}`).toString('base64');
  return {
    streams: streamsClient,
    features,
    /** With what the caller asked for that is no login. */
    metadata(asked?: Metadata): Metadata {
      const metadata = new Metadata();
      for (const value of asked?.get('requires-leader') ?? []) metadata.set('requires-leader', value);
      if (login) metadata.set('authorization', `Basic ${login}`);
      return metadata;
    },
    close() {
      streamsClient.close();
      features.close();
    },
  };
}

async function leaderOf(
  { seeds, isCluster }: ConnectionSettings,
  channel: ChannelCredentials,
): Promise<string> {
  const addresses = seeds.map(({ host, port }) => `${host}:${port}`);
  if (!isCluster) return addresses[0] as string;
  for (const address of addresses) {
    const client = new gossipGrpc.GossipClient(address, channel);
    const info = await new Promise<ClusterInfo | undefined>(resolve =>
      client.read(
        new SharedEmpty(),
        { deadline: Date.now() + 5_000 } as never,
        ((_: unknown, found?: ClusterInfo) => resolve(found)) as never,
      ),
    );
    client.close();
    const isLeader = (member: { getState(): number; getIsAlive(): boolean }) =>
      member.getIsAlive() && member.getState() === MemberInfo.VNodeState.LEADER;
    const end = info?.getMembersList().find(isLeader)?.getHttpEndPoint();
    if (end) return `${end.getAddress()}:${end.getPort()}`;
  }
  throw new Error('no node of the cluster says who leads');
}

function alone(port: number): ClusterInfo {
  const end = new EndPoint();
  end.setAddress('localhost');
  end.setPort(port);
  const member = new MemberInfo();
  member.setState(MemberInfo.VNodeState.LEADER);
  member.setIsAlive(true);
  member.setHttpEndPoint(end);
  const info = new Cluster();
  info.addMembers(member);
  return info;
}

function streams(upstream: Upstream, naming: Naming) {
  const unary =
    (kind: 'delete' | 'tombstone') =>
    (call: ServerUnaryCall<DeleteReq, unknown>, answer: sendUnaryData<unknown>) => {
      naming.send(call.request.getOptions()?.getStreamIdentifier());
      const metadata = upstream.metadata(call.metadata);
      upstream.streams[kind](
        call.request as never,
        metadata,
        (error: ServiceError | null, response: unknown) =>
          error ? answer(naming.failure(error)) : answer(null, response),
      );
    };
  return {
    delete: unary('delete'),
    tombstone: unary('tombstone'),
    read(call: ServerWritableStream<ReadReq, ReadResp>) {
      const from = upstream.streams.read(naming.read(call.request), upstream.metadata(call.metadata));
      pass(from, call, response => naming.answer(response as ReadResp), naming);
    },
    batchAppend(call: ServerDuplexStream<BatchAppendReq, BatchAppendResp>) {
      const to = upstream.streams.batchAppend(upstream.metadata(call.metadata));
      call.on('data', (request: BatchAppendReq) => to.write(naming.batch(request)));
      call.on('end', () => to.end());
      pass(to as never, call as never, response => naming.batchAnswer(response as BatchAppendResp), naming);
    },
    append(call: ServerReadableStream<AppendReq, unknown>, answer: sendUnaryData<unknown>) {
      const metadata = upstream.metadata(call.metadata);
      const to = upstream.streams.append(metadata, ((error: ServiceError | null, response: unknown) =>
        error ? answer(naming.failure(error)) : answer(null, response)) as never);
      call.on('data', (request: AppendReq) => {
        naming.send(request.getOptions()?.getStreamIdentifier());
        to.write(request);
      });
      call.on('end', () => to.end());
      call.on('cancelled', () => to.cancel());
    },
  };
}

/** What comes from the server, to the client. */
function pass(
  from: ClientReadableStream<unknown>,
  call: ServerWritableStream<unknown, unknown>,
  rename: (response: unknown) => unknown,
  naming: Naming,
): void {
  from.on('data', response => {
    if (!call.write(rename(response))) from.pause();
  });
  call.on('drain', () => from.resume());
  from.on('end', () => call.end());
  from.on('error', (error: ServiceError) => {
    if (error.code !== status.CANCELLED || !call.cancelled) call.emit('error', naming.failure(error));
  });
  call.on('cancelled', () => from.cancel());
}
