/**
 * An EventStoreDB for tests: real gRPC on a real port, spoken to by the real client, with faults to inject. It
 * does what the protocol promises, and no test may rely on more: the contract suite runs against a real server
 * too (`ESDB_TEST_URL`).
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Users } from './access.js';
import { createCertificate } from './certificates.js';
import { EventLog } from './event-log.js';
import type { Injection } from './faults.js';
import { HOST, Node } from './node.js';
import type { ServerVersion } from './versions.js';

export { startTestCluster, type TestCluster, type TestClusterOptions } from './cluster.js';
export type { Proposal } from './event-log.js';
export type { Fault, Injection, Rpc } from './faults.js';
export type { ServerVersion } from './versions.js';
export { EventLog, HOST, Node };

export interface TestServerOptions {
  /** Serves TLS, with a certificate that only its own authority vouches for. */
  readonly tls?: boolean;
  /** Passwords by user. Needs `tls`, as with the real server. */
  readonly users?: Users;
  /** Which server it speaks as. Default: 24.2.0. */
  readonly version?: ServerVersion;
}

export interface TestServer {
  readonly log: EventLog;
  readonly node: Node;
  readonly port: number;
  /** `esdb://localhost:…`, without credentials. */
  readonly url: string;
  /** PEM file of the authority, when it serves TLS. */
  readonly authorityFile: string | undefined;
  inject(injection: Injection): () => void;
  clearFaults(): void;
  stop(): void;
  start(): Promise<void>;
  restart(): Promise<void>;
  close(): Promise<void>;
}

export async function startTestServer({
  tls = false,
  users,
  version,
}: TestServerOptions = {}): Promise<TestServer> {
  const log = new EventLog();
  const certificate = tls ? await createCertificate() : undefined;
  const directory = certificate && (await mkdtemp(join(tmpdir(), 'esdb-test-')));
  const authorityFile = directory && join(directory, 'ca.pem');
  if (certificate && authorityFile) await writeFile(authorityFile, certificate.authority);
  const node = new Node({ log, certificate, users, version });
  await node.start();
  return {
    log,
    node,
    port: node.port,
    url: `esdb://${HOST}:${node.port}${authorityFile ? `?tlsCAFile=${encodeURIComponent(authorityFile)}` : '?tls=false'}`,
    authorityFile,
    inject: injection => node.faults.inject(injection),
    clearFaults: () => node.faults.clear(),
    stop: () => node.stop(),
    start: () => node.start(),
    restart: () => node.restart(),
    async close() {
      node.stop();
      if (directory) await rm(directory, { recursive: true });
    },
  };
}
