/**
 * Classes of bybit-api's WebSocket clients that go by a connector's clock: the SDK signs logins and orders with
 * `Date.now() + getTimeOffsetMs()`, where the offset is 0 whatever its REST client may have found.
 *
 * A login is valid until `expires`, by the exchange's clock, and an order bears the time it was sent at. Both get the
 * exchange's time as it is, without the bias that REST timestamps are given: that would leave a login valid for less
 * long the wider the window is, and from 20 s on none at all.
 *
 *   `getWsAuthRequestEvent`   before a login the clock is measured where that is needed
 *   `getTimeOffsetMs`         asked at each login and each order
 *   `sendWSAPIRequest`        an order that was refused for its timestamp is sent once more; each answer is evidence, by
 *                             the exchange's clock in its header (`Timenow`)
 *
 * They are put on each client as it is made, and not on the class, because `WebsocketAPIClient` makes a
 * `WebsocketClient` of its own.
 */
import { InvalidInputError } from '../../base/errors.js';
import type { ClientClock } from '../client-clock.js';
import { asObject } from '../json.js';
import { isOfEnvironment } from './attached-client.js';
import { BYBIT_PROFILE } from './profile.js';

/** What is used of a `WebsocketClient`, of whichever version and copy of the SDK. */
export interface BybitSocket {
  getTimeOffsetMs(): number;
  // biome-ignore lint/suspicious/noExplicitAny: the SDK has types of its own for what it takes.
  sendWSAPIRequest(...args: any[]): Promise<any>;
}

/** And of a `WebsocketAPIClient`. */
export interface BybitSocketApi {
  getWSClient(): BybitSocket;
}

// biome-ignore lint/suspicious/noExplicitAny: a mixin's base must be declared so.
export type BybitSocketClass = new (...args: any[]) => BybitSocket | BybitSocketApi;

interface Fitted extends BybitSocket {
  emit?(event: string, content: unknown): unknown;
  getWsAuthRequestEvent?(...args: unknown[]): Promise<unknown>;
}

/** @param Client `WebsocketClient` or `WebsocketAPIClient`, or a subclass */
export function attachedBybitSocket<C extends BybitSocketClass>(Client: C, clock: ClientClock): C {
  // A mixin's base must be one type: which of the two it is shows when it is made.
  // biome-ignore lint/suspicious/noExplicitAny: a mixin's base must be declared so.
  class Attached extends (Client as unknown as new (...args: any[]) => object) {
    // biome-ignore lint/suspicious/noExplicitAny: a mixin's constructor must be declared so.
    constructor(...args: any[]) {
      const [options = {}, ...rest] = args;
      super(optionsOver(options, clock), ...rest);
      const made = this as unknown as BybitSocket | BybitSocketApi;
      putOn('getWSClient' in made ? made.getWSClient() : made, clock);
    }
  }
  Object.defineProperty(Attached, 'name', { value: Client.name });
  return Attached as unknown as C;
}

/**
 * Of the connector's environment: a login that was signed by one host's clock is not for another's.
 * @throws InvalidInputError when they are of another one
 */
function optionsOver(options: Record<string, unknown>, clock: ClientClock): Record<string, unknown> {
  const { environment } = clock;
  if (!isOfEnvironment(options, environment)) {
    throw new InvalidInputError(
      `an attached WebSocket client is of its connector's environment, ${environment}, by whose clock it logs in: leave out testnet and demoTrading, or attach to a connector of that environment`,
    );
  }
  const own =
    environment === 'TESTNET' ? { testnet: true } : environment === 'DEMO' ? { demoTrading: true } : {};
  return { ...own, ...options };
}

/**
 * The request may have waited for its connection, so it was sent later than is known: what its answer proves is as much
 * wider, and true.
 */
function heard(
  clock: ClientClock,
  operation: string,
  answer: unknown,
  { sentAtMs, wallMs }: { readonly sentAtMs: number; readonly wallMs: number },
): void {
  const { retCode, retMsg, header } = asObject(answer) ?? {};
  const told = String(asObject(header)?.Timenow ?? '');
  if (!/^\d{13}$/.test(told)) return;
  clock.answered({
    endpoint: `WebSocket ${operation}`,
    status: 200,
    headers: {},
    body: { retCode, retMsg, time: Number(told) },
    sentAtMs,
    receivedAtMs: clock.now(),
    wallRoundTripMs: clock.wall() - wallMs,
  });
}

const isUnexecuted = (refusal: unknown): boolean =>
  BYBIT_PROFILE.unexecuted.includes(String(asObject(refusal)?.retCode));

function putOn(socket: Fitted, clock: ClientClock): void {
  const send = socket.sendWSAPIRequest.bind(socket);
  const request = async (...args: unknown[]): Promise<unknown> => {
    const sent = { sentAtMs: clock.now(), wallMs: clock.wall() };
    try {
      const answer: unknown = await send(...args);
      heard(clock, String(args[1]), answer, sent);
      return answer;
    } catch (refusal) {
      heard(clock, String(args[1]), refusal, sent);
      throw refusal;
    }
  };
  const login = socket.getWsAuthRequestEvent?.bind(socket);
  const fitted: Partial<Fitted> = {
    getTimeOffsetMs: () => Math.round(clock.exchangeNow() - Date.now()),

    async sendWSAPIRequest(...args) {
      await clock.sign();
      try {
        return await request(...args);
      } catch (refusal) {
        if (!isUnexecuted(refusal) || !(await clock.measure())) throw refusal;
        return request(...args);
      }
    },

    ...(login && {
      async getWsAuthRequestEvent(...args: unknown[]) {
        try {
          await clock.sign();
        } catch (error) {
          // The SDK would keep it to itself, and the login would be waited for forever.
          socket.emit?.('exception', error);
          throw error;
        }
        return login(...args);
      },
    }),
  };
  Object.assign(socket, fitted);
}
