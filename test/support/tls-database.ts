/**
 * What a PostgreSQL with TLS says before anybody has proved who they are: yes to TLS, and then its certificate, which
 * none but its own authority vouches for.
 */
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { createSecureContext, TLSSocket } from 'node:tls';
import { createCertificate } from './esdb-server/certificates.js';

export interface TlsDatabase {
  /** Of a client that verifies the certificate, without user or password. */
  readonly port: number;
  close(): Promise<void>;
}

export async function startTlsDatabase(): Promise<TlsDatabase> {
  const { certificate, key } = await createCertificate();
  const secureContext = createSecureContext({ cert: certificate, key });
  const server = createServer(socket => {
    socket.on('error', () => undefined);
    // The request for TLS.
    socket.once('data', () => {
      socket.write('S');
      new TLSSocket(socket, { isServer: true, secureContext }).on('error', () => socket.destroy());
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    async close() {
      server.close();
      await once(server, 'close');
    },
  };
}
