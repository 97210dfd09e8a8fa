/**
 * One connector, initialised without the cache and twice with it, with nothing to sign up for: the exchange is the simulator, the database
 * is the embedded PostgreSQL under .data/quickstart.
 *
 *   npm ci && node examples/quickstart.mjs
 *
 * The second initialisation runs over a fresh `createConnectorState`, so nothing of the first is left in
 * memory, as in the next serverless function. Run the script again within some hours and the first one is
 * a hit too: the state is in the database. A configured DATABASE_URL or EVENT_STORE_URL is left alone, so that what
 * a simulator says never lies beside what an exchange said.
 */
import { createConnectorState } from 'connector-state';
import { BybitConnectorWithCache } from 'connector-state/bybit';
import { demoAccount, startExchangeSimulator } from 'connector-state/simulator';

for (const name of ['DATABASE_URL', 'EVENT_STORE_URL']) {
  if (!process.env[name]) continue;
  process.stdout.write(
    `${name} is left alone: the quickstart uses a database of its own, .data/quickstart.\n`,
  );
  delete process.env[name];
}

// It is as far away as an exchange is from a function: a time sync takes 1.5 s, a signed call 0.2 s.
const exchange = await startExchangeSimulator({ bybit: { skewMs: 145 } });

async function initialiseOnce(label, cacheMode = 'on') {
  const state = await createConnectorState({ dataDir: '.data/quickstart', logLevel: 'warn', cacheMode });
  const connector = new BybitConnectorWithCache({
    cache: state.cache,
    userId: 'alice',
    credentialId: 'bybit-main',
    environment: 'TESTNET',
    credentials: demoAccount(1),
    baseUrl: exchange.bybitUrl,
    // The simulator has another port each time, and is one clock to us all the same.
    clockScope: 'quickstart',
  });
  const { cacheHit, tier, durationMs, offsetMs, uncertaintyMs } = await connector.initialize();
  process.stdout.write(
    `${label}: ${cacheMode === 'off' ? 'no cache' : cacheHit ? `hit (${tier})` : 'miss'} in ${Math.round(durationMs)} ms, ` +
      `offset ${offsetMs.toFixed(1)} ± ${uncertaintyMs.toFixed(1)} ms\n`,
  );
  const { rate } = await connector.fundingRate('BTCUSDT');
  process.stdout.write(`${label}: BTCUSDT funding rate ${rate}\n`);
  connector.close();
  // A serverless function hands this to after(); see examples/nextjs.
  await state.flush();
  await state.close();
}

await initialiseOnce('before', 'off');
await initialiseOnce('first ');
await initialiseOnce('second');
await exchange.close();
