/** `connector-state/ccxt`: a connector of any exchange that ccxt can sign for. ccxt itself is not loaded by it. */
export {
  type CcxtConnectorOptions,
  CcxtConnectorWithCache,
} from './connectors/ccxt-with-cache.connector.js';
export type { InitResult } from './connectors/connector-with-cache.js';
export type { CcxtClass, CcxtExchange } from './exchanges/attached-ccxt.js';
export { type Credentials, ExchangeError, type FundingRate } from './exchanges/exchange-adapter.js';
export type {
  AnswerFormat,
  ExchangeProfile,
  RefusalRule,
  RequestField,
  RetryAfterRule,
  StampFormat,
  StampPlace,
  VerificationCall,
  WindowRule,
} from './exchanges/exchange-profile.js';
export type { RefusalReason } from './exchanges/refusal-reason.js';
export { profileOf, registerExchange } from './exchanges/registry.js';
