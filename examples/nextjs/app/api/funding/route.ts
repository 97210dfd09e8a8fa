import { isConnectorStateError } from 'connector-state';
import { BybitConnectorWithCache } from 'connector-state/bybit';
import { after } from 'next/server';
import { connectorState } from '../../../lib/connector-state';

export async function GET() {
  const { cache, flush } = await connectorState();
  // What was learned on the way is stored and projected once the response is sent.
  after(() => flush(5_000));

  const connector = new BybitConnectorWithCache({
    cache,
    userId: 'alice',
    credentialId: 'bybit-main',
    environment: 'MAINNET',
    credentials: {
      apiKey: process.env.BYBIT_API_KEY ?? '',
      apiSecret: process.env.BYBIT_API_SECRET ?? '',
    },
    // Unset in production; the simulator's address to try it out.
    baseUrl: process.env.BYBIT_BASE_URL || undefined,
  });
  try {
    const init = await connector.initialize();
    return Response.json({ init, funding: await connector.fundingRate('BTCUSDT') });
  } catch (error) {
    if (!isConnectorStateError(error)) throw error;
    return Response.json({ code: error.code, message: error.message }, { status: 502 });
  } finally {
    connector.close();
  }
}
