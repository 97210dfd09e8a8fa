/**
 * connector-state in an Express server: opened once, one connector an account for as long as the process lives, facts
 * flushed in the background, everything stored and closed when the platform says SIGTERM.
 *
 *   npm install express connector-state bybit-api
 *   DATABASE_URL=… BYBIT_API_KEY=… BYBIT_API_SECRET=… PORT=3000 node server.mjs
 */
import { createConnectorState, isConnectorStateError } from 'connector-state';
import { BybitConnectorWithCache } from 'connector-state/bybit';
import express from 'express';

const state = await createConnectorState();
const connector = new BybitConnectorWithCache({
  cache: state.cache,
  userId: 'alice',
  credentialId: 'bybit-main',
  environment: 'MAINNET',
  credentials: { apiKey: process.env.BYBIT_API_KEY ?? '', apiSecret: process.env.BYBIT_API_SECRET ?? '' },
  // Unset in production; the simulator's address to try it out.
  baseUrl: process.env.BYBIT_BASE_URL || undefined,
});
// Before the first request is taken, so that it finds a clock and an open connection.
const { cacheHit, contact } = await connector.initialize();

const app = express();

app.get('/funding/:symbol', async (request, response) => {
  try {
    response.json({ cacheHit, contact, ...(await connector.fundingRate(request.params.symbol)) });
  } catch (error) {
    if (!isConnectorStateError(error)) throw error;
    response.status(502).json({ code: error.code, message: error.message });
  }
});

const server = app.listen(Number(process.env.PORT ?? 3000), '127.0.0.1', () => {
  process.stdout.write(`listening on ${server.address().port}\n`);
});

process.once('SIGTERM', () => {
  server.close(async () => {
    connector.close();
    // As long as the platform gives us until SIGKILL; close() alone does not wait so long for a slow database.
    await state.flush(10_000);
    await state.close();
  });
  server.closeIdleConnections();
});
