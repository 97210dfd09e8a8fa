/**
 * Exchanges that are not there: Bybit V5 and BingX swap V2, and on demand Binance, OKX, Bitget and KuCoin, on loopback
 * ports, as strict as the real ones about signatures and time, with latency, wrong clocks, outages and faults on demand.
 * Nothing it is told or sent leaves the machine, and it keeps no credential but the accounts it was given.
 */
import { InvalidInputError } from '../../base/errors.js';
import { shown } from '../../base/shown.js';
import { EXCHANGES, type Exchange, type ShippedExchange } from '../../events/connector.js';
import { type Accounts, demoAccounts } from './accounts.js';
import { binanceDialect } from './binance-dialect.js';
import { bingxDialect } from './bingx-dialect.js';
import { bitgetDialect } from './bitget-dialect.js';
import { bybitDialect } from './bybit-dialect.js';
import { startControlDoor } from './control-door.js';
import type { Dialect, ExecutedOrder } from './dialect.js';
import { type Fault, parseFault } from './faults.js';
import { applyPatch, DEFAULT_KNOBS, type ExchangeKnobs, type KnobPatch, parseKnobPatch } from './knobs.js';
import { kucoinDialect } from './kucoin-dialect.js';
import { okxDialect } from './okx-dialect.js';
import { hashOf, seededRandom } from './random.js';
import type { Counters, RequestRecord } from './request-log.js';
import { type SimulatedExchange, startSimulatedExchange } from './simulated-exchange.js';

const DIALECTS: Readonly<Record<ShippedExchange, Dialect>> = {
  BYBIT: bybitDialect,
  BINGX: bingxDialect,
  BINANCE: binanceDialect,
  OKX: okxDialect,
  BITGET: bitgetDialect,
  KUCOIN: kucoinDialect,
};

/** One exchange's, by its name in lower case. */
type ByName<Value> = { readonly [Name in Lowercase<ShippedExchange>]?: Value | undefined };

export interface SimulatorOptions extends ByName<KnobPatch> {
  /** Which exchanges are there, besides Bybit and BingX. Default: none. */
  readonly exchanges?: readonly ShippedExchange[] | undefined;
  /** Loopback ports; 0, the default, for any free one. */
  readonly ports?: (ByName<number> & { readonly control?: number }) | undefined;
  /** Knobs of all exchanges; see {@link DEFAULT_KNOBS}. Those of one are given under its name. */
  readonly knobs?: KnobPatch | undefined;
  /**
   * API key → secret, on all exchanges. The passphrase of those that want one is {@link PASSPHRASE}. Default: the demo
   * accounts.
   */
  readonly accounts?: Readonly<Record<string, string>> | undefined;
  /** Of jitter and of funding rates. Default 1. */
  readonly seed?: number | undefined;
  /** The base clock, epoch milliseconds. Default: this process's, monotonic. */
  readonly now?: (() => number) | undefined;
}

export interface SimulatedExchangeState {
  readonly url: string;
  readonly serverTimeMs: number;
  readonly knobs: ExchangeKnobs;
  readonly pendingFaults: readonly Fault[];
  readonly counters: Counters;
}

export interface SimulatorState {
  readonly controlUrl: string;
  readonly seed: number;
  readonly exchanges: Readonly<Record<string, SimulatedExchangeState>>;
}

/** Where a method takes an exchange and is given none, all are meant. */
export interface ExchangeSimulator {
  readonly bybitUrl: string;
  readonly bingxUrl: string;
  /** @throws InvalidInputError for an exchange that is not there; so do the other methods that take one */
  urlOf(exchange: Exchange): string;
  /** See control-door.ts. */
  readonly controlUrl: string;
  /** Turns knobs; resolves when an outage has begun or ended. @throws InvalidInputError */
  set(patch: KnobPatch, exchange?: Exchange): Promise<void>;
  /** Moves the exchange's clock by `ms`, forward or back. @throws InvalidInputError */
  step(ms: number, exchange?: Exchange): void;
  /** Queues a fault. @throws InvalidInputError */
  fault(fault: Fault, exchange: Exchange): void;
  clearFaults(exchange?: Exchange): void;
  /** The exchange's clock, epoch milliseconds with a fraction. */
  serverTimeMs(exchange: Exchange): number;
  /** The last 10 000 requests of each exchange, oldest first, one exchange after the other. */
  requests(exchange?: Exchange): readonly RequestRecord[];
  counters(exchange: Exchange): Counters;
  /** The orders it executed, whether their senders ever learned of it or not. */
  executed(exchange: Exchange): readonly ExecutedOrder[];
  state(): SimulatorState;
  /** Ends every connection at once, with what was still to be answered. */
  close(): Promise<void>;
}

export const DEFAULT_SEED = 1;
const MAX_STEP_MS = 1e10;
const monotonicNow = () => performance.timeOrigin + performance.now();

/**
 * Simulated exchanges on loopback, as strict as the real ones.
 * @example
 * const simulator = await startExchangeSimulator({ knobs: { skewMs: 47_000 } });
 * const connector = new BybitConnectorWithCache({ ...options, credentials: demoAccount(1), baseUrl: simulator.bybitUrl });
 * simulator.step(3_000, 'BYBIT'); // its clock jumps
 * await simulator.close();
 * @throws InvalidInputError for invalid options, or a port that cannot be had
 */
export async function startExchangeSimulator(options: SimulatorOptions = {}): Promise<ExchangeSimulator> {
  const { ports = {}, seed = DEFAULT_SEED, now = monotonicNow } = options;
  const accounts: Accounts = options.accounts ? new Map(Object.entries(options.accounts)) : demoAccounts();
  const shared = applyPatch(DEFAULT_KNOBS, parseKnobPatch(options.knobs ?? {}));
  const start = async (exchange: ShippedExchange) => {
    const name = exchange.toLowerCase() as Lowercase<ShippedExchange>;
    const { [name]: patch = {} } = options;
    const { [name]: port = 0 } = ports;
    const dialect = DIALECTS[exchange];
    const knobs = applyPatch(shared, parseKnobPatch(patch));
    // A random of its own: what one exchange is asked does not change what the other answers.
    const random = seededRandom(hashOf(`${exchange}/${seed}`));
    const started = await startSimulatedExchange({ dialect, port, accounts, knobs, seed, random, now });
    if (knobs.outage === 'refuse') await started.set({ outage: 'refuse' });
    return started;
  };

  const running: { close(): Promise<void> }[] = [];
  const keep = <T extends { close(): Promise<void> }>(started: T): T => {
    running.push(started);
    return started;
  };
  const close = async () => {
    await Promise.all(running.map(started => started.close()));
  };
  try {
    const wanted = new Set<Exchange>(['BYBIT', 'BINGX', ...(options.exchanges ?? [])]);
    const exchanges = new Map<Exchange, SimulatedExchange>();
    for (const exchange of EXCHANGES) {
      if (wanted.has(exchange)) exchanges.set(exchange, keep(await start(exchange)));
    }
    const simulator = steer(exchanges, seed, () => door.url, close);
    const door = keep(await startControlDoor(ports.control ?? 0, simulator));
    return Object.assign(simulator, { controlUrl: door.url });
  } catch (error) {
    await close();
    throw error;
  }
}

function steer(
  exchanges: ReadonlyMap<Exchange, SimulatedExchange>,
  seed: number,
  controlUrl: () => string,
  close: () => Promise<void>,
): Omit<ExchangeSimulator, 'controlUrl'> {
  const one = (exchange: Exchange): SimulatedExchange => {
    const found = exchanges.get(exchange);
    if (found) return found;
    throw new InvalidInputError(
      `the simulator was not started with ${exchange}: it has ${[...exchanges.keys()].join(', ')}; name others in its option exchanges`,
    );
  };
  const meant = (exchange?: Exchange) => (exchange === undefined ? [...exchanges.values()] : [one(exchange)]);
  const stateOf = (exchange: SimulatedExchange): SimulatedExchangeState => ({
    url: exchange.url,
    serverTimeMs: exchange.serverTimeMs(),
    knobs: exchange.knobs(),
    pendingFaults: exchange.pendingFaults(),
    counters: exchange.log.counters(),
  });
  return {
    bybitUrl: one('BYBIT').url,
    bingxUrl: one('BINGX').url,
    urlOf: exchange => one(exchange).url,
    async set(patch, exchange) {
      const parsed = parseKnobPatch(patch);
      await Promise.all(meant(exchange).map(each => each.set(parsed)));
    },
    step(ms, exchange) {
      if (!Number.isFinite(ms) || Math.abs(ms) > MAX_STEP_MS) {
        throw new InvalidInputError(
          `ms must be a number from -${MAX_STEP_MS} to ${MAX_STEP_MS}, got ${shown(ms)}`,
        );
      }
      for (const each of meant(exchange)) each.step(ms);
    },
    fault(fault, exchange) {
      one(exchange).fault(parseFault(fault));
    },
    clearFaults(exchange) {
      for (const each of meant(exchange)) each.clearFaults();
    },
    serverTimeMs: exchange => one(exchange).serverTimeMs(),
    requests: exchange => meant(exchange).flatMap(each => each.log.records()),
    counters: exchange => one(exchange).log.counters(),
    executed: exchange => one(exchange).executed(),
    state: () => ({
      controlUrl: controlUrl(),
      seed,
      exchanges: Object.fromEntries([...exchanges].map(([name, each]) => [name, stateOf(each)])),
    }),
    close,
  };
}
