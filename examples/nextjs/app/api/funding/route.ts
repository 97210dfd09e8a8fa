import { isConnectorStateError } from 'connector-state';
import { after } from 'next/server';
import { bybit } from '../../../lib/bybit';
import { connectorState } from '../../../lib/connector-state';

export async function GET() {
  const { flush } = await connectorState();
  // What was learned on the way is stored and projected once the response is sent.
  after(() => flush(5_000));
  try {
    const { connector, init } = await bybit();
    return Response.json({ init, funding: await connector.fundingRate('BTCUSDT') });
  } catch (error) {
    if (!isConnectorStateError(error)) throw error;
    return Response.json({ code: error.code, message: error.message }, { status: 502 });
  }
}
