/** `connector-state/services` */
export {
  type Failure,
  FundingArbitrageService,
  type HedgedPosition,
  type Leg,
  type LegReport,
  type PositionReport,
  type RestoreReport,
} from './funding-arbitrage.service.js';
