/**
 * Answers to what never becomes a request: Node refuses it before Fastify sees it, in words of its own or in none. Here it is
 * told as everything else is, in problem details (problem.ts).
 *
 * The connection ends with it. It is cut a moment after the answer: a socket that is closed with something unread in it
 * takes the answer back, and who sends a megabyte of headers would see a connection reset.
 */
import { randomUUID } from 'node:crypto';
import { type IncomingMessage, maxHeaderSize, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { FastifyInstance } from 'fastify';
import type { Logger } from '../base/logging.js';
import { HttpProblem, PROBLEM_TYPE, problemBody } from './problem.js';

const UNREAD_MS = 1_000;

const HEADERS = {
  'content-type': PROBLEM_TYPE,
  'cache-control': 'no-store',
  'x-content-type-options': 'nosniff',
};

/** Node's own field: the answer under way on this connection. */
type Answering = Socket & { readonly _httpMessage?: { readonly headersSent: boolean } | null };

function problemOf({ code }: NodeJS.ErrnoException): HttpProblem {
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') {
    return new HttpProblem(408, 'TIMEOUT', 'the request took too long to arrive');
  }
  if (code === 'HPE_HEADER_OVERFLOW') {
    return new HttpProblem(
      431,
      'TOO_LARGE',
      `URL and headers have more than ${maxHeaderSize} bytes together`,
    );
  }
  return new HttpProblem(400, 'INVALID_INPUT', 'this is no HTTP/1.1 request, or a malformed one');
}

/** For Fastify's `clientErrorHandler`. */
export const answerMalformed =
  (log: Logger) =>
  (error: NodeJS.ErrnoException, socket: Answering): void => {
    if (error.code === 'ECONNRESET' || socket.destroyed || socket.writableEnded) return;
    const problem = problemOf(error);
    const instance = randomUUID();
    log.debug({ request: instance, error: error.code ?? error.message }, 'a request could not be read');
    // In the middle of an answer it would be taken for a part of that.
    if (!socket.writable || socket._httpMessage?.headersSent) {
      socket.destroy();
      return;
    }
    const told = problemBody(problem, instance);
    const body = JSON.stringify(told);
    const headers = { ...HEADERS, connection: 'close', 'content-length': Buffer.byteLength(body) };
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
    socket.end([`HTTP/1.1 ${told.status} ${told.title}`, ...lines, '', body].join('\r\n'));
    setTimeout(() => socket.destroy(), UNREAD_MS).unref();
  };

/** What else Node answers by itself: a request without a host, and one that expects what nobody knows. */
export function refuseUnfit(app: FastifyInstance): void {
  app.addHook('onRequest', async ({ raw, headers }) => {
    if (raw.httpVersion === '1.1' && headers.host === undefined) {
      throw new HttpProblem(400, 'INVALID_INPUT', 'a request of HTTP/1.1 names its Host');
    }
  });
  app.server.on('checkExpectation', (_request: IncomingMessage, response: ServerResponse) => {
    const problem = new HttpProblem(417, 'INVALID_INPUT', 'of Expect only 100-continue is known');
    const body = JSON.stringify(problemBody(problem, randomUUID()));
    response.writeHead(problem.status, { ...HEADERS, 'content-length': Buffer.byteLength(body) }).end(body);
  });
}
