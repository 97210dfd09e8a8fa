/**
 * One node: a gRPC server on a port it keeps. Stopping it breaks every connection and keeps the log; starting it
 * again is the restart of a server.
 */
import { Server, ServerCredentials } from '@grpc/grpc-js';
import { append, batchAppend, remove, tombstone } from './appending.js';
import type { ServerCertificate } from './certificates.js';
import type { EventLog } from './event-log.js';
import { Faults } from './faults.js';
import { getSupportedMethods, gossip, type Member } from './introspection.js';
import { GossipService, ServerFeaturesService, StreamsService } from './protocol.js';
import { read } from './reading.js';
import { serialise } from './writer.js';

export interface NodeOptions {
  readonly log: EventLog;
  readonly certificate?: ServerCertificate | undefined;
  readonly users?: Readonly<Record<string, string>> | undefined;
  /** Who is in the cluster; default: this node alone. */
  readonly members?: () => readonly Member[];
  /** Default: any that is free. */
  readonly port?: number;
}

export const HOST = 'localhost';

const STREAMS = { ...StreamsService, read: { ...StreamsService.read, responseSerialize: serialise } };

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
    const { log, certificate, users } = this.#options;
    const self = (): readonly Member[] => [{ host: HOST, port: this.#port, isLeader: true, isAlive: true }];
    const members = this.#options.members ?? self;
    const state = {
      faults: this.faults,
      users,
      onMessage: () => {
        this.messagesSent += 1;
      },
      leaderElsewhere: () => {
        const leader = members().find(({ isLeader }) => isLeader);
        if (!leader) return 'nowhere' as const;
        return leader.port === this.#port ? undefined : leader;
      },
    };
    const server = new Server({ 'grpc.max_receive_message_length': -1 });
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
