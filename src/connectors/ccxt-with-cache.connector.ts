import { InvalidInputError } from '../base/errors.js';
import type { Exchange } from '../events/connector.js';
import type { CcxtClass } from '../exchanges/attached-ccxt.js';
import { createCcxtAdapter } from '../exchanges/ccxt-adapter.js';
import { profileOf } from '../exchanges/registry.js';
import { attachCcxt, isCcxt } from './attach-ccxt.js';
import { ConnectorWithCache } from './connector-with-cache.js';
import type { ConnectorOptions } from './options.js';

/** What a connector over ccxt is built from. */
export interface CcxtConnectorOptions extends ConnectorOptions {
  /** A shipped exchange, or one that was registered with `registerExchange()`. */
  readonly exchange: Exchange;
  /** ccxt's class for it: `ccxt.binance`. */
  readonly ccxt: CcxtClass;
}

/**
 * A connector of any exchange that ccxt can sign for and whose profile is known: it starts from remembered state, verifies
 * the account with one call that ccxt signs, and gives its clock to ccxt's clients. ccxt is yours: pass its class.
 *
 * @example
 * ```ts
 * import ccxt from 'ccxt';
 * import { CcxtConnectorWithCache } from 'connector-state/ccxt';
 *
 * const connector = new CcxtConnectorWithCache({
 *   cache: state.cache,
 *   exchange: 'OKX',
 *   ccxt: ccxt.okx,
 *   userId: 'alice',
 *   credentialId: 'okx-main',
 *   environment: 'MAINNET',
 *   credentials: { apiKey, apiSecret, passphrase },
 * });
 * await connector.initialize();
 * const exchange = new (connector.attach(ccxt.okx))({ apiKey, secret: apiSecret, password: passphrase });
 * await exchange.fetchBalance();
 * ```
 */
export class CcxtConnectorWithCache extends ConnectorWithCache {
  /** @throws InvalidInputError for anything malformed, before any network call */
  constructor({ exchange, ccxt, ...options }: CcxtConnectorOptions) {
    const profile = profileOf(exchange);
    if (!isCcxt(ccxt)) {
      throw new InvalidInputError(
        `CcxtConnectorWithCache needs the option ccxt: ccxt's class ${profile.ccxt.id}, not an instance of it`,
      );
    }
    super(profile, adapterOptions => createCcxtAdapter(profile, ccxt, adapterOptions), options);
  }

  /**
   * A subclass of ccxt's class that goes by this connector's clock, of `ccxt` or `ccxt.pro`. Each signed request bears the
   * current timestamp, measured first where that is needed; each answer is evidence of the exchange's clock; a request that
   * was refused for its timestamp, which is known by the exchange's own code whatever class of error ccxt makes of it, is
   * signed and sent once more. Nothing else is. `milliseconds()` is the exchange's time, by which ccxt.pro signs.
   *
   * @throws InvalidInputError for anything else, and for a class that is attached to another connector; of another host than
   *   the connector's, before anything is sent
   */
  attach<C extends CcxtClass>(Client: C): C {
    return attachCcxt(this, Client, this.clientClock(), profileOf(this.ref.exchange)) as C;
  }
}
