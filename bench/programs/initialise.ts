/**
 * What a serverless function does: load the code, open the state, initialise one connector, answer, and store
 * the facts afterwards. Or, as the peer, the same without the state: load the adapter and make the one signed
 * call that nobody can avoid, with a clock that happens to be right.
 *
 * The exchange's own share of an init is measured by bare signed calls, in the same process and over a
 * connection that is open already, by which time all code involved is loaded and compiled.
 */
import type { Exchange } from '../../src/events/connector.js';
import type { AdapterOptions, Credentials, ExchangeAdapter } from '../../src/exchanges/exchange-adapter.js';
import { median } from '../statistics.js';
import { answer, readTask } from './task.js';

export interface InitialiseTask {
  readonly exchange: Exchange;
  readonly withState: boolean;
  readonly databaseUrl: string;
  readonly baseUrl: string;
  readonly credentials: Credentials;
}

export interface InitialiseAnswer {
  /** From the start of the process until the code was loaded. */
  readonly loadedMs: number;
  /** Opening the state: pool, first connection, look at the schema's version. */
  readonly openMs: number;
  /** `initialize()`; for the peer its first signed call. */
  readonly initMs: number;
  /** The next call of it in the same process, as the first request of one that was warmed makes it: one signed call. */
  readonly warmedMs: number | undefined;
  /** Processor time of the two, all threads: unlike `openMs` and `initMs` neighbours hardly change it. */
  readonly openCpuMs: number;
  readonly initCpuMs: number;
  /** Bare signed calls on an open connection, the median. */
  readonly verifyMs: number;
  readonly tier: string | null;
  readonly readyMb: number;
  /** After the facts were stored and projected. */
  readonly flushedMb: number;
  readonly peakMb: number;
}

const BARE_CALLS = 5;
const ENVIRONMENT = 'TESTNET';
const cpuMs = () => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000;
};
const rssMb = () => process.memoryUsage.rss() / 1e6;

type CreateAdapter = (options: AdapterOptions) => ExchangeAdapter;

async function initialiseWithState(task: InitialiseTask): Promise<InitialiseAnswer> {
  const { createConnectorState } = await import('../../src/index.js');
  const Connector =
    task.exchange === 'BYBIT'
      ? (await import('../../src/bybit.js')).BybitConnectorWithCache
      : (await import('../../src/bingx.js')).BingxConnectorWithCache;
  const loadedMs = performance.now();
  const loadedCpuMs = cpuMs();

  const { baseUrl, credentials } = task;
  const state = await createConnectorState({
    databaseUrl: task.databaseUrl,
    logLevel: 'info',
    logFormat: 'json',
  });
  const connector = new Connector({
    cache: state.cache,
    userId: 'bench',
    credentialId: task.exchange.toLowerCase(),
    environment: ENVIRONMENT,
    baseUrl,
    credentials,
  });
  const openMs = performance.now() - loadedMs;
  const openedCpuMs = cpuMs();
  const { durationMs: initMs, tier } = await connector.initialize();
  const initCpuMs = cpuMs() - openedCpuMs;
  const readyMb = rssMb();
  const { durationMs: warmedMs } = await connector.initialize();

  const verifyMs = await bareVerifyMs(await loadAdapter(task.exchange), task, () => connector.timestamp());
  connector.close();
  await state.flush();
  const flushedMb = rssMb();
  await state.close();
  const openCpuMs = openedCpuMs - loadedCpuMs;
  return {
    ...{ loadedMs, openMs, initMs, warmedMs, openCpuMs, initCpuMs, verifyMs, tier },
    ...{ readyMb, flushedMb, peakMb: peakMb() },
  };
}

async function verifyWithoutState(task: InitialiseTask): Promise<InitialiseAnswer> {
  const create = await loadAdapter(task.exchange);
  const loadedMs = performance.now();
  const loadedCpuMs = cpuMs();
  const adapter = create(optionsOf(task, () => Math.floor(Date.now())));
  await adapter.verifyAccount();
  const initMs = performance.now() - loadedMs;
  const initCpuMs = cpuMs() - loadedCpuMs;
  const readyMb = rssMb();
  adapter.close();
  const verifyMs = await bareVerifyMs(create, task, () => Math.floor(Date.now()));
  return {
    ...{ loadedMs, openMs: 0, initMs, warmedMs: undefined, openCpuMs: 0, initCpuMs, verifyMs, tier: null },
    ...{ readyMb, flushedMb: readyMb, peakMb: peakMb() },
  };
}

const loadAdapter = async (exchange: Exchange): Promise<CreateAdapter> =>
  exchange === 'BYBIT'
    ? (await import('../../src/exchanges/bybit/index.js')).createBybitAdapter
    : (await import('../../src/exchanges/bingx/index.js')).createBingxAdapter;

async function bareVerifyMs(create: CreateAdapter, task: InitialiseTask, timestamp: () => number) {
  const adapter = create(optionsOf(task, timestamp));
  await adapter.verifyAccount();
  const durations: number[] = [];
  for (let call = 0; call < BARE_CALLS; call++) {
    const startedMs = performance.now();
    await adapter.verifyAccount();
    durations.push(performance.now() - startedMs);
  }
  adapter.close();
  return median(durations);
}

const optionsOf = ({ baseUrl, credentials }: InitialiseTask, timestamp: () => number): AdapterOptions => ({
  environment: ENVIRONMENT,
  baseUrl,
  credentials,
  timestamp,
  now: () => performance.timeOrigin + performance.now(),
});

/** The system counts in kibibytes. */
const peakMb = () => (process.resourceUsage().maxRSS * 1024) / 1e6;

const task = readTask<InitialiseTask>();
answer(await (task.withState ? initialiseWithState(task) : verifyWithoutState(task)));
