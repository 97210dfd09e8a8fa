/**
 * The way to the server: one channel to one node, found when it is first needed and given up as soon as a call has
 * reason to doubt it; the next call then finds a node anew. A node that says who leads instead is believed.
 *
 * gRPC would reconnect a channel by itself, but with pauses of up to two minutes, to the same address whoever
 * leads now, and over a connection it shares with every other client of the process that talks to the same
 * server. A channel of our own, thrown away on doubt, has none of that.
 */
import { type ChannelOptions, credentials as grpcCredentials, Metadata } from '@grpc/grpc-js';
import { ConnectorStateError } from '../../errors.js';
import { AppendCall } from './append-call.js';
import type { ConnectionSettings, Endpoint, NodePreference } from './connection-string.js';
import { discover } from './discovery.js';
import { EventStoreFailure } from './failure.js';
import { StreamsStub } from './streams-stub.js';

/** An event may be 16 MiB inside the server. */
const MAX_MESSAGE_BYTES = 17 * 1024 * 1024;

export interface Node {
  readonly endpoint: Endpoint;
  readonly stub: StreamsStub;
  /** Sent with every call. */
  readonly metadata: Metadata;
  readonly appends: AppendCall;
}

export class Connection {
  readonly #settings: ConnectionSettings;
  readonly #preference: NodePreference;
  readonly #metadata: Metadata;
  #node: Promise<Node> | undefined;
  /** Who leads, as a node told us. */
  #leader: Endpoint | undefined;
  #members: readonly Endpoint[] = [];
  #isClosed = false;
  /** Whether the server has ever answered. Until then a failure is more likely a wrong address than a bad moment. */
  wasReached = false;

  constructor(settings: ConnectionSettings, preference: NodePreference, connectionName: string) {
    this.#settings = settings;
    this.#preference = preference;
    this.#metadata = toMetadata(settings, preference, connectionName);
  }

  /** @throws EventStoreFailure when no node can be found; a node is not contacted before the first call */
  node(): Promise<Node> {
    if (this.#isClosed) {
      return Promise.reject(new ConnectorStateError('CLOSED', 'the event store is closed'));
    }
    if (this.#node) return this.#node;
    const finding = this.#find();
    this.#node = finding;
    finding.catch(() => {
      if (this.#node === finding) this.#node = undefined;
    });
    return finding;
  }

  /** A call to this node failed for a reason that may be the node's or the way's to it. */
  async doubt(node: Node, failure: unknown): Promise<void> {
    if ((await this.#node?.catch(() => undefined)) !== node) return;
    this.#node = undefined;
    this.#leader = failure instanceof EventStoreFailure ? failure.leader : undefined;
    end(node);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    const node = await this.#node?.catch(() => undefined);
    this.#node = undefined;
    if (node) end(node);
  }

  async #find(): Promise<Node> {
    const { tls, seeds, isCluster, gossipTimeoutMs } = this.#settings;
    const credentials = tls
      ? grpcCredentials.createSsl(tls.authority ?? null, tls.key ?? null, tls.certificate ?? null)
      : grpcCredentials.createInsecure();
    const channelOptions = toChannelOptions(this.#settings);
    let endpoint = this.#leader ?? (seeds[0] as Endpoint);
    if (isCluster && !this.#leader) {
      const { chosen, all } = await discover({
        seeds: [...seeds, ...this.#members],
        nodePreference: this.#preference,
        gossipTimeoutMs,
        credentials,
        channelOptions,
      });
      this.#members = all;
      endpoint = chosen;
    }
    // For one node: should it be gone, the cluster is asked again.
    this.#leader = undefined;
    const stub = new StreamsStub(`${endpoint.host}:${endpoint.port}`, credentials, channelOptions);
    const node: Node = {
      endpoint,
      stub,
      metadata: this.#metadata,
      appends: new AppendCall(() => stub.batchAppend(this.#metadata)),
    };
    if (this.#isClosed) end(node);
    return node;
  }
}

function end(node: Node): void {
  node.appends.close();
  node.stub.close();
}

function toMetadata(
  { credentials }: ConnectionSettings,
  preference: NodePreference,
  connectionName: string,
): Metadata {
  const metadata = new Metadata();
  metadata.set('connection-name', connectionName);
  if (preference === 'leader') metadata.set('requires-leader', 'true');
  if (credentials) {
    const basic = Buffer.from(`${credentials.user}:${credentials.password}`).toString('base64');
    metadata.set('authorization', `Basic ${basic}`);
  }
  return metadata;
}

function toChannelOptions({ keepAliveIntervalMs, keepAliveTimeoutMs }: ConnectionSettings): ChannelOptions {
  return {
    'grpc.use_local_subchannel_pool': 1,
    'grpc.enable_retries': 0,
    'grpc.max_receive_message_length': MAX_MESSAGE_BYTES,
    'grpc.keepalive_time_ms': keepAliveIntervalMs < 0 ? 2 ** 31 - 1 : keepAliveIntervalMs,
    'grpc.keepalive_timeout_ms': keepAliveTimeoutMs < 0 ? 2 ** 31 - 1 : keepAliveTimeoutMs,
  };
}
