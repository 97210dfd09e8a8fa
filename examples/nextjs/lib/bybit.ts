import { BybitConnectorWithCache } from 'connector-state/bybit';
import { connectorState } from './connector-state';

/** Pages, routes and instrumentation.ts are bundled apart: what they are to share stands under `globalThis`. */
const shared = globalThis as { bybitReady?: ReturnType<typeof start> | undefined };

/** The process's connector, ready to sign, with its connection open: made by who asks first. */
export function bybit(): ReturnType<typeof start> {
  shared.bybitReady ??= start().catch(error => {
    // Whoever asks next tries again.
    shared.bybitReady = undefined;
    throw error;
  });
  return shared.bybitReady;
}

async function start() {
  const { cache } = await connectorState();
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
    return { connector, init: await connector.initialize() };
  } catch (error) {
    connector.close();
    throw error;
  }
}
