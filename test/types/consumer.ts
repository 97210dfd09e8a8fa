/**
 * What users write, compiled against the packed package by scripts/check-package.mjs under every way in which TypeScript
 * finds modules. Not run. An expected error that does not come is an error.
 */
import {
  type CacheStats,
  type ConnectorRef,
  type ConnectorState,
  type ConnectorWithCache,
  createConnectorState,
  ExchangeError,
  type InitResult,
  isConnectorStateError,
  type Lookup,
} from 'connector-state';
import { BybitConnectorWithCache, type ConnectorOptions } from 'connector-state/bybit';
import { sharedConnectorState, withConnectorState } from 'connector-state/next';
import { FundingArbitrageService, type RestoreReport } from 'connector-state/services';
import { type ExchangeSimulator, startExchangeSimulator } from 'connector-state/simulator';

export async function use(): Promise<InitResult> {
  const state: ConnectorState = await createConnectorState({ poolSize: 2, cacheMode: 'on' });
  const options: ConnectorOptions = {
    cache: state.cache,
    userId: 'alice',
    credentialId: 'bybit-main',
    environment: 'MAINNET',
    credentials: { apiKey: 'key', apiSecret: 'secret' },
  };
  const connector = new BybitConnectorWithCache(options);
  const either: ConnectorWithCache = connector;
  const result = await either.initialize();
  const offset: number = result.offsetMs;
  const ref: ConnectorRef = connector.ref;
  const lookup: Lookup = await state.cache.get(ref);
  if (lookup.hit) lookup.state.expiresAtMs.toFixed();
  else lookup.reason.toUpperCase();
  const stats: CacheStats = await state.cache.getStats();
  await state.cache.invalidate(ref, 'me');
  await state.cache.invalidate('alice', 'bybit-main');
  const entries = [await state.cache.history(ref), await state.cache.history('alice', 'bybit-main')];
  for await (const entry of state.cache.historyStream(ref, { limit: 10 })) entry.type.toUpperCase();
  await state.cache.stateAt(ref, Date.now());
  const { ok } = await state.flush(5_000);

  // @ts-expect-error misspelt
  await createConnectorState({ poolsize: 2 });
  // @ts-expect-error not one of them
  await createConnectorState({ cacheMode: 'maybe' });
  // @ts-expect-error internal
  state.cache.adopt(ref, undefined, 'absent');
  // @ts-expect-error internal
  state.cache.condemn(ref);
  // @ts-expect-error internal
  state.cache.inBackground(Promise.resolve());
  // @ts-expect-error internal
  state.cache.random();
  // @ts-expect-error no such environment
  new BybitConnectorWithCache({ ...options, environment: 'DEVNET' });

  return ok && offset > stats.hitRate + entries.length ? result : either.initialize();
}

export async function restore(state: ConnectorState): Promise<RestoreReport> {
  return new FundingArbitrageService({ cache: state.cache, concurrency: 4 }).restore([]);
}

export function explain(error: unknown): string {
  if (error instanceof ExchangeError) return `${error.exchange} ${error.exchangeCode} ${error.reason}`;
  return isConnectorStateError(error, 'PACKAGE_MISSING') ? error.message : 'something else';
}

export async function inNext(): Promise<unknown> {
  const { cache, flush } = await sharedConnectorState({ poolSize: 1 });
  void cache.peek;
  void flush;
  return withConnectorState({ output: 'standalone' as const });
}

export const simulate = (): Promise<ExchangeSimulator> => startExchangeSimulator();
