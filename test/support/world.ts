/**
 * The world a connector lives in, with nothing pretended but the exchanges: a database of its own, the simulator
 * without latency, and any number of processes (each a `createConnectorState` with a clock of its own). All that
 * was opened is closed after the test, connectors first, and a connection left open fails it.
 */

import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, afterEach } from '@jest/globals';
import type { Client } from 'pg';
import {
  type ConnectorState,
  type ConnectorStateOptions,
  createConnectorState,
} from '../../src/composition/connector-state.js';
import { BingxConnectorWithCache } from '../../src/connectors/bingx-with-cache.connector.js';
import { BybitConnectorWithCache } from '../../src/connectors/bybit-with-cache.connector.js';
import type { ConnectorOptions } from '../../src/connectors/options.js';
import '../../src/events/ids.js';
import type { KnownEvent, StoredEvent } from '../../src/events/event.js';
import {
  type ExchangeSimulator,
  type SimulatorOptions,
  startExchangeSimulator,
} from '../../src/exchanges/simulator/index.js';
import { pg } from '../../src/postgres/driver.js';
import { machine } from './clocks.js';
import { createTestDatabase } from './database.js';
import { type KeptLog, keptLog } from './log.js';
import { startTcpProxy, type TcpProxy } from './tcp-proxy.js';
import type { SdkExchange } from './two-exchanges.js';

// Jest cannot link a module that two dynamic imports ask for at once ("request for 'uuid' is not in cache"), as the first
// flush of a process does: so ids.js is loaded above, before either.

export const BOTH: readonly SdkExchange[] = ['BYBIT', 'BINGX'];
export const SYMBOL = { BYBIT: 'BTCUSDT', BINGX: 'BTC-USDT' } as const;
export const ACCOUNT = { apiKey: 'worldKey1', apiSecret: 'worldSecret1' } as const;

const CONNECTOR = { BYBIT: BybitConnectorWithCache, BINGX: BingxConnectorWithCache } as const;

const opened: { close(): unknown }[] = [];
const kept: { close(): unknown }[] = [];

afterEach(() => closeAll(opened));
afterAll(() => closeAll(kept));

async function closeAll(all: { close(): unknown }[]): Promise<void> {
  const failures: unknown[] = [];
  for (const each of all.splice(0).reverse()) {
    await Promise.resolve(each.close()).catch(error => failures.push(error));
  }
  if (failures.length > 0) throw failures[0];
}

/** What was opened so far is closed when all tests of the file are over. */
export function keepForFile(): void {
  kept.push(...opened.splice(0));
}

/** Closed after the test, in the reverse order of opening. */
export function closing<T extends { close(): unknown }>(it: T): T {
  opened.push(it);
  return it;
}

export interface Process extends ConnectorState {
  readonly log: KeptLog;
}

export interface World {
  readonly databaseUrl: string;
  readonly simulator: ExchangeSimulator;
  /** A new process on this database; its memory starts empty, and nothing of its start is under way any more. */
  process(options?: ConnectorStateOptions): Promise<Process>;
  /** The same as soon as it can be used. */
  coldProcess(options?: ConnectorStateOptions): Promise<Process>;
  connector(
    process: ConnectorState,
    exchange: SdkExchange,
    options?: Partial<ConnectorOptions>,
  ): AnyConnector;
  sql<Row extends object = Record<string, unknown>>(text: string, values?: unknown[]): Promise<Row[]>;
  proxy(): Promise<TcpProxy>;
  /**
   * Resolves when the database's clock has moved on by more than a lookup's round trip: times read through two
   * links differ by that much, so only then is "measured later" certain.
   */
  later(): Promise<void>;
}

export type AnyConnector = InstanceType<(typeof CONNECTOR)[SdkExchange]>;

/**
 * As the design decision has it: measure when nothing is known, keep for 15 minutes. What most tests are about does
 * not depend on it, and a measurement is easier to count than its absence; test/connectors/first-contact is about the
 * defaults.
 */
export const SYNC_FIRST = { firstContact: 'sync-first', clockPolicy: 'fixed' } as const;

/** Of every connector of a world: the simulator's hosts have ports of their own in each test. */
export const SIMULATOR_SCOPE = 'simulator';

export const NO_LATENCY = { time: 0, verify: 0, funding: 0 } as const;

export async function givenSimulator(options: SimulatorOptions = {}): Promise<ExchangeSimulator> {
  return closing(
    await startExchangeSimulator({
      accounts: { [ACCOUNT.apiKey]: ACCOUNT.apiSecret },
      ...options,
      knobs: { latencyMs: NO_LATENCY, ...options.knobs },
    }),
  );
}

export async function givenWorld(options: SimulatorOptions = {}): Promise<World> {
  const database = await createTestDatabase();
  closing({ close: () => database.drop() });
  const simulator = await givenSimulator(options);
  let client: Client | undefined;
  const world: World = {
    databaseUrl: database.url,
    simulator,

    async process(processOptions) {
      const process = await world.coldProcess(processOptions);
      await process.ready();
      return process;
    },

    async coldProcess(processOptions = {}) {
      const log = keptLog();
      const state = await createConnectorState({
        databaseUrl: database.url,
        // The machine that runs the tests is busy; what a deadline does has tests of its own.
        lookupDeadlineMs: 10_000,
        // No flush but those the test asks for.
        flushIntervalMs: 600_000,
        logger: log,
        ...SYNC_FIRST,
        // Nobody refreshes early by chance; who must, at a state's very end, does.
        random: () => 1 - Number.EPSILON,
        // Two processes never share a timeline, also when the test plays both.
        clock: machine(),
        ...processOptions,
      });
      return Object.assign(closing(state), { log });
    },

    connector(process, exchange, connectorOptions = {}) {
      return closing(
        new CONNECTOR[exchange]({
          cache: process.cache,
          userId: 'user123',
          credentialId: 'cred456',
          environment: 'TESTNET',
          credentials: ACCOUNT,
          baseUrl: exchange === 'BYBIT' ? simulator.bybitUrl : simulator.bingxUrl,
          clockScope: SIMULATOR_SCOPE,
          ...connectorOptions,
        }),
      );
    },

    async sql<Row extends object>(text: string, values?: unknown[]) {
      if (!client) {
        const connected = new pg.Client({ connectionString: database.url, application_name: 'test' });
        await connected.connect();
        client = connected;
        closing({ close: () => connected.end() });
      }
      return (await client.query<Row>(text, values)).rows;
    },

    proxy: async () => closing(await startTcpProxy(database.url)),

    async later() {
      const now = () =>
        world.sql<{ ms: number }>('SELECT extract(epoch FROM clock_timestamp())::float8 * 1000 AS ms');
      const [before] = await now();
      await eventually(async () => {
        const [after] = await now();
        return (after?.ms ?? 0) > (before?.ms ?? 0) + 500;
      });
    },
  };
  return world;
}

/** How often the exchange was asked for its time. */
export const measurements = (world: World, exchange: SdkExchange): number =>
  world.simulator.requests(exchange).filter(request => request.route === 'time').length;

/** What became of each signed request, in order: `0`, or the code of the refusal. */
export const verifications = (world: World, exchange: SdkExchange): string[] =>
  world.simulator
    .requests(exchange)
    .filter(request => request.route === 'verify')
    .map(request => request.outcome);

type EventOf<T extends KnownEvent['type']> = Extract<KnownEvent, { type: T }>;

export const eventsOf = <T extends KnownEvent['type']>(
  history: readonly StoredEvent[],
  type: T,
): EventOf<T>[] => history.filter((event): event is { decoded: 'known' } & EventOf<T> => event.type === type);

/** Waits for a condition, not for time: polls until it holds, and fails with the last error when it never does. */
export async function eventually(check: () => unknown, timeoutMs = 60_000): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    try {
      if ((await check()) !== false) return;
      if (performance.now() > deadline) throw new Error('the condition never came true');
    } catch (error) {
      if (performance.now() > deadline) throw error;
    }
    await pause(10);
  }
}
