/**
 * `connector-state/testing`: what a test of code over connectors needs, with nothing outside the process. A clock that the
 * test holds, simulated exchanges, and the cache over facts in memory.
 *
 * What it is not: a database. Promises that a server keeps (durability, other processes, permissions) are tested with one;
 * `createConnectorState()` without a `databaseUrl` starts an embedded PostgreSQL for that.
 */
export {
  COINS,
  type Counters,
  DEFAULT_KNOBS,
  DEMO_ACCOUNT_COUNT,
  demoAccount,
  type ExchangeKnobs,
  type ExchangeSimulator,
  type ExecutedOrder,
  type Fault,
  type KnobPatch,
  PASSPHRASE,
  type RequestRecord,
  type SimulatorOptions,
  startExchangeSimulator,
} from '../exchanges/simulator/index.js';
export { createFakeClock, type FakeClock, type FakeClockOptions } from './fake-clock.js';
export {
  createInMemoryState,
  type InMemoryState,
  type InMemoryStateOptions,
} from './in-memory-state.js';
export type { MemoryStore } from './memory-store.js';

/** For the simulator's `knobs`: it answers at once. */
export const NO_LATENCY = { latencyMs: { time: 0, verify: 0, funding: 0, order: 0 } } as const;
