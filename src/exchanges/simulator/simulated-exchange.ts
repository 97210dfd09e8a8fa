/**
 * One simulated exchange: a dialect, knobs, a clock and a queue of faults behind a loopback server.
 *
 * A request's life: received → outage or fault takes it, or else → the part of its latency that comes
 * before the stamp → judged, by the exchange's clock as it is then → logged → the rest of the latency →
 * answered. A limit of the rate and maintenance are judged before the request itself, as gateways do.
 *
 * Time passes in timers only where there is latency, so a simulator without latency and with a frozen base
 * clock answers the same on every run.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Accounts } from './accounts.js';
import { Book } from './book.js';
import { clockWithSkew, readClock, type SimulatedClock, stepped, withDrift } from './clock.js';
import {
  type Answer,
  type Dialect,
  type Endpoint,
  type ExecutedOrder,
  httpAnswer,
  MAINTENANCE_PAGE,
  PAGE_NOT_FOUND,
  REGION_BLOCK_PAGE,
  type ReceivedRequest,
  type World,
} from './dialect.js';
import { type Fault, takeFault } from './faults.js';
import { applyPatch, type ExchangeKnobs, type KnobPatch } from './knobs.js';
import { drawLatency } from './latency.js';
import { ListenKeys } from './listen-keys.js';
import { type LoopbackServer, startLoopbackServer } from './loopback-server.js';
import type { Random } from './random.js';
import { createRateLimiter } from './rate-limiter.js';
import { createRequestLog, type RequestLog } from './request-log.js';
import { openSocketDoor } from './socket-door.js';
import { toldTime } from './told-time.js';

const UNSIGNED = 'unsigned';
const MAX_BODY_BYTES = 100_000;

export interface SimulatedExchangeOptions {
  readonly dialect: Dialect;
  readonly port: number;
  readonly accounts: Accounts;
  readonly knobs: ExchangeKnobs;
  readonly seed: number;
  readonly random: Random;
  /** The base clock, epoch milliseconds. */
  readonly now: () => number;
}

export interface SimulatedExchange {
  readonly url: string;
  readonly log: RequestLog;
  knobs(): ExchangeKnobs;
  serverTimeMs(): number;
  pendingFaults(): readonly Fault[];
  set(patch: KnobPatch): Promise<void>;
  step(ms: number): void;
  fault(fault: Fault): void;
  clearFaults(): void;
  /** In the order in which they were executed, answered or not. */
  executed(): readonly ExecutedOrder[];
  close(): Promise<void>;
}

export async function startSimulatedExchange(options: SimulatedExchangeOptions): Promise<SimulatedExchange> {
  const { dialect, now, random } = options;
  const log = createRequestLog();
  const timers = new Set<NodeJS.Timeout>();
  let knobs = options.knobs;
  const serverTimeMs = () => readClock(clock, now());
  let clock: SimulatedClock = clockWithSkew(knobs.skewMs, knobs.driftPpm, now());
  /** Of whoever stands in front of it, over the exchange's own. */
  let edge: SimulatedClock = clockWithSkew(knobs.edgeSkewMs, knobs.edgeDriftPpm, serverTimeMs());
  let faults: readonly Fault[] = [];
  let limiter = createRateLimiter();
  let lastToldMs: number | undefined;
  const executed: ExecutedOrder[] = [];
  const listenKeys = new ListenKeys(options.seed);
  const book = new Book(options.seed, (apiKey, order) => sockets.ordered(apiKey, order));

  const after = (ms: number, action: () => void) => {
    if (ms <= 0) return action();
    const timer = setTimeout(() => {
      timers.delete(timer);
      action();
    }, ms);
    timers.add(timer);
  };

  function endpointFor({ method, path }: ReceivedRequest): Endpoint | undefined {
    const { endpoints } = dialect;
    const own = (key: string) => (Object.hasOwn(endpoints, key) ? endpoints[key] : undefined);
    const known = own(path);
    return known && (known.method ?? 'GET') === method ? known : own(`${method} ${path}`);
  }

  function serve(received: ReceivedRequest, response: ServerResponse): void {
    const endpoint = endpointFor(received);
    const route = endpoint?.route ?? 'other';
    const record = (outcome: string, isAccepted: boolean) => {
      log.add({
        exchange: dialect.exchange,
        method: received.method,
        path: received.path,
        route,
        serverTimeMs: Math.floor(serverTimeMs()),
        timestampMs: dialect.timestampOf(received),
        isAccepted,
        outcome,
      });
    };
    const leaveUnanswered = (how: 'hang' | 'reset') => {
      record(how, false);
      if (how === 'reset') response.socket?.resetAndDestroy();
    };
    if (knobs.outage === 'hang' || knobs.outage === 'reset') {
      leaveUnanswered(knobs.outage);
      return;
    }
    const { fault, rest } = takeFault(faults, route);
    faults = rest;
    if (fault) log.faulted();
    if (fault?.kind === 'hang' || fault?.kind === 'reset') {
      leaveUnanswered(fault.kind);
      return;
    }
    const latency = drawLatency(knobs, route, random);
    after(latency.beforeStampMs + (fault?.kind === 'delay' ? fault.delayMs : 0), () => {
      const answer = tell(received, endpoint, fault);
      if (answer.executed) executed.push(answer.executed);
      const isLost = fault?.kind === 'cut' || fault?.kind === 'lost';
      const told = answer.code === undefined ? `HTTP ${answer.status}` : String(answer.code);
      record(isLost ? fault.kind : told, answer.code === 0 && !isLost);
      after(latency.afterStampMs, () => {
        if (fault?.kind === 'lost') response.socket?.resetAndDestroy();
        else send(response, answer, fault);
      });
    });
  }

  /** The answer, with the time that is to be told in all its stamps. */
  function tell(received: ReceivedRequest, endpoint: Endpoint | undefined, fault: Fault | undefined): Answer {
    const nowMs = serverTimeMs();
    const kind = fault?.kind === 'told-time' ? fault.toldTime : knobs.toldTime;
    const { timeMs, instead } = toldTime(kind, nowMs, lastToldMs);
    lastToldMs = timeMs;
    const { accounts } = options;
    const { seed } = options;
    const world: World = { accounts, knobs, seed, serverTimeMs: nowMs, toldTimeMs: timeMs, book, listenKeys };
    const answer = judge(received, endpoint, fault, world);
    return {
      ...answer,
      body: instead ? dialect.withTime(answer.body, instead.value) : answer.body,
      headers: {
        ...(knobs.dateHeader && { date: new Date(readClock(edge, timeMs)).toUTCString() }),
        ...(knobs.ageSeconds !== null && { age: String(knobs.ageSeconds) }),
        ...answer.headers,
      },
    };
  }

  function judge(
    received: ReceivedRequest,
    endpoint: Endpoint | undefined,
    fault: Fault | undefined,
    world: World,
  ): Answer {
    if (knobs.regionBlock) return REGION_BLOCK_PAGE;
    if (knobs.maintenance === 'http') return MAINTENANCE_PAGE;
    if (knobs.maintenance === 'code') return dialect.busy(world);
    let headers: Readonly<Record<string, string>> = {};
    if (knobs.rateLimit && endpoint) {
      const allowance = limiter.take(dialect.apiKeyOf(received) ?? UNSIGNED, knobs.rateLimit, now());
      const shown = { ...allowance, resetsAtMs: readClock(clock, allowance.resetsAtMs) };
      if (!allowance.isAllowed) return dialect.rateLimited(shown, world);
      headers = dialect.allowanceHeaders(shown, world);
    }
    if (fault?.kind === 'code') return dialect.refuse(fault.code, fault.message, world);
    if (fault?.kind === 'http') {
      const answer = httpAnswer(fault.status, fault.body ?? '');
      return fault.contentType === undefined
        ? answer
        : { ...answer, headers: { 'content-type': fault.contentType } };
    }
    const answer = endpoint?.answer(received, world) ?? PAGE_NOT_FOUND;
    const body = fault?.kind === 'wrong-time' ? dialect.withTime(answer.body, fault.value) : answer.body;
    return { ...answer, body, headers: { ...headers, ...answer.headers } };
  }

  const server: LoopbackServer = await startLoopbackServer(
    options.port,
    (request, response) => {
      if (request.method === 'GET') {
        // It should have no body; one that comes is let run out.
        request.resume();
        serve(receivedOf(request, ''), response);
        return;
      }
      const chunks: Buffer[] = [];
      let size = 0;
      request.on('data', (chunk: Buffer) => {
        size += chunk.length;
        if (size > MAX_BODY_BYTES) request.destroy();
        else chunks.push(chunk);
      });
      request.on('end', () => serve(receivedOf(request, Buffer.concat(chunks).toString()), response));
    },
    log.connected,
  );
  const sockets = openSocketDoor(
    server.server,
    dialect.sockets ?? {},
    path => ({
      world: () => {
        const nowMs = serverTimeMs();
        const { accounts, seed } = options;
        return { accounts, knobs, seed, serverTimeMs: nowMs, toldTimeMs: nowMs, book, listenKeys };
      },
      log({ route, timestampMs, outcome, executed: order }) {
        if (order) executed.push(order);
        log.add({
          exchange: dialect.exchange,
          method: 'WebSocket',
          path,
          route,
          serverTimeMs: Math.floor(serverTimeMs()),
          timestampMs,
          isAccepted: outcome === 0,
          outcome: String(outcome),
        });
      },
    }),
    () => knobs.outage !== 'none' || knobs.maintenance !== 'none' || knobs.regionBlock,
  );

  return {
    url: server.url,
    log,
    knobs: () => knobs,
    serverTimeMs,
    pendingFaults: () => faults,
    async set(patch) {
      const next = applyPatch(knobs, patch);
      if (patch.skewMs !== undefined) clock = clockWithSkew(next.skewMs, next.driftPpm, now());
      else if (patch.driftPpm !== undefined) clock = withDrift(clock, next.driftPpm, now());
      if (patch.edgeSkewMs !== undefined)
        edge = clockWithSkew(next.edgeSkewMs, next.edgeDriftPpm, serverTimeMs());
      else if (patch.edgeDriftPpm !== undefined) edge = withDrift(edge, next.edgeDriftPpm, serverTimeMs());
      if (patch.rateLimit !== undefined) limiter = createRateLimiter();
      knobs = next;
      if (next.outage !== 'none') sockets.close();
      if (patch.skewMs !== undefined) sockets.clockMoved();
      await server.setListening(next.outage !== 'refuse');
    },
    step(ms) {
      clock = stepped(clock, ms);
      sockets.clockMoved();
    },
    fault(fault) {
      faults = [...faults, fault];
    },
    clearFaults() {
      faults = [];
    },
    executed: () => [...executed],
    async close() {
      for (const timer of timers) clearTimeout(timer);
      timers.clear();
      sockets.close();
      await server.close();
    },
  };
}

function receivedOf(request: IncomingMessage, body: string): ReceivedRequest {
  const url = request.url ?? '/';
  const question = url.indexOf('?');
  return {
    method: request.method ?? 'GET',
    path: question < 0 ? url : url.slice(0, question),
    rawQuery: question < 0 ? '' : url.slice(question + 1),
    headers: request.headers,
    body,
  };
}

function send(response: ServerResponse, answer: Answer, fault: Fault | undefined): void {
  if (response.destroyed) return;
  const isText = typeof answer.body === 'string';
  const whole = isText ? (answer.body as string) : JSON.stringify(answer.body);
  const text =
    fault?.kind === 'body' ? fault.body : fault?.kind === 'malformed-json' ? whole.slice(0, -5) : whole;
  // Node would write this machine's time.
  response.sendDate = false;
  response.writeHead(answer.status, {
    'content-type': isText ? 'text/html; charset=utf-8' : 'application/json; charset=utf-8',
    'content-length': Buffer.byteLength(text),
    ...answer.headers,
  });
  if (fault?.kind !== 'cut') return void response.end(text);
  response.write(text.slice(0, Math.ceil(text.length / 2)), () => response.socket?.destroy());
}
