import { rehearseAtStart } from '../base/rehearsals.js';
import type { CcxtClass } from '../exchanges/attached-ccxt.js';
import {
  attachedBybitClient,
  attachedBybitSocket,
  BYBIT_PROFILE,
  type BybitRestClientClass,
  type BybitSocketClass,
  createBybitAdapter,
  rehearseBybit,
} from '../exchanges/bybit/index.js';
import { attachCcxt, isCcxt } from './attach-ccxt.js';
import { attachOnce } from './attach-once.js';
import { ConnectorWithCache } from './connector-with-cache.js';
import type { ConnectorOptions } from './options.js';

rehearseAtStart(rehearseBybit);

/**
 * A Bybit V5 connector that starts from remembered state. See init.ts for how.
 * @example
 * const { cache, flush } = await createConnectorState();
 * const credentials = { apiKey, apiSecret };
 * const connector = new BybitConnectorWithCache({ cache, userId, credentialId, environment: 'MAINNET', credentials });
 * const { cacheHit, offsetMs } = await connector.initialize();
 * await flush();
 */
export class BybitConnectorWithCache extends ConnectorWithCache {
  /** @throws InvalidInputError for anything malformed, before any network call */
  constructor(options: ConnectorOptions) {
    super(BYBIT_PROFILE, createBybitAdapter, options);
  }

  /**
   * A subclass of the client that goes by this connector's clock: your own class of `bybit-api`, with its own keys,
   * options and sockets. Each signed request bears the current timestamp, measured first where that is needed (see
   * {@link timestampSafe}); each answer is evidence of the exchange's clock; a request that was refused for its
   * timestamp is signed and sent once more. Nothing else is sent again, for it may have been executed.
   *
   * Results and errors are the SDK's, with `retryAfterMs` (milliseconds, from the answer on) where the exchange says
   * when it takes requests again. It speaks to the connector's host; its `recv_window` is the connector's
   * `recvWindowMs` unless given. There is nothing to detach: forget the client. Once the connector is closed its signed
   * requests reject with `CLOSED`.
   *
   * The same class attached twice to one connector is the same subclass.
   *
   * @example
   * ```ts
   * import { RestClientV5 } from 'bybit-api';
   *
   * await connector.initialize();
   * const Client = connector.attach(RestClientV5);
   * const client = new Client({ key, secret });
   * await client.submitOrder({ category: 'linear', symbol: 'BTCUSDT', side: 'Buy', orderType: 'Market', qty: '0.01' });
   * ```
   * @param Client `RestClientV5`, or a subclass of your own
   * @throws InvalidInputError for anything else, and for a class that is attached to another connector; the subclass's
   *   constructor for `baseUrl`, `testnet`, `demoTrading` or `apiRegion` of another host than the connector's
   */
  attach<C extends BybitRestClientClass>(Client: C): C;
  /**
   * The same of `WebsocketClient` and `WebsocketAPIClient`: each login and each order bears the exchange's time, measured
   * first where that is needed; an order that was refused for its timestamp (10002) is sent once more. A login that
   * cannot be signed, because the connector was closed or has no clock to sign by, is emitted as `exception`.
   *
   * @example
   * ```ts
   * import { WebsocketClient } from 'bybit-api';
   *
   * const Socket = connector.attach(WebsocketClient);
   * const socket = new Socket({ key, secret });
   * socket.subscribeV5('order', 'linear');
   * ```
   * @throws InvalidInputError as above
   */
  attach<C extends BybitSocketClass>(Client: C): C;
  /**
   * The same of ccxt's class `bybit`, of `ccxt` or `ccxt.pro`. A refusal is known by the exchange's own code, whatever
   * class of error ccxt makes of it. `enableRateLimit` and the other options are ccxt's; `milliseconds()` is the
   * exchange's time, by which ccxt.pro signs.
   *
   * @example
   * ```ts
   * import ccxt from 'ccxt';
   *
   * const exchange = new (connector.attach(ccxt.bybit))({ apiKey, secret });
   * await exchange.fetchBalance();
   * ```
   * @throws InvalidInputError as above; of another host than the connector's, before anything is sent
   */
  attach<C extends CcxtClass>(Client: C): C;
  attach(
    Client: BybitRestClientClass | BybitSocketClass | CcxtClass,
  ): BybitRestClientClass | BybitSocketClass | CcxtClass {
    if (isCcxt(Client)) return attachCcxt(this, Client, this.clientClock(), BYBIT_PROFILE);
    if (isSocket(Client)) {
      return attachOnce(this, Client, {
        what: 'WebsocketClient or WebsocketAPIClient of bybit-api',
        needs: [],
        extend: () => attachedBybitSocket(Client, this.clientClock()),
      });
    }
    return attachOnce(this, Client, {
      what: "RestClientV5, WebsocketClient or WebsocketAPIClient of bybit-api, or ccxt's bybit",
      needs: ['fetchTimeOffset', 'getPrivate', 'postPrivate', 'postPrivateFile', 'deletePrivate'],
      extend: () => attachedBybitClient(Client, this.clientClock()),
    });
  }
}

function isSocket(Client: unknown): Client is BybitSocketClass {
  const prototype = typeof Client === 'function' ? (Client.prototype as object | undefined) : undefined;
  return prototype !== undefined && ('getTimeOffsetMs' in prototype || 'getWSClient' in prototype);
}
