/** connector-state/edge: for Workers, edge functions, Deno and browsers. Uses `fetch` and Web Crypto, nothing of Node. */
export { ConnectorStateError, InvalidInputError } from '../base/errors.js';
export { type CloudflareKvOptions, cloudflareKv } from './cloudflare-kv.js';
export {
  type ClockSource,
  createEdgeClock,
  createEdgeConnector,
  type EdgeClockOptions,
  type EdgeConnector,
  type EdgeConnectorOptions,
  type EdgeRequest,
  type SharedEdgeClock,
} from './connector.js';
export type { EdgeTime } from './edge-clock.js';
export {
  type ClockName,
  decodeClock,
  encodeClock,
  keyOfClock,
  type PublishedClock,
  type UnusableReason,
} from './published-clock.js';
export { ClockPublisher, type ClockStore, type PublisherOptions, type PublishOutcome } from './publisher.js';
