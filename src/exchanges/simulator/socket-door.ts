/**
 * WebSockets on a simulated exchange's own port. The package `ws` is loaded when the first one knocks: whoever rehearses
 * over REST alone needs none.
 */
import type { IncomingMessage, Server } from 'node:http';
import type { Duplex } from 'node:stream';
import { loadOptional } from '../../base/optional-package.js';
import type { Order } from './book.js';
import { HEARTBEAT_MS, type SocketEndpoints, type SocketSession, type SocketTools } from './dialect.js';

export interface SocketDoor {
  ordered(apiKey: string, order: Order): void;
  /** The exchange's clock was set. */
  clockMoved(): void;
  /** Ends every connection at once. */
  close(): void;
}

/** What is used of `ws`. */
interface Socket {
  on(event: 'message', listener: (data: Buffer) => void): void;
  on(event: 'close' | 'error', listener: () => void): void;
  send(data: string | Buffer): void;
  close(code: number, why: string): void;
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
  let heart: NodeJS.Timeout | undefined;

  server.on('upgrade', (request: IncomingMessage, raw: Duplex, head: Buffer) => {
    raw.on('error', () => undefined);
    const [path = '/', query = ''] = (request.url ?? '/').split('?', 2);
    const endpoint = Object.hasOwn(endpoints, path) ? endpoints[path] : undefined;
    if (!endpoint || isShut()) return refuse(raw, endpoint ? '503 Service Unavailable' : '404 Not Found', '');
    upgrader ??= loadUpgrader();
    upgrader.then(
      ws => ws.handleUpgrade(request, raw, head, socket => welcome(socket, path, query, endpoint)),
      error => refuse(raw, '501 Not Implemented', (error as Error).message),
    );
  });

  function welcome(socket: Socket, path: string, query: string, endpoint: SocketEndpoints[string]): void {
    socket.on('error', () => undefined);
    const session = endpoint({
      id: `simulated-${++connections}`,
      query: new URLSearchParams(query),
      send: message => socket.send(JSON.stringify(message)),
      sendBytes: bytes => socket.send(bytes),
      ...toolsOf(path),
    });
    if (!session) {
      socket.close(1008, 'not authorized');
      return;
    }
    open.set(socket, session);
    socket.on('close', () => {
      open.delete(socket);
      if (open.size === 0) stopHeart();
    });
    socket.on('message', data => session.receive(data.toString()));
    session.begin?.();
    heart ??= setInterval(() => {
      for (const each of open.values()) each.beat?.();
    }, HEARTBEAT_MS);
    heart.unref();
  }

  function stopHeart(): void {
    clearInterval(heart);
    heart = undefined;
  }

  return {
    ordered(apiKey, order) {
      // After the answer to who ordered.
      setImmediate(() => {
        for (const session of open.values()) session.ordered(apiKey, order);
      });
    },
    clockMoved() {
      for (const session of open.values()) session.clockMoved?.();
    },
    close() {
      stopHeart();
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
