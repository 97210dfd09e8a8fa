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
  /** Resolves when enough nodes have what is written now; false when they did not in time. Default: at once. */
  readonly quorum?: () => Promise<boolean>;
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
  #server: Server | undefined;
  #port = 0;

  constructor(options: NodeOptions) {
    this.#options = options;
    this.#port = options.port ?? 0;
  }

  get port(): number {
    return this.#port;
  }

  get isRunning(): boolean {
    return this.#server !== undefined;
  }

  async start(): Promise<void> {
    const { log, certificate, users, version = '24.2.0', quorum = async () => true } = this.#options;
    const self = (): readonly Member[] => [{ host: HOST, port: this.#port, isLeader: true, isAlive: true }];
    const members = this.#options.members ?? self;
    const state = {
      faults: this.faults,
      users,
      version,
      traits: TRAITS[version],
      quorum,
      isAllowed: (action: Action, stream: string, metadata: Metadata) =>
        isAllowed(users, log, action, stream, metadata),
      onMessage: () => {
        this.messagesSent += 1;
      },
      leaderElsewhere: () => {
        const leader = members().find(({ isLeader }) => isLeader);
        if (!leader) return 'nowhere' as const;
        return leader.port === this.#port ? undefined : leader;
      },
    };
    const server = new Server({
      'grpc.max_receive_message_length': -1,
      'grpc.max_concurrent_streams': STREAMS_A_CONNECTION,
    });
    server.addService(STREAMS as never, {
      read: read(log, state),
      append: append(log, state),
      batchAppend: batchAppend(log, state),
      delete: remove(log, state),
      tombstone: tombstone(log, state),
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
  }

  /** Every connection breaks; new ones are refused. */
  stop(): void {
    this.#server?.forceShutdown();
    this.#server = undefined;
  }

  /** Down and up again, on the same port, with the data kept and recent ids forgotten. */
  async restart(): Promise<void> {
    this.stop();
    this.#options.log.forgetRecentIds();
    await this.start();
  }
}
