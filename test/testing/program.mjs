/** A user's test, as a program: the package by its name. */
import { BybitConnectorWithCache } from 'connector-state/bybit';
import {
  createFakeClock,
  createInMemoryState,
  demoAccount,
  NO_LATENCY,
  startExchangeSimulator,
} from 'connector-state/testing';

const clock = createFakeClock();
const simulator = await startExchangeSimulator({
  now: clock.trueNow,
  knobs: { ...NO_LATENCY, skewMs: 47_000 },
});
const state = createInMemoryState({ clock });
const connector = new BybitConnectorWithCache({
  cache: state.cache,
  userId: 'alice',
  credentialId: 'main',
  environment: 'TESTNET',
  credentials: demoAccount(1),
  baseUrl: simulator.bybitUrl,
});
const { contact, authFailures } = await connector.initialize();
const synced = (await state.facts('ConnectorSynced')).length;
const executed = simulator.executed('BYBIT').length;
process.stdout.write(JSON.stringify({ contact, authFailures, synced, executed }));
connector.close();
await state.close();
await simulator.close();
