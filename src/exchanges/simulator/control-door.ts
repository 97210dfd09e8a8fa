/**
 * The control door: steers a running simulator from another process, over HTTP with JSON.
 *
 *   GET  /__simulator/state     URLs, knobs, clocks, waiting faults and counters of both exchanges
 *   GET  /__simulator/requests  the log: path, outcome and timestamp of each request
 *   POST /__simulator/set       {"exchange"?: "BYBIT"|"BINGX", ...knobs}       see knobs.ts
 *   POST /__simulator/step      {"exchange"?: …, "ms": 3000}                   moves the clock
 *   POST /__simulator/fault     {"exchange": …, "kind": "code", "code": 10006, "route"?: "verify", "times"?: 2}
 *   POST /__simulator/clear     {"exchange"?: …}                               forgets waiting faults
 *
 * Without `exchange`, both are meant. Answers are `{"ok": true}`, the state, or HTTP 400 with `{"error"}`.
 *
 * It has a port of its own, on 127.0.0.1 as well, so that an exchange that refuses connections can be told to
 * stop. There is no password: whoever can open a loopback port here can do worse. A web page cannot, for
 * requests that a browser sends unasked have no JSON content type, and Host must be loopback.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { InvalidInputError } from '../../base/errors.js';
import { type Exchange, parseExchange } from '../../events/connector.js';
import { type Fault, parseFault } from './faults.js';
import { type KnobPatch, parseKnobPatch } from './knobs.js';
import { type LoopbackServer, startLoopbackServer } from './loopback-server.js';

const MAX_BODY_BYTES = 256 * 1024;
const LOOPBACK_HOST = /^(127\.0\.0\.1|localhost)(:\d+)?$/;

/** What the door opens to; the simulator, seen from here. */
export interface Steerable {
  set(patch: KnobPatch, exchange?: Exchange): Promise<void>;
  step(ms: number, exchange?: Exchange): void;
  fault(fault: Fault, exchange: Exchange): void;
  clearFaults(exchange?: Exchange): void;
  state(): unknown;
  requests(): unknown;
}

type Command = (target: Steerable, exchange: Exchange | undefined, rest: Record<string, unknown>) => unknown;

const COMMANDS: Readonly<Record<string, Command>> = {
  'GET /__simulator/state': target => target.state(),
  'GET /__simulator/requests': target => target.requests(),
  'POST /__simulator/set': (target, exchange, patch) => target.set(parseKnobPatch(patch), exchange),
  'POST /__simulator/step': (target, exchange, { ms }) =>
    target.step(typeof ms === 'number' ? ms : Number.NaN, exchange),
  'POST /__simulator/fault': (target, exchange, fault) =>
    target.fault(parseFault(fault), parseExchange(exchange)),
  'POST /__simulator/clear': (target, exchange) => target.clearFaults(exchange),
};

export const startControlDoor = (port: number, target: Steerable): Promise<LoopbackServer> =>
  startLoopbackServer(port, (request, response) => {
    handle(request, target).then(
      result => reply(response, 200, result ?? { ok: true }),
      error => {
        const isTheirs = error instanceof InvalidInputError;
        reply(response, isTheirs ? 400 : 500, { error: isTheirs ? error.message : 'the simulator failed' });
      },
    );
  });

async function handle(request: IncomingMessage, target: Steerable): Promise<unknown> {
  const command = COMMANDS[`${request.method} ${request.url}`];
  if (!command) {
    throw new InvalidInputError(
      `no such command: ${request.method} ${request.url}; there are ${Object.keys(COMMANDS).join(', ')}`,
    );
  }
  if (!LOOPBACK_HOST.test(request.headers.host ?? '')) {
    throw new InvalidInputError('Host must be 127.0.0.1 or localhost');
  }
  if (request.method === 'GET') return command(target, undefined, {});
  if (!/^application\/json\b/.test(request.headers['content-type'] ?? '')) {
    throw new InvalidInputError('content-type must be application/json');
  }
  const { exchange, ...rest } = parseBody(await readBody(request));
  return command(target, exchange === undefined ? undefined : parseExchange(exchange), rest);
}

async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request) {
    bytes += chunk.length;
    if (bytes > MAX_BODY_BYTES)
      throw new InvalidInputError(`the body is larger than ${MAX_BODY_BYTES} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function parseBody(text: string): Record<string, unknown> {
  try {
    const value: unknown = text === '' ? {} : JSON.parse(text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
      return value as Record<string, unknown>;
    }
  } catch {
    // Said below, the same as for JSON that is no object.
  }
  throw new InvalidInputError('the body must be a JSON object');
}

function reply(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json; charset=utf-8' });
  response.end(`${JSON.stringify(body)}\n`);
}
