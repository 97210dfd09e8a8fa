/**
 * bybit-api's REST client attached to a connector, against the same client bare: both send one signed request after the
 * other, in turns of short rounds. Over the simulator the network is in both; over an adapter that answers from memory
 * the SDK alone is, so that what attaching adds is seen without the network's noise.
 */
import { RestClientV5 } from 'bybit-api';
import { BybitConnectorWithCache } from '../../src/bybit.js';
import { demoAccount, startExchangeSimulator } from '../../src/exchanges/simulator/index.js';
import { createConnectorState } from '../../src/index.js';
import { median } from '../statistics.js';
import { answer, readTask } from './task.js';

export interface AttachedTask {
  readonly databaseUrl: string;
  readonly rounds: number;
  readonly requestsPerRound: number;
}

/** Microseconds a request. */
export interface Compared {
  readonly bareUs: number;
  readonly attachedUs: number;
  /** Median of the rounds' differences, and of their ratios. */
  readonly addedUs: number;
  readonly ratio: number;
}

export interface AttachedAnswer {
  readonly fromMemory: Compared;
  readonly overSimulator: Compared;
}

const task = readTask<AttachedTask>();
const simulator = await startExchangeSimulator({
  knobs: { latencyMs: { time: 0, verify: 0, funding: 0, order: 0 } },
});
const state = await createConnectorState({
  databaseUrl: task.databaseUrl,
  lookupDeadlineMs: 5_000,
  logLevel: 'silent',
  projection: 'worker',
  flushIntervalMs: 600_000,
});
const { apiKey, apiSecret } = demoAccount(1);
const connector = new BybitConnectorWithCache({
  cache: state.cache,
  userId: 'bench',
  credentialId: 'bench',
  environment: 'TESTNET',
  credentials: { apiKey, apiSecret },
  baseUrl: simulator.bybitUrl,
});
await connector.initialize();

const options = { key: apiKey, secret: apiSecret, baseUrl: simulator.bybitUrl };
// biome-ignore lint/suspicious/noExplicitAny: axios's type of an adapter is not the SDK's to give.
const fromMemory = async (config: any) => ({
  data: `{"retCode":0,"retMsg":"","result":{},"retExtInfo":{},"time":${Math.floor(simulator.serverTimeMs('BYBIT'))}}`,
  status: 200,
  statusText: 'OK',
  headers: {},
  config,
});
const Attached = connector.attach(RestClientV5);

async function round(client: RestClientV5): Promise<number> {
  const startedMs = performance.now();
  for (let n = 0; n < task.requestsPerRound; n++) {
    const { retCode } = await client.getQueryApiKey();
    if (retCode !== 0) throw new Error(`refused with ${retCode}`);
  }
  return ((performance.now() - startedMs) * 1_000) / task.requestsPerRound;
}

async function compare(network: object): Promise<Compared> {
  const [bare, attached] = [new RestClientV5(options, network), new Attached(options, network)];
  const pairs: { bareUs: number; attachedUs: number }[] = [];
  for (let n = -2; n < task.rounds; n++) {
    const isBareFirst = n % 2 === 0;
    const first = await round(isBareFirst ? bare : attached);
    const second = await round(isBareFirst ? attached : bare);
    // The first two rounds compile.
    if (n >= 0)
      pairs.push({ bareUs: isBareFirst ? first : second, attachedUs: isBareFirst ? second : first });
  }
  return {
    bareUs: median(pairs.map(({ bareUs }) => bareUs)),
    attachedUs: median(pairs.map(({ attachedUs }) => attachedUs)),
    addedUs: median(pairs.map(({ bareUs, attachedUs }) => attachedUs - bareUs)),
    ratio: median(pairs.map(({ bareUs, attachedUs }) => attachedUs / bareUs)),
  };
}

const result: AttachedAnswer = {
  fromMemory: await compare({ adapter: fromMemory }),
  overSimulator: await compare({}),
};
connector.close();
await state.close();
await simulator.close();
answer(result);
