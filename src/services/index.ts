/** `connector-state/services` */
export {
  type Failure,
  type FundingArbitrageOptions,
  FundingArbitrageService,
  type HedgedPosition,
  type Leg,
  type LegReport,
  type PositionReport,
  type RestoreReport,
} from './funding-arbitrage.service.js';
export type { FundingTime } from './funding-times.js';
export {
  type ClockHost,
  type WarmedClock,
  type WarmOptions,
  type WarmUpOptions,
  type WarmUpReport,
  WarmUpService,
} from './warm-up.service.js';
