/** An HTTP server on 127.0.0.1 that can stop listening and take its port up again, and ends at once. */
import http, { type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { InvalidInputError } from '../../base/errors.js';
import { shown } from '../../base/shown.js';

/** As exchanges' front ends have it: longer than a client's pause between two calls. */
const KEEP_ALIVE_MS = 65_000;

export interface LoopbackServer {
  readonly url: string;
  readonly server: Server;
  /** While not listening, connections are refused; those open are ended. */
  setListening(isListening: boolean): Promise<void>;
  close(): Promise<void>;
}

/**
 * @param port 0 for any free one
 * @throws InvalidInputError when the port is none, or cannot be had
 */
export async function startLoopbackServer(
  port: number,
  onRequest: RequestListener,
  onConnection?: () => void,
): Promise<LoopbackServer> {
  if (!Number.isInteger(port) || port < 0 || port > 65_535) {
    throw new InvalidInputError(`a port must be a whole number from 0 to 65535, got ${shown(port)}`);
  }
  const server = http.createServer({ keepAliveTimeout: KEEP_ALIVE_MS }, onRequest);
  if (onConnection) server.on('connection', onConnection);
  await listen(server, port);
  const bound = (server.address() as AddressInfo).port;
  // One change at a time: a second stop, or a start while stopping, waits for the first.
  let last: Promise<void> = Promise.resolve();
  let isClosed = false;
  const change = (isListening: boolean) => {
    const changed = last.then(() => {
      if (server.listening === isListening || (isListening && isClosed)) return undefined;
      return isListening ? listen(server, bound) : stop(server);
    });
    // One that failed is its caller's to hear of; the next is tried all the same.
    last = changed.catch(() => undefined);
    return changed;
  };
  return {
    url: `http://127.0.0.1:${bound}`,
    server,
    setListening: change,
    close() {
      isClosed = true;
      return change(false);
    },
  };
}

function listen(server: Server, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const fail = (error: NodeJS.ErrnoException) =>
      reject(
        new InvalidInputError(
          `cannot listen on 127.0.0.1:${port} (${error.code}): choose a free port, or 0 for any`,
        ),
      );
    server.once('error', fail);
    server.listen(port, '127.0.0.1', () => {
      server.removeListener('error', fail);
      resolve();
    });
  });
}

function stop(server: Server): Promise<void> {
  return new Promise(resolve => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}
