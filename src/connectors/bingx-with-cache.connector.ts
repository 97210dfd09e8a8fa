import { rehearseAtStart } from '../base/rehearsals.js';
import type { CcxtClass } from '../exchanges/attached-ccxt.js';
import {
  type AttachedBingxClient,
  type AttachedBingxStream,
  attachedBingxClient,
  attachedBingxStream,
  BINGX_PROFILE,
  type BingxAdapter,
  type BingxClientClass,
  type BingxStreamClass,
  createBingxAdapter,
  isBingxStream,
  rehearseBingx,
} from '../exchanges/bingx/index.js';
import { attachCcxt, isCcxt } from './attach-ccxt.js';
import { attachOnce } from './attach-once.js';
import { ConnectorWithCache } from './connector-with-cache.js';
import type { ConnectorOptions } from './options.js';

rehearseAtStart(rehearseBingx);

/**
 * A BingX swap V2 connector that starts from remembered state. See init.ts for how.
 * @example
 * const { cache, flush } = await createConnectorState();
 * const credentials = { apiKey, apiSecret };
 * const connector = new BingxConnectorWithCache({ cache, userId, credentialId, environment: 'MAINNET', credentials });
 * const { cacheHit, offsetMs } = await connector.initialize();
 * await flush();
 */
export class BingxConnectorWithCache extends ConnectorWithCache<BingxAdapter> {
  /** @throws InvalidInputError for anything malformed, before any network call */
  constructor(options: ConnectorOptions) {
    super(BINGX_PROFILE, createBingxAdapter, options);
  }

  /**
   * A subclass of `BingxApiClient` that goes by this connector's clock, and sends over its host and connections: the
   * SDK's own executor knows only the production host and signs another timestamp than it sends, now and then. Each
   * signed request bears the current timestamp, measured first where that is needed (see {@link timestampSafe}), and
   * the connector's `recvWindowMs`; each answer is evidence of the exchange's clock; a request that was refused for its
   * timestamp is signed and sent once more. Nothing else is, but for a GET on a dead connection.
   *
   * Results are the SDK's, also those with a `code` other than 0, with `retryAfterMs` (milliseconds, from the answer on)
   * where the exchange says when it takes requests again. Ids beyond 2⁵³ are strings of their digits. What the SDK would
   * reject with an error of axios's, with key and signature in it, rejects with an `ExchangeError`. There is nothing to
   * detach: forget the client. Once the connector is closed its signed requests reject with `CLOSED`.
   *
   * @example
   * ```ts
   * import { ApiAccount, BingxApiClient } from 'bingx-api';
   *
   * await connector.initialize();
   * const Client = connector.attach(BingxApiClient);
   * const client = new Client();
   * await client.getAccountService().getPerpetualSwapAccountAssetInformation(new ApiAccount(key, secret));
   * ```
   * @param Client `BingxApiClient`, or a subclass of your own that takes an executor first
   * @throws InvalidInputError for anything else, and for a class that is attached to another connector
   */
  attach<C extends BingxClientClass>(Client: C): AttachedBingxClient<C>;
  /**
   * A subclass of `BingxAccountSocketStream` that fetches its listen key as an attached client sends its requests: by this
   * connector's host, clock and connections, healed where that is refused for its timestamp. Nothing else of a stream is
   * signed. It listens at the address that goes with the connector's host, or at the `url` you give it.
   *
   * A listen key lasts an hour, and the SDK never extends it: call `keepAlive()` every half hour. Where no key can be
   * had the SDK prints the account it was given to stderr, with the secret in it; of this one it prints why instead.
   *
   * @example
   * ```ts
   * import { ApiAccount, BingxAccountSocketStream } from 'bingx-api';
   *
   * const stream = new (connector.attach(BingxAccountSocketStream))(new ApiAccount(key, secret));
   * stream.accountOrderUpdatePushEvent$.subscribe(({ o }) => console.log(o.s, o.X));
   * setInterval(() => stream.keepAlive().catch(console.error), 30 * 60_000);
   * ```
   * @param Stream `BingxAccountSocketStream`, or a subclass that takes account and configuration first
   * @throws InvalidInputError as above
   */
  attach<C extends BingxStreamClass>(Stream: C): AttachedBingxStream<C>;
  /**
   * The same of ccxt's class `bingx`, of `ccxt` or `ccxt.pro`. A refusal is known by the exchange's own code, whatever
   * class of error ccxt makes of it. `enableRateLimit` and the other options are ccxt's; `milliseconds()` is the
   * exchange's time, by which ccxt.pro signs.
   *
   * @example
   * ```ts
   * import ccxt from 'ccxt';
   *
   * const exchange = new (connector.attach(ccxt.bingx))({ apiKey, secret });
   * await exchange.fetchBalance();
   * ```
   * @throws InvalidInputError as above; of another host than the connector's, before anything is sent
   */
  attach<C extends CcxtClass>(Client: C): C;
  attach(
    Client: BingxClientClass | BingxStreamClass | CcxtClass,
  ): BingxClientClass | BingxStreamClass | CcxtClass {
    if (isBingxStream(Client)) {
      return attachOnce(this, Client, {
        what: 'BingxAccountSocketStream of bingx-api',
        needs: ['disconnect'],
        extend: () => {
          const executor = this.adapter.executorBy(this.clientClock(), { rejectsRefusals: true });
          return attachedBingxStream(Client, executor, this.adapter.baseUrl);
        },
      });
    }
    if (isCcxt(Client)) return attachCcxt(this, Client, this.clientClock(), BINGX_PROFILE);
    return attachOnce(this, Client as BingxClientClass, {
      what: "BingxApiClient or BingxAccountSocketStream of bingx-api, or ccxt's bingx",
      needs: ['getAccountService', 'getTradeService'],
      extend: () =>
        attachedBingxClient(Client as BingxClientClass, this.adapter.executorBy(this.clientClock())),
    });
  }
}
