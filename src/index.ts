/**
 * connector-state: the package's entry point. The connectors are under `connector-state/bybit` and
 * `connector-state/bingx`, so that using one exchange does not load the other's SDK.
 */

export {
  ClockUncertainError,
  ConnectorStateError,
  type ErrorCode,
  InvalidInputError,
  InvalidSettingsError,
  isConnectorStateError,
} from './base/errors.js';
export type { Logger } from './base/logging.js';
export {
  type AuthFailure,
  type CacheStats,
  ConnectorStateCacheService,
  type Trace,
} from './cache/connector-state-cache-service.js';
export type { Explanation } from './cache/explanation.js';
export type { HistoryEntry, StateAt } from './cache/history.js';
export type { HistoryOptions, HistoryPage } from './cache/history-page.js';
export {
  appliedOffset,
  type Hit,
  type Lookup,
  type LookupOptions,
  type Miss,
  type UsableState,
} from './cache/lookup.js';
export { type MeasuredOffset, measuredFromSample } from './cache/measurement.js';
export type { CacheMode, FirstContact } from './cache/modes.js';
export type { MissReason } from './cache/offset-state.js';
export type { FlushResult, RecorderStats } from './cache/recorder.js';
export type { HostClock } from './clock/host-clock.js';
export type { ClockSample, OffsetEstimate, RateBound } from './clock/offset.js';
export type { Timers } from './clock/timers.js';
export type { ClockPolicy, TtlDecision, TtlFigures } from './clock/ttl.js';
export {
  type ConnectorState,
  type ConnectorStateOptions,
  createConnectorState,
} from './composition/connector-state.js';
export type { Settings } from './composition/settings.js';
export type { ConnectorWithCache, InitResult } from './connectors/connector-with-cache.js';
export type { ClockStatus, ExchangeTime } from './connectors/exchange-time.js';
export type { ConnectorOptions } from './connectors/options.js';
export type {
  AppendOptions,
  AppendResult,
  EventStore,
  Page,
  SubscribeOptions,
} from './event-store/event-store.js';
export type { Contact, SyncTrigger, Tier } from './events/catalogue.js';
export {
  type ConnectorRef,
  type CredentialRef,
  cacheKeyOf,
  ENVIRONMENTS,
  type Environment,
  EXCHANGES,
  type Exchange,
} from './events/connector.js';
export type { Fact, KnownEvent, NewEvent, Position, StoredEvent } from './events/event.js';
export { type Credentials, ExchangeError, type FundingRate } from './exchanges/exchange-adapter.js';
export type { EventFeed, FeedMessage, FeedOptions } from './feed/event-feed.js';
export type { FeedFilter } from './feed/feed-filter.js';
export type { CutOffReason, ResetReason } from './feed/follow.js';
export type { ClockForecast, ConnectorForecast } from './forecast/forecasts.js';
export type {
  FundingArbitrageOptions,
  FundingArbitrageService,
  HedgedPosition,
  Leg,
  RestoreReport,
} from './services/funding-arbitrage.service.js';
