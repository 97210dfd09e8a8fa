/**
 * The network between a client and PostgreSQL, made to misbehave: it can refuse connections, swallow all bytes,
 * swallow only the answers (the server does its work and nobody hears of it), cut every connection, and recover,
 * always at one address.
 */
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

export type Behaviour =
  | 'forward'
  /** Connections stay open and nothing passes, either way. */
  | 'hang'
  /** The same, and nobody hears that the other has left: a network that forgot its connections. */
  | 'forget'
  /** What the client sends arrives; what the server says does not. */
  | 'swallow-answers';

export interface TcpProxy {
  /** The URL given, by way of the proxy. */
  readonly url: string;
  behave(behaviour: Behaviour): void;
  /** `forget`, of the connections that are there now. */
  forget(): void;
  /** New connections go to another server. */
  forwardTo(targetUrl: string): void;
  /** Breaks every connection at once; new ones are accepted. */
  cut(): void;
  /** Breaks every connection and refuses new ones. */
  refuse(): Promise<void>;
  /** Listens again and forwards. */
  recover(): Promise<void>;
  close(): Promise<void>;
}

export async function startTcpProxy(targetUrl: string): Promise<TcpProxy> {
  let target = new URL(targetUrl);
  const sockets = new Set<Socket>();
  const forgotten = new WeakSet<Socket>();
  let behaviour: Behaviour = 'forward';

  const server = createServer({ allowHalfOpen: true }, near => {
    const far = connect(Number(target.port || 5432), target.hostname);
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => {
        sockets.delete(socket);
        other.destroy();
      });
    }
    const now = () => (forgotten.has(near) ? 'forget' : behaviour);
    near.on('data', chunk => {
      if (now() !== 'hang' && now() !== 'forget') far.write(chunk);
    });
    near.on('end', () => {
      if (now() !== 'forget') near.end();
    });
    far.on('data', chunk => {
      if (now() === 'forward') near.write(chunk);
    });
  });
  const listen = (port: number) =>
    new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(port, '127.0.0.1', () => {
        server.off('error', reject);
        resolve();
      });
    });
  const cut = () => {
    for (const socket of sockets) socket.destroy();
  };
  const refuse = async () => {
    const stopped = server.listening && new Promise(resolve => server.close(resolve));
    cut();
    await stopped;
  };

  await listen(0);
  const { port } = server.address() as AddressInfo;
  const url = new URL(targetUrl);
  url.hostname = '127.0.0.1';
  url.port = String(port);
  return {
    url: url.href,
    behave(next) {
      behaviour = next;
    },
    forget() {
      for (const socket of sockets) forgotten.add(socket);
    },
    forwardTo(next) {
      target = new URL(next);
    },
    cut,
    refuse,
    async recover() {
      behaviour = 'forward';
      if (!server.listening) await listen(port);
    },
    close: refuse,
  };
}
