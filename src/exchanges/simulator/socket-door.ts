/**
 * WebSockets on a simulated exchange's own port. The package `ws` is loaded when the first one knocks: whoever rehearses
 * over REST alone needs none.
 */
import type { IncomingMessage, Server } from 'node:http';
import type { Duplex } from 'node:stream';
import { loadOptional } from '../../base/optional-package.js';
import type { Order } from './book.js';
import type { SocketEndpoints, SocketSession, SocketTools } from './dialect.js';

export interface SocketDoor {
  ordered(apiKey: string, order: Order): void;
  /** Ends every connection at once. */
  close(): void;
}

/** What is used of `ws`. */
interface Socket {
  on(event: 'message', listener: (data: Buffer) => void): void;
  on(event: 'close' | 'error', listener: () => void): void;
  send(text: string): void;
  terminate(): void;
}
interface Upgrader {
  handleUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer, done: (made: Socket) => void): void;
}

/**
 * @param toolsOf what a session at this path is given, but for what the door knows itself
 * @param isShut whether nobody is let in now
 */
export function openSocketDoor(
  server: Server,
  endpoints: SocketEndpoints,
  toolsOf: (path: string) => Pick<SocketTools, 'world' | 'log'>,
  isShut: () => boolean,
): SocketDoor {
  const open = new Map<Socket, SocketSession>();
  let upgrader: Promise<Upgrader> | undefined;
  let connections = 0;

  server.on('upgrade', (request: IncomingMessage, raw: Duplex, head: Buffer) => {
    raw.on('error', () => undefined);
    const path = (request.url ?? '/').split('?')[0] ?? '/';
    const endpoint = Object.hasOwn(endpoints, path) ? endpoints[path] : undefined;
    if (!endpoint || isShut()) return refuse(raw, endpoint ? '503 Service Unavailable' : '404 Not Found', '');
    upgrader ??= loadUpgrader();
    upgrader.then(
      ws => ws.handleUpgrade(request, raw, head, socket => welcome(socket, path, endpoint)),
      error => refuse(raw, '501 Not Implemented', (error as Error).message),
    );
  });

  function welcome(socket: Socket, path: string, endpoint: SocketEndpoints[string]): void {
    const session = endpoint({
      id: `simulated-${++connections}`,
      send: message => socket.send(JSON.stringify(message)),
      ...toolsOf(path),
    });
    open.set(socket, session);
    socket.on('error', () => undefined);
    socket.on('close', () => open.delete(socket));
    socket.on('message', data => session.receive(data.toString()));
  }

  return {
    ordered(apiKey, order) {
      // After the answer to who ordered.
      setImmediate(() => {
        for (const session of open.values()) session.ordered(apiKey, order);
      });
    },
    close() {
      for (const socket of open.keys()) socket.terminate();
    },
  };
}

async function loadUpgrader(): Promise<Upgrader> {
  const name = 'ws';
  const { WebSocketServer } = (await loadOptional('WebSockets of the simulator', () => import(name))) as {
    WebSocketServer: new (options: { noServer: true }) => Upgrader;
  };
  return new WebSocketServer({ noServer: true });
}

function refuse(socket: Duplex, status: string, why: string): void {
  socket.end(
    `HTTP/1.1 ${status}\r\nconnection: close\r\ncontent-type: text/plain\r\ncontent-length: ${Buffer.byteLength(why)}\r\n\r\n${why}`,
  );
}
