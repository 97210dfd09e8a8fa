/** An exchange whose timestamps are whole seconds: Gate as registerExchange()'s example has it, through ccxt's real class. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { beforeAll, expect, it } from '@jest/globals';
import { CcxtConnectorWithCache } from '../../src/connectors/ccxt-with-cache.connector.js';
import type { CcxtClass } from '../../src/exchanges/attached-ccxt.js';
import { registerExchange } from '../../src/exchanges/registry.js';
import { ccxtClass } from '../support/ccxt.js';
import { GATE } from '../support/gate-profile.js';
import { ACCOUNT, closing, givenWorld } from '../support/world.js';

const NAME = 'GATE_TEST';
const WINDOW_MS = GATE.window.defaultMs;
registerExchange({ ...GATE, name: NAME });

let Gate: CcxtClass;
beforeAll(async () => {
  Gate = await ccxtClass('gate');
});

/** Its rules of time, and nothing else of it. */
async function givenGate() {
  const exchange = { skewMs: 0, outcomes: [] as string[], url: '' };
  const answer = (request: IncomingMessage, response: ServerResponse) => {
    const nowMs = Date.now() + exchange.skewMs;
    const tell = (status: number, body: object) =>
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    if (request.url?.startsWith('/api/v4/spot/time')) return tell(200, { server_time: nowMs });
    const stamp = String(request.headers.timestamp);
    expect(stamp).toMatch(/^\d{10}$/);
    const isIn = Math.abs(Number(stamp) * 1000 - nowMs) <= WINDOW_MS;
    exchange.outcomes.push(isIn ? 'taken' : 'refused');
    if (isIn) return tell(200, { user_id: 1 });
    return tell(403, { label: 'REQUEST_EXPIRED', message: `gap ${stamp}` });
  };
  const server = createServer(answer);
  closing({ close: () => new Promise(resolve => server.close(resolve)) });
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  exchange.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return exchange;
}

async function given(skewMs: number) {
  const gate = await givenGate();
  gate.skewMs = skewMs;
  const world = await givenWorld();
  const process = await world.process();
  const connector = closing(
    new CcxtConnectorWithCache({
      cache: process.cache,
      exchange: NAME,
      ccxt: Gate,
      userId: 'alice',
      credentialId: 'gate-main',
      environment: 'MAINNET',
      credentials: ACCOUNT,
      baseUrl: gate.url,
      clockScope: 'gate',
    }),
  );
  const { apiKey, apiSecret: secret } = ACCOUNT;
  const client = new (connector.attach(Gate))({ apiKey, secret, enableRateLimit: false }) as unknown as {
    urls: { api: object };
    privateAccountGetDetail(): Promise<{ user_id: string }>;
  };
  client.urls.api = JSON.parse(JSON.stringify(client.urls.api).replaceAll(/https:\/\/[^/"]+/g, gate.url));
  return { gate, connector, client };
}

it('finds a clock that is far off, and signs in one go afterwards', async () => {
  const { gate, connector, client } = await given(600_000);
  await connector.initialize();
  expect(gate.outcomes.at(-1)).toBe('taken');
  gate.outcomes.length = 0;
  await client.privateAccountGetDetail();
  expect(gate.outcomes).toEqual(['taken']);
});

it('heals an attached client’s request that is refused for its timestamp, however many there are in a second', async () => {
  const { gate, connector, client } = await given(0);
  await connector.initialize();
  gate.outcomes.length = 0;
  gate.skewMs = 600_000;
  const answers = await Promise.all([1, 2, 3].map(() => client.privateAccountGetDetail()));
  expect(answers.map(({ user_id: id }) => Number(id))).toEqual([1, 1, 1]);
  expect(gate.outcomes.filter(outcome => outcome === 'taken')).toHaveLength(3);
  expect(Math.abs(connector.exchangeNow() - Date.now() - gate.skewMs)).toBeLessThan(5_000);
});
