/** The exchange simulator, as others import it. */
export { DEMO_ACCOUNT_COUNT, demoAccount } from './accounts.js';
export type { ExecutedOrder } from './dialect.js';
export type { Fault } from './faults.js';
export { COINS } from './funding.js';
export { PASSPHRASE } from './header-signed.js';
export { DEFAULT_KNOBS, type ExchangeKnobs, KNOB_DESCRIPTIONS, type KnobPatch } from './knobs.js';
export type { Counters, RequestRecord } from './request-log.js';
export {
  DEFAULT_SEED,
  type ExchangeSimulator,
  type SimulatedExchangeState,
  type SimulatorOptions,
  type SimulatorState,
  startExchangeSimulator,
} from './simulator.js';
