/**
 * A program by somebody else, who has the package and nothing else of it: starts one connector of each exchange
 * and says on stdout what came of it.
 *
 * Usage: node program.mjs <bybit URL> <bingx URL>; the rest comes from the environment.
 */
import { createConnectorState } from 'connector-state';
import { BingxConnectorWithCache } from 'connector-state/bingx';
import { BybitConnectorWithCache } from 'connector-state/bybit';

const [bybitUrl, bingxUrl] = process.argv.slice(2);
const state = await createConnectorState();
const options = {
  cache: state.cache,
  userId: 'user123',
  environment: 'TESTNET',
  credentials: { apiKey: 'worldKey1', apiSecret: 'worldSecret1' },
};
const bybit = new BybitConnectorWithCache({ ...options, credentialId: 'bybit', baseUrl: bybitUrl });
const bingx = new BingxConnectorWithCache({ ...options, credentialId: 'bingx', baseUrl: bingxUrl });
const results = [await bybit.initialize(), await bingx.initialize()];
bybit.close();
bingx.close();
await state.flush();
const history = await state.cache.history('user123', 'bybit');
const stats = await state.cache.getStats();
await state.close();
process.stdout.write(JSON.stringify({ results, history: history.map(event => event.type), stats }));
