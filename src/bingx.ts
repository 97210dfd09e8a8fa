/** `connector-state/bingx` */
export { BingxConnectorWithCache } from './connectors/bingx-with-cache.connector.js';
export type { InitResult } from './connectors/connector-with-cache.js';
export type { ConnectorOptions } from './connectors/options.js';
export type { CcxtClass, CcxtExchange } from './exchanges/attached-ccxt.js';
export type {
  AttachedBingxClient,
  AttachedBingxStream,
  BingxClient,
  BingxClientClass,
  BingxStream,
  BingxStreamClass,
  KeptAlive,
} from './exchanges/bingx/index.js';
export { type Credentials, ExchangeError, type FundingRate } from './exchanges/exchange-adapter.js';
