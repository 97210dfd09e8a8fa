/**
 * connector-state in a Cloudflare Worker: a signed request by the clock that connectors elsewhere measured and
 * `connector-state publish-clocks` put into Workers KV. The first request of an isolate costs one read of KV and one call
 * to the exchange. Exchanges refuse some regions and edge addresses: read docs/edge.md first.
 *
 * wrangler.toml: a KV namespace bound as CLOCKS; secrets BYBIT_API_KEY and BYBIT_API_SECRET.
 */
import { createEdgeClock, createEdgeConnector } from 'connector-state/edge';

/** Once an isolate; what it learns of its own clock stays in it. */
let clock;

export default {
  async fetch(_request, env) {
    clock ??= createEdgeClock({
      exchange: 'BYBIT',
      environment: 'MAINNET',
      // Unset in production; the simulator's to try it out.
      ...(env.BYBIT_BASE_URL && { baseUrl: env.BYBIT_BASE_URL, scope: env.CLOCK_SCOPE }),
    });
    const connector = createEdgeConnector({
      clock,
      source: env.CLOCKS,
      apiKey: env.BYBIT_API_KEY,
      apiSecret: env.BYBIT_API_SECRET,
    });
    const answer = await connector.request('/v5/account/wallet-balance', {
      query: { accountType: 'UNIFIED' },
    });
    const { retCode, retMsg } = await answer.json();
    // No account figure leaves the Worker here.
    return Response.json(
      { retCode, retMsg, clock: clock.now().status },
      { status: retCode === 0 ? 200 : 502 },
    );
  },
};
