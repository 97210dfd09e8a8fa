/**
 * The way to the server: one channel to one node, found when it is first needed. A call that has reason to doubt the node
 * has the next call find one anew; a node that says who leads instead is believed.
 *
 * Doubt takes nothing from calls that are still answered: a doubted node gets no new ones, and its channel is closed when
 * the last of its calls is over. (Closed at once, it ended 300 reads because one of them had waited too long.) Only where
 * nobody has heard of it for a second all find another way together: each giving up by itself, who asked a frozen leader
 * last came 1.1 s behind its successor.
 *
 * gRPC would reconnect a channel by itself, but with pauses of up to two minutes, to the same address whoever
 * leads now, and over a connection it shares with every other client of the process that talks to the same
 * server. A channel of our own, thrown away on doubt, has none of that.
 */
import {
  type ChannelCredentials,
  type ChannelOptions,
  credentials as grpcCredentials,
  Metadata,
} from '@grpc/grpc-js';
import { ConnectorStateError } from '../../base/errors.js';
import { AppendCall } from './append-call.js';
import type { ConnectionSettings, Endpoint, NodePreference } from './connection-string.js';
import { discover } from './discovery.js';
import { EventStoreFailure } from './failure.js';
import { StreamsStub } from './streams-stub.js';

/** An event may be 16 MiB inside the server. */
const MAX_MESSAGE_BYTES = 17 * 1024 * 1024;

/** A node that has said nothing to anybody for so long is waited for by nobody. */
const DEAD_AFTER_MS = 1_000;

/** A node of the server, and the calls on their way to it. */
export class Node {
  readonly endpoint: Endpoint;
  readonly stub: StreamsStub;
  /** Sent with every call. */
  readonly metadata: Metadata;
  readonly appends: AppendCall;
  /** What ends each call under way where it may be ended. */
  readonly #calls = new Set<() => void>();
  #isRetired = false;
  readonly #onRetire = new Set<() => void>();
  readonly #reached: { was: boolean };
  /** When a message last came from it, by the monotonic clock. */
  #heardAtMs = Number.NEGATIVE_INFINITY;

  constructor(endpoint: Endpoint, stub: StreamsStub, metadata: Metadata, reached: { was: boolean }) {
    this.endpoint = endpoint;
    this.#reached = reached;
    this.stub = stub;
    this.metadata = metadata;
    this.appends = new AppendCall(() => stub.batchAppend(metadata), {
      onHeard: () => this.heard(),
      onBusy: () => this.begin(),
    });
  }

  /**
   * A call begins.
   * @param giveUp called when the node turns out to be dead
   * @returns must be called when it is over
   */
  begin(giveUp = () => {}): () => void {
    // One of its own for each call.
    const end = () => giveUp();
    this.#calls.add(end);
    return () => {
      if (this.#calls.delete(end)) this.#closeWhenIdle();
    };
  }

  /** For a call that has no end of its own. @returns takes it back */
  onRetire(leave: () => void): () => void {
    this.#onRetire.add(leave);
    return () => this.#onRetire.delete(leave);
  }

  heard(): void {
    this.#heardAtMs = performance.now();
    this.#reached.was = true;
  }

  wasHeardSince(ms: number): boolean {
    return this.#heardAtMs >= ms;
  }

  /** No new calls are made. @param isDead what is on its way is not answered either: it fails now */
  retire(isDead: boolean): void {
    this.#isRetired = true;
    for (const leave of this.#onRetire) leave();
    this.#onRetire.clear();
    if (isDead) {
      for (const giveUp of this.#calls) giveUp();
      this.appends.close();
    }
    this.#closeWhenIdle();
  }

  /** Whatever is on its way fails. */
  close(): void {
    this.appends.close();
    this.stub.close();
  }

  #closeWhenIdle(): void {
    if (this.#isRetired && this.#calls.size === 0) this.close();
  }
}

export class Connection {
  readonly #settings: ConnectionSettings;
  readonly #preference: NodePreference;
  readonly #metadata: Metadata;
  #node: Promise<Node> | undefined;
  /** Who leads, as a node told us. */
  #leader: Endpoint | undefined;
  #members: readonly Endpoint[] = [];
  /** Who has last been doubted. */
  #doubted: Endpoint | undefined;
  #isClosed = false;
  readonly #reached: { was: boolean };

  /** @param reached shared by the connections of a store */
  constructor(
    settings: ConnectionSettings,
    preference: NodePreference,
    connectionName: string,
    reached: { was: boolean },
  ) {
    this.#reached = reached;
    this.#settings = settings;
    this.#preference = preference;
    this.#metadata = toMetadata(settings, preference, connectionName);
  }

  /** Whether the server has ever answered. Until then a failure is more likely a wrong address than a bad moment. */
  get wasReached(): boolean {
    return this.#reached.was;
  }

  noteReached(): void {
    this.#reached.was = true;
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

  /**
   * A call to this node failed for a reason that may be the node's or the way's to it.
   * @param sinceMs when the call was made, by the monotonic clock
   */
  async doubt(node: Node, failure: unknown, sinceMs = performance.now()): Promise<void> {
    if ((await this.#node?.catch(() => undefined)) !== node) return;
    this.#node = undefined;
    this.#leader = failure instanceof EventStoreFailure ? failure.leader : undefined;
    this.#doubted = node.endpoint;
    node.retire(performance.now() - sinceMs >= DEAD_AFTER_MS && !node.wasHeardSince(sinceMs));
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    const node = await this.#node?.catch(() => undefined);
    this.#node = undefined;
    node?.close();
  }

  async #find(): Promise<Node> {
    const { seeds, isCluster, gossipTimeoutMs } = this.#settings;
    const credentials = toCredentials(this.#settings);
    const channelOptions = toChannelOptions(this.#settings);
    let endpoint = this.#leader ?? (seeds[0] as Endpoint);
    if (isCluster && !this.#leader) {
      const { chosen, all } = await discover({
        seeds: [...seeds, ...this.#members],
        doubted: this.#doubted,
        nodePreference: this.#preference,
        gossipTimeoutMs,
        credentials,
        channelOptions,
      });
      this.noteReached();
      this.#members = all;
      endpoint = chosen;
    }
    // For one node: should it be gone, the cluster is asked again.
    this.#leader = undefined;
    const stub = new StreamsStub(`${endpoint.host}:${endpoint.port}`, credentials, channelOptions);
    const node = new Node(endpoint, stub, this.#metadata, this.#reached);
    if (this.#isClosed) node.close();
    return node;
  }
}

/** @throws EventStoreFailure when the user's certificate and key cannot be used */
function toCredentials({ tls }: ConnectionSettings): ChannelCredentials {
  if (!tls) return grpcCredentials.createInsecure();
  try {
    return grpcCredentials.createSsl(tls.authority ?? null, tls.key ?? null, tls.certificate ?? null);
  } catch (error) {
    throw new EventStoreFailure(
      `the event store could not be called (a file of its URL is no PEM, or userKeyFile is not the key of userCertFile: ${(error as { code?: string }).code ?? 'unreadable'}): correct tlsCAFile, userCertFile or userKeyFile`,
      false,
    );
  }
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
