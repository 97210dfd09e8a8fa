/**
 * One node: a gRPC server on a port it keeps. Stopping it breaks every connection and keeps the log; starting it
 * again is the restart of a server.
 */
import { type Metadata, Server, ServerCredentials } from '@grpc/grpc-js';
import { type Action, isAllowed, type Users } from './access.js';
import { append, remove, tombstone } from './appending.js';
import { batchAppend } from './batch-appending.js';
import type { ServerCertificate } from './certificates.js';
import type { EventLog } from './event-log.js';
import { Faults } from './faults.js';
import { Gate } from './gate.js';
import { getSupportedMethods, gossip, type Member } from './introspection.js';
import { GossipService, ServerFeaturesService, StreamsService } from './protocol.js';
import { read } from './reading.js';
import { type ServerVersion, TRAITS } from './versions.js';
import { serialise } from './writer.js';

export interface NodeOptions {
  readonly log: EventLog;
  readonly certificate?: ServerCertificate | undefined;
  readonly users?: Users | undefined;
  /** Default: 24.2.0. */
  readonly version?: ServerVersion | undefined;
  /** Who is in the cluster; default: this node alone. */
  readonly members?: () => readonly Member[];
  /** The log to write to; undefined when not enough nodes took it in time. Default: its own, at once. */
  readonly writable?: () => Promise<EventLog | undefined>;
  /** Whether clients reach it by way of a {@link Gate}, so that it can be frozen. */
  readonly hasGate?: boolean;
  /** Default: any that is free. */
  readonly port?: number;
}

/** Of HTTP/2, on one connection: what the real server allows. Calls beyond it wait in the client. */
const STREAMS_A_CONNECTION = 100;

export const HOST = 'localhost';

const STREAMS = {
  ...StreamsService,
  read: { ...StreamsService.read, responseSerialize: serialise },
  append: { ...StreamsService.append, responseSerialize: serialise },
};

export class Node {
  readonly faults = new Faults();
  readonly #options: NodeOptions;
  /** Messages that reads and subscriptions were answered with so far. */
  messagesSent = 0;
  readonly #gate: Gate | undefined;
  #server: Server | undefined;
  #shut: Promise<void> | undefined;
  #port = 0;

  constructor(options: NodeOptions) {
    this.#options = options;
    this.#port = options.port ?? 0;
    if (options.hasGate) this.#gate = new Gate();
  }

  get port(): number {
    return this.#gate?.port || this.#port;
  }

  get isFrozen(): boolean {
    return this.#gate?.isFrozen ?? false;
  }

  /** Whoever asks is neither answered nor refused. */
  freeze(): void {
    this.#gate?.freeze();
  }

  thaw(): void {
    this.#gate?.thaw();
  }

  get isRunning(): boolean {
    return this.#server !== undefined;
  }

  async start(): Promise<void> {
    const { log, certificate, users, version = '24.2.0', writable = async () => log } = this.#options;
    const self = (): readonly Member[] => [{ host: HOST, port: this.port, isLeader: true, isAlive: true }];
    const members = this.#options.members ?? self;
    const state = {
      faults: this.faults,
      users,
      version,
      traits: TRAITS[version],
      writable,
      isAllowed: (action: Action, stream: string, metadata: Metadata) =>
        isAllowed(users, log, action, stream, metadata),
      onMessage: () => {
        this.messagesSent += 1;
      },
      leaderElsewhere: () => {
        const leader = members().find(({ isLeader }) => isLeader);
        if (!leader) return 'nowhere' as const;
        return leader.port === this.port ? undefined : leader;
      },
    };
    const server = new Server({
      'grpc.max_receive_message_length': -1,
      'grpc.max_concurrent_streams': STREAMS_A_CONNECTION,
    });
    server.addService(STREAMS as never, {
      read: read(log, state),
      append: append(state),
      batchAppend: batchAppend(log, state),
      delete: remove(state),
      tombstone: tombstone(state),
    });
    server.addService(ServerFeaturesService as never, { getSupportedMethods: getSupportedMethods(state) });
    server.addService(GossipService as never, { read: gossip(state, members) });
    const credentials = certificate
      ? ServerCredentials.createSsl(null, [
          { cert_chain: Buffer.from(certificate.certificate), private_key: Buffer.from(certificate.key) },
        ])
      : ServerCredentials.createInsecure();
    this.#port = await new Promise<number>((resolve, reject) =>
      server.bindAsync(`127.0.0.1:${this.#port}`, credentials, (error, port) =>
        error ? reject(error) : resolve(port),
      ),
    );
    this.#server = server;
    await this.#shut;
    await this.#gate?.open(this.#port);
  }

  /** Every connection breaks; new ones are refused. */
  stop(): void {
    this.#server?.forceShutdown();
    this.#server = undefined;
    this.#shut = this.#gate?.shut();
  }

  /** Down and up again, on the same port, with the data kept and recent ids forgotten. */
  async restart(): Promise<void> {
    this.stop();
    this.#options.log.forgetRecentIds();
    await this.start();
  }
}
