/** `connector-state/bybit` */
export { BybitConnectorWithCache } from './connectors/bybit-with-cache.connector.js';
export type { InitResult } from './connectors/connector-with-cache.js';
export type { ConnectorOptions } from './connectors/options.js';
export type { CcxtClass, CcxtExchange } from './exchanges/attached-ccxt.js';
export type {
  BybitRestClient,
  BybitRestClientClass,
  BybitSocket,
  BybitSocketApi,
  BybitSocketClass,
} from './exchanges/bybit/index.js';
export { type Credentials, ExchangeError, type FundingRate } from './exchanges/exchange-adapter.js';
