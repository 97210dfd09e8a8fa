/** Signed requests with `fetch` and Web Crypto alone, as the exchanges' own rules judge them. */
import { describe, expect, it } from '@jest/globals';
import {
  createEdgeClock,
  createEdgeConnector,
  type EdgeConnectorOptions,
  encodeClock,
  keyOfClock,
} from '../../src/edge/index.js';
import type { SdkExchange } from '../support/two-exchanges.js';
import { ACCOUNT, BOTH, givenSimulator } from '../support/world.js';

const VERIFY = {
  BYBIT: { path: '/v5/account/wallet-balance', query: { accountType: 'UNIFIED' } },
  BINGX: { path: '/openApi/swap/v2/user/balance', query: { note: 'a b+c/ü' } },
} as const;
const ORDER = {
  BYBIT: {
    path: '/v5/order/create',
    body: { category: 'linear', symbol: 'BTCUSDT', side: 'Buy', orderType: 'Market', qty: '0.001' },
  },
  BINGX: {
    path: '/openApi/swap/v2/trade/order',
    body: { symbol: 'BTC-USDT', side: 'BUY', positionSide: 'LONG', type: 'MARKET', quantity: 0.001 },
  },
} as const;
const SCOPE = 'simulator';

async function givenEdge(exchange: SdkExchange, skewMs: number, options: Partial<EdgeConnectorOptions> = {}) {
  const simulator = await givenSimulator({ knobs: { skewMs } });
  const baseUrl = exchange === 'BYBIT' ? simulator.bybitUrl : simulator.bingxUrl;
  const clock = createEdgeClock({ exchange, environment: 'MAINNET', baseUrl, scope: SCOPE });
  const connector = createEdgeConnector({ clock, ...ACCOUNT, ...options });
  const verify = async () =>
    (await connector.request(VERIFY[exchange].path, { query: VERIFY[exchange].query })).json();
  const signed = () =>
    simulator.requests(exchange).filter(({ route }) => route === 'verify' || route === 'order').length;
  return { simulator, clock, connector, verify, signed };
}

const published = (exchange: SdkExchange, offsetMs: number) => {
  const name = { exchange, environment: 'MAINNET', scope: SCOPE };
  const text = encodeClock({
    ...name,
    estimate: { offsetMs, uncertaintyMs: 20, atMs: Date.now() },
    epoch: 3,
    isValid: true,
  });
  return { get: async (key: string) => (key === keyOfClock(name) ? text : null) };
};

const isOk = (exchange: SdkExchange) => (exchange === 'BYBIT' ? { retCode: 0 } : { code: 0 });

describe.each(BOTH)('an edge connector of %s', exchange => {
  it('signs by a published clock what is accepted at once, however far the exchange’s clock is off', async () => {
    const { verify, signed, connector } = await givenEdge(exchange, 47_000, {
      source: published(exchange, 47_000),
    });
    expect(await verify()).toMatchObject(isOk(exchange));
    expect(signed()).toBe(1);
    expect(connector.now().status).toBe('synchronized');
    expect(await verify()).toMatchObject(isOk(exchange));
    expect(signed()).toBe(2);
  });

  it('heals with one refusal where nothing is published, for all connectors of its clock', async () => {
    const { verify, signed, clock } = await givenEdge(exchange, -90_000);
    expect(await verify()).toMatchObject(isOk(exchange));
    expect(signed()).toBe(2);
    const other = createEdgeConnector({ clock, ...ACCOUNT });
    await other.request(VERIFY[exchange].path, { query: VERIFY[exchange].query });
    expect(signed()).toBe(3);
  });

  it('heals a step with one refusal', async () => {
    const { simulator, verify, signed, clock } = await givenEdge(exchange, 0);
    await verify();
    simulator.step(8_000, exchange);
    expect(await verify()).toMatchObject(isOk(exchange));
    expect(signed()).toBe(3);
    expect(clock.now().epoch).toBe(2);
    const { earliestMs, latestMs } = clock.now();
    const exchangeMs = simulator.serverTimeMs(exchange);
    expect(earliestMs).toBeLessThanOrEqual(exchangeMs);
    expect(latestMs).toBeGreaterThan(exchangeMs - 100);
  });

  it('places an order, once, also when the first was refused for its time', async () => {
    const { simulator, connector } = await givenEdge(exchange, 30_000);
    const { path, body } = ORDER[exchange];
    const answer = await (await connector.request(path, { method: 'POST', body })).json();
    expect(answer).toMatchObject(isOk(exchange));
    expect(simulator.executed(exchange)).toHaveLength(1);
  });

  it.each(['reset', 'malformed-json', 'cut'] as const)(
    'never sends an order again whose answer was lost (%s)',
    async kind => {
      const { simulator, connector, verify, signed } = await givenEdge(exchange, 0);
      await verify();
      const fault = kind === 'cut' ? ({ kind: 'body', body: '' } as const) : ({ kind } as const);
      simulator.fault({ ...fault, route: 'order' }, exchange);
      const { path, body } = ORDER[exchange];
      const outcome = await connector.request(path, { method: 'POST', body }).catch(error => error);
      if (kind === 'reset') expect(outcome).toMatchObject({ code: 'EXCHANGE_UNREACHABLE' });
      expect(String(outcome)).not.toContain(ACCOUNT.apiSecret);
      expect(String(outcome)).not.toContain('signature');
      expect(signed()).toBe(2);
    },
  );

  it('learns nothing from an answer that a cache may have replayed', async () => {
    const { simulator, verify, clock } = await givenEdge(exchange, 300, { source: published(exchange, 300) });
    await simulator.set({ ageSeconds: 120, toldTime: 'right' }, exchange);
    await verify();
    expect(clock.now().status).toBe('holdover');
  });

  it.each([
    ['malformed', '{'],
    ['malformed', '"text"'],
    ['other-version', '{"v":2}'],
    ['condemned', undefined],
    ['other-clock', 'other'],
    ['absent', null],
  ])('says why it does not use what was published: %s', async (reason, value) => {
    const reasons: string[] = [];
    const good = JSON.parse(
      (await published(exchange, 0).get(keyOfClock({ exchange, environment: 'MAINNET', scope: SCOPE }))) ??
        '',
    );
    const text =
      reason === 'condemned'
        ? JSON.stringify({ ...good, isValid: false })
        : value === 'other'
          ? JSON.stringify({ ...good, scope: 'default' })
          : (value as string | null);
    const { verify } = await givenEdge(exchange, 0, {
      source: { get: async () => text },
      onUnusable: it => reasons.push(it),
    });
    expect(await verify()).toMatchObject(isOk(exchange));
    expect(reasons).toEqual([reason]);
  });

  it('goes on without a source that fails or hangs', async () => {
    const reasons: string[] = [];
    const onUnusable = (it: string) => reasons.push(it);
    const failing = await givenEdge(exchange, 0, {
      source: { get: () => Promise.reject(new Error('no')) },
      onUnusable,
    });
    await failing.verify();
    const hanging = await givenEdge(exchange, 0, {
      source: { get: () => new Promise(() => undefined) },
      sourceDeadlineMs: 1,
      onUnusable,
    });
    await hanging.verify();
    expect(reasons).toEqual(['failed', 'late']);
  });

  it('returns a refusal for another reason as the exchange told it', async () => {
    const { connector, signed } = await givenEdge(exchange, 0, { apiSecret: 'wrongSecret1' });
    const { path, query } = VERIFY[exchange];
    const answer = await (await connector.request(path, { query })).json();
    expect(answer).not.toMatchObject(isOk(exchange));
    expect(signed()).toBe(1);
  });
});

describe('bad input at the edge', () => {
  const clock = createEdgeClock({ exchange: 'BYBIT', environment: 'MAINNET' });
  it.each([
    [
      'an exchange of no profile',
      () => createEdgeClock({ exchange: 'KRAKEN' as never, environment: 'MAINNET' }),
      /BYBIT or BINGX/,
    ],
    [
      'an environment',
      () => createEdgeClock({ exchange: 'BYBIT', environment: 'PROD' as never }),
      /MAINNET or TESTNET/,
    ],
    [
      'hostErrorMs',
      () => createEdgeClock({ exchange: 'BYBIT', environment: 'MAINNET', hostErrorMs: Number.NaN }),
      /from 0 to 2000, got NaN/,
    ],
    [
      'another host without a scope',
      () => createEdgeClock({ exchange: 'BYBIT', environment: 'MAINNET', baseUrl: 'https://api.example' }),
      /scope/,
    ],
    [
      'a PEM key',
      () => createEdgeConnector({ clock, apiKey: 'k', apiSecret: '-----BEGIN PRIVATE KEY-----\nx' }),
      /RSA keys are for Node only/,
    ],
    [
      'a secret with a line break',
      () => createEdgeConnector({ clock, apiKey: 'k', apiSecret: 's\n' }),
      /visible ASCII/,
    ],
  ])('%s is refused by name', (_, act, message) => {
    expect(act).toThrow(
      expect.objectContaining({ code: 'INVALID_INPUT', message: expect.stringMatching(message) }),
    );
  });

  it.each(['v5/order', '//evil.example/x', '/a?b=c', 'https://evil.example/'])('path %s', async path => {
    const connector = createEdgeConnector({ clock, apiKey: 'k', apiSecret: 's' });
    await expect(connector.request(path)).rejects.toMatchObject({ code: 'INVALID_INPUT' });
  });

  it('a BigInt in a body', async () => {
    const connector = createEdgeConnector({ clock, apiKey: 'k', apiSecret: 's' });
    const request = connector.request('/v5/order/create', { method: 'POST', body: { qty: 1n } });
    await expect(request).rejects.toMatchObject({ code: 'INVALID_INPUT' });
  });
});
