/**
 * connector-state in an AWS Lambda function (Node.js 20 or newer).
 *
 * What stands outside of the handler runs once an execution environment, in its init phase, and is kept while the
 * environment is frozen between two calls. A call may come an hour later: the first lookup then notices that this host's
 * clocks parted, asks the database anew and drops connections that died meanwhile.
 *
 * Environment: DATABASE_URL, BYBIT_API_KEY, BYBIT_API_SECRET; AUTO_MIGRATE=false, with `connector-state migrate` in the
 * release. With SnapStart nothing that is unique may be made before the snapshot: set OPEN_LAZILY=true, and the first call opens it.
 */
import { createConnectorState } from 'connector-state';
import { BybitConnectorWithCache } from 'connector-state/bybit';

let opened;
// One call at a time in an environment, so one connection is enough.
const open = () => (opened ??= createConnectorState({ poolSize: 1 }));
if (process.env.OPEN_LAZILY !== 'true') await open();

export async function handler() {
  const state = await open();
  const connector = new BybitConnectorWithCache({
    cache: state.cache,
    userId: 'alice',
    credentialId: 'bybit-main',
    environment: 'MAINNET',
    credentials: { apiKey: process.env.BYBIT_API_KEY ?? '', apiSecret: process.env.BYBIT_API_SECRET ?? '' },
    // Unset in production; the simulator's address to try it out.
    baseUrl: process.env.BYBIT_BASE_URL || undefined,
  });
  try {
    const { cacheHit, contact } = await connector.initialize();
    const funding = await connector.fundingRate('BTCUSDT');
    return { statusCode: 200, body: JSON.stringify({ cacheHit, contact, rate: funding.rate }) };
  } finally {
    connector.close();
    // Lambda freezes the process once this promise has settled: what is not stored by then waits for the next call.
    await state.flush(2_000);
  }
}
