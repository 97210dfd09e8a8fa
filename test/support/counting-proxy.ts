/**
 * The network between a process and PostgreSQL, which counts its round trips and can fail at any message.
 *
 * A round trip is a wait: something was sent that could not be sent before an answer had come. So each message is
 * given a depth, one more than the deepest answer that this process had been given when it sent it, and an answer
 * has the depth of what it answers. What an operation costs is how much deeper the answers are at its end: two
 * statements sent together cost one, wherever they go, and so does a connection (TCP's own) before its start-up. No
 * clock is involved. A deeper answer is held back until nothing has moved for some turns of the event loop, in which a
 * client in this process sends whatever it can send without it.
 *
 * All connections of the proxy count together, for they are one process's.
 */

import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { createSecureContext, type SecureContext, TLSSocket } from 'node:tls';
import { createCertificate } from './esdb-server/certificates.js';
import {
  cutClientMessages,
  cutServerMessages,
  endsAnswer,
  expectsAnswer,
  type WireMessage,
} from './wire-messages.js';

export type Side = 'client' | 'server';

/** What happens behind the message of that number (from 1, of that side, counted from now on). */
export interface Fault {
  readonly from: Side;
  readonly message: number;
  /**
   * `cut`: both ends see the connection end. `shutdown`: so they do, behind the server's word that it goes down. `stall`: it
   * stays open, and nothing passes any more, either way.
   */
  readonly effect: 'cut' | 'shutdown' | 'stall';
}

export interface CountingProxy {
  /** The database's URL, by way of the proxy. */
  readonly url: string;
  /** How often `operation` waited for an answer. */
  count(operation: () => Promise<unknown>): Promise<number>;
  /** Resolves when everything that was asked has been answered: what is seen in the database may not have been told yet. */
  idle(): Promise<void>;
  /** The messages that passed since the last call, by the letter of their type, `>` in front of the client's. */
  messages(): string[];
  fail(fault: Fault | undefined): void;
  /** One way, milliseconds. */
  delay(ms: number): void;
  close(): Promise<void>;
}

export interface CountingProxyOptions {
  /** Speaks TLS with the client, with a certificate that nobody vouches for; the way on is in the clear. */
  readonly tls?: boolean;
  /** Hands on each byte by itself. */
  readonly byteByByte?: boolean;
}

/** Round trips before the first message: of a connection, and of the request for TLS and its greeting. */
const TCP = 1;
const TLS = 2;
/** What a server says to each connection when an administrator stops it. */
const SHUTDOWN = errorResponse('57P01', 'terminating connection due to administrator command');

/** Turns of the event loop in which nothing moved, before a deeper answer is handed on. */
const QUIET_TURNS = 4;

/** An answer that has come from the server. */
interface Arrived {
  readonly depth: () => number;
  handOn(): void;
}

export async function startCountingProxy(
  targetUrl: string,
  { tls = false, byteByByte = false }: CountingProxyOptions = {},
): Promise<CountingProxy> {
  const target = new URL(targetUrl);
  const secureContext = tls ? await ownContext() : undefined;
  const sockets = new Set<Socket>();
  let depth = 0;
  let delayMs = 0;
  const passed: string[] = [];
  let fault: (Fault & { left: number }) | undefined;

  const arrived: Arrived[] = [];
  const unanswered = new Set<readonly number[]>();
  let quietTurns = 0;
  let isPumping = false;

  function pump(): void {
    for (let next = arrived[0]; next; next = arrived[0]) {
      if (next.depth() > depth) {
        if (quietTurns < QUIET_TURNS) {
          quietTurns++;
          setImmediate(pump);
          return;
        }
        depth = next.depth();
      }
      quietTurns = 0;
      arrived.shift();
      next.handOn();
    }
    isPumping = false;
  }
  const arrive = (next: Arrived) => {
    arrived.push(next);
    if (isPumping) return;
    isPumping = true;
    setImmediate(pump);
  };
  /** A goodbye is answered by the end of the connection. */
  const answered = (at: number) => arrive({ depth: () => at, handOn: () => undefined });

  /** The fault that this message sets off, if any. */
  function strikes(from: Side): Fault['effect'] | undefined {
    if (fault?.from !== from || --fault.left > 0) return undefined;
    const { effect } = fault;
    fault = undefined;
    return effect;
  }

  const server = createServer(raw => {
    track(raw);
    const opened = depth + TCP;
    if (!secureContext) return forward(raw, opened);
    raw.once('data', () => {
      raw.write('S');
      forward(track(new TLSSocket(raw, { isServer: true, secureContext })), opened + TLS);
    });
  });

  /** @param opened the depth of the last answer that opening the connection took */
  function forward(near: Socket, opened: number): void {
    const far = track(connect(Number(target.port || 5432), target.hostname));
    const expected: number[] = [];
    unanswered.add(expected);
    let isStalled = false;
    // Timers know whole milliseconds: one way takes what the other does not.
    const toServer = conveyor(far, Math.floor);
    const toClient = conveyor(near, Math.ceil);
    const cut = () => {
      near.destroy();
      far.destroy();
    };
    far.on('close', () => {
      for (const at of expected) answered(at);
      unanswered.delete(expected);
      near.destroy();
    });
    near.on('close', () => far.destroy());

    const pass = (from: Side, message: WireMessage, send: () => void) => {
      if (isStalled) return;
      passed.push(from === 'client' ? `>${message.type}` : message.type);
      send();
      const effect = strikes(from);
      if (effect === 'shutdown') toClient(SHUTDOWN);
      if (effect === 'cut' || effect === 'shutdown') setImmediate(cut);
      if (effect !== undefined) isStalled = true;
    };
    const fromClient = cutClientMessages();
    near.on('data', chunk => {
      quietTurns = 0;
      for (const message of fromClient(chunk)) {
        pass('client', message, () => {
          if (expectsAnswer(message)) expected.push(Math.max(depth, opened) + 1);
          toServer(message.bytes);
        });
      }
    });
    const fromServer = cutServerMessages();
    far.on('data', chunk => {
      for (const message of fromServer(chunk)) {
        const handOn = () =>
          pass('server', message, () => {
            if (endsAnswer(message)) expected.shift();
            toClient(message.bytes);
          });
        arrive({ depth: () => expected[0] ?? 0, handOn });
      }
    });
  }

  function track<T extends Socket>(socket: T): T {
    sockets.add(socket);
    socket.setNoDelay(true);
    socket.on('error', () => undefined);
    socket.on('close', () => sockets.delete(socket));
    return socket;
  }

  /** Keeps the order, whatever the delay does. */
  function conveyor(socket: Socket, toWholeMs: (ms: number) => number): (bytes: Buffer) => void {
    const write = (bytes: Buffer) => {
      if (socket.destroyed) return;
      if (!byteByByte) socket.write(bytes);
      else for (const byte of bytes) socket.write(Buffer.of(byte));
    };
    return bytes => {
      if (delayMs === 0) write(bytes);
      else setTimeout(() => write(bytes), toWholeMs(delayMs));
    };
  }

  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  const url = new URL(targetUrl);
  url.hostname = '127.0.0.1';
  url.port = String((server.address() as AddressInfo).port);
  if (tls) url.searchParams.set('sslmode', 'no-verify');
  return {
    url: url.href,
    async count(operation) {
      const before = depth;
      await operation();
      return depth - before;
    },
    async idle() {
      while (arrived.length > 0 || [...unanswered].some(expected => expected.length > 0)) await nextTurn();
    },
    messages: () => passed.splice(0),
    fail(next) {
      fault = next && { ...next, left: next.message };
    },
    delay(ms) {
      delayMs = ms;
    },
    close: () =>
      new Promise<void>(resolve => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
}

function errorResponse(code: string, message: string): Buffer {
  const fields = `SFATAL\0VFATAL\0C${code}\0M${message}\0\0`;
  const head = Buffer.alloc(5);
  head.write('E');
  head.writeInt32BE(4 + Buffer.byteLength(fields), 1);
  return Buffer.concat([head, Buffer.from(fields)]);
}

async function ownContext(): Promise<SecureContext> {
  const { certificate, key } = await createCertificate();
  return createSecureContext({ cert: certificate, key });
}
