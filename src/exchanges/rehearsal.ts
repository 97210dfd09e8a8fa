/**
 * A verification played through once, before there is an exchange to wait for (see src/base/rehearsals.ts for why).
 *
 * Everything is real but the wire: the SDK builds and signs, Node's HTTP client writes, parses and collects, the
 * adapter judges. The connection is an object in memory that answers whatever it is sent, so that nothing leaves
 * the process. Key and secret are made up. The host is a name, as the exchanges' are: Node's agent checks whether a
 * name is an IPv6 address, and compiling that expression takes 2 to 6 ms. It is one that can never exist (RFC 2606),
 * should a program that watches or replaces Node's HTTP client get to see the request.
 */
import { Duplex } from 'node:stream';
import type { AdapterOptions, ExchangeAdapter } from './exchange-adapter.js';
import { type CreateTransport, createHttpTransport } from './http-transport.js';

const HOST = 'connector-state-rehearsal.invalid';

type CreateAdapter = (options: AdapterOptions, createTransport: CreateTransport) => ExchangeAdapter;

/** Nothing here takes time; what would hang for a reason nobody thought of must not hold up the start. */
const TIMEOUT_MS = 500;

/**
 * @param answer the exchange's, to the verification
 * @throws ExchangeError when the adapter does not take it for one
 */
export async function rehearseVerification(create: CreateAdapter, answer: object): Promise<void> {
  const adapter = create(
    {
      environment: 'TESTNET',
      baseUrl: `http://${HOST}`,
      plainHttpHosts: [HOST],
      credentials: { apiKey: 'rehearsal', apiSecret: 'rehearsal' },
      timeoutMs: TIMEOUT_MS,
      now: () => Date.now(),
      timestamp: () => Date.now(),
    },
    options => createHttpTransport({ ...options, connect: () => new Answering(JSON.stringify(answer)) }),
  );
  try {
    await adapter.verifyAccount();
  } finally {
    adapter.close();
  }
}

/** The other end of a connection: answers the first bytes it is sent, and hangs up. */
class Answering extends Duplex {
  readonly #body: string;

  constructor(body: string) {
    super();
    this.#body = body;
  }

  override _write(_chunk: unknown, _encoding: unknown, done: () => void): void {
    this.push(
      `HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(this.#body)}\r\nConnection: close\r\n\r\n${this.#body}`,
    );
    this.push(null);
    done();
  }

  override _read(): void {}
}
