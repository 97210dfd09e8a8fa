/**
 * What holds of any exchange with a profile, held of each that is shipped: the connector over ccxt, the real library, against
 * the simulator's rules for that exchange.
 */
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { describe, expect, it } from '@jest/globals';
import { WebSocketServer } from 'ws';
import {
  type CcxtConnectorOptions,
  CcxtConnectorWithCache,
} from '../../src/connectors/ccxt-with-cache.connector.js';
import { EXCHANGES, type ShippedExchange } from '../../src/events/connector.js';
import type { CcxtClass } from '../../src/exchanges/attached-ccxt.js';
import { createCcxtAdapter } from '../../src/exchanges/ccxt-adapter.js';
import { ExchangeError } from '../../src/exchanges/exchange-adapter.js';
import { profileOf } from '../../src/exchanges/registry.js';
import { PASSPHRASE, type SimulatorOptions } from '../../src/exchanges/simulator/index.js';
import { ccxtClass, ccxtClasses } from '../support/ccxt.js';
import { steerableMachine } from '../support/clocks.js';
import {
  ACCOUNT,
  closing,
  eventsOf,
  givenSimulator,
  givenWorld,
  type Process,
  SIMULATOR_SCOPE,
  type World,
} from '../support/world.js';

const CREDENTIALS = { ...ACCOUNT, passphrase: PASSPHRASE };
const classes = await ccxtClasses(EXCHANGES.map(exchange => profileOf(exchange).ccxt.id));
const classOf = (exchange: ShippedExchange) => classes.get(profileOf(exchange).ccxt.id) as CcxtClass;

/** How an order is placed through ccxt's raw methods, with a client's own id. */
const ORDER: Readonly<Record<ShippedExchange, (id: string) => readonly [method: string, params: object]>> = {
  BYBIT: orderLinkId => [
    'privatePostV5OrderCreate',
    { category: 'linear', symbol: 'BTCUSDT', side: 'Buy', orderType: 'Market', qty: '1', orderLinkId },
  ],
  BINGX: clientOrderID => [
    'swapV2PrivatePostTradeOrder',
    { symbol: 'BTC-USDT', side: 'BUY', type: 'MARKET', quantity: '1', clientOrderID },
  ],
  BINANCE: newClientOrderId => [
    'privatePostOrder',
    { symbol: 'BTCUSDT', side: 'BUY', type: 'MARKET', quantity: '1', newClientOrderId },
  ],
  OKX: clOrdId => [
    'privatePostTradeOrder',
    { instId: 'BTC-USDT', tdMode: 'cash', side: 'buy', ordType: 'market', sz: '1', clOrdId },
  ],
  BITGET: clientOid => [
    'privateSpotPostV2SpotTradePlaceOrder',
    { symbol: 'BTCUSDT', side: 'buy', orderType: 'market', size: '1', clientOid },
  ],
  KUCOIN: clientOid => [
    'privatePostHfOrders',
    { symbol: 'BTC-USDT', side: 'buy', type: 'market', size: '1', clientOid },
  ],
};

interface Given {
  readonly world: World;
  readonly process: Process;
  readonly clock: ReturnType<typeof steerableMachine>;
  connector(options?: Partial<CcxtConnectorOptions>): CcxtConnectorWithCache;
  /** A client of ccxt's, attached or bare. */
  client(Class: CcxtClass): { order(id: string): Promise<unknown> };
  /** What became of each signed request so far. */
  outcomes(): readonly string[];
}

async function given(exchange: ShippedExchange, options: SimulatorOptions = {}): Promise<Given> {
  const world = await givenWorld({ exchanges: [exchange], ...options });
  const clock = steerableMachine();
  const process = await world.process({ clock, firstContact: 'verify-first' });
  const url = world.simulator.urlOf(exchange);
  return {
    world,
    process,
    clock,
    connector: connectorOptions =>
      closing(
        new CcxtConnectorWithCache({
          cache: process.cache,
          exchange,
          ccxt: classOf(exchange),
          userId: 'user123',
          credentialId: 'cred456',
          environment: 'MAINNET',
          credentials: CREDENTIALS,
          baseUrl: url,
          clockScope: SIMULATOR_SCOPE,
          ...connectorOptions,
        }),
      ),
    client(Class) {
      const { apiKey, apiSecret: secret, passphrase: password } = CREDENTIALS;
      const made = new Class({ apiKey, secret, password, enableRateLimit: false });
      const open = made as unknown as { urls: { api: Record<string, string> } } & Record<
        string,
        (params: object) => Promise<unknown>
      >;
      for (const [name, api] of Object.entries(open.urls.api)) {
        open.urls.api[name] = String(api).replace(/^https:\/\/[^/]+/, url);
      }
      return {
        async order(id) {
          const [method, params] = ORDER[exchange](id);
          return open[method]?.(params);
        },
      };
    },
    outcomes: () =>
      world.simulator
        .requests(exchange)
        .filter(({ route }) => route === 'verify' || route === 'order')
        .map(({ outcome }) => outcome),
  };
}

const refusalOf = async (promise: Promise<unknown>): Promise<ExchangeError> => {
  const error = await promise.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (error instanceof ExchangeError) return error;
  throw error ?? new Error('it was expected to be refused');
};

describe.each(EXCHANGES)('a connector of %s', exchange => {
  const profile = profileOf(exchange);
  const { window } = profile;
  const unexecuted = profile.unexecuted[0] as string;
  /** Beyond every window, so that whoever signs by this host's clock is refused. */
  const FAR_MS = 61_000;

  it.each([FAR_MS, -FAR_MS])(
    'finds a clock that is %i ms off, and signs in one go afterwards',
    async skewMs => {
      const { connector, outcomes, world } = await given(exchange, { knobs: { skewMs } });
      const first = connector();
      const { offsetMs, uncertaintyMs } = await first.initialize();

      expect(outcomes()).toEqual([unexecuted, '0']);
      const clockMs = world.simulator.serverTimeMs(exchange);
      expect(Math.abs(first.exchangeNow() - clockMs)).toBeLessThan(uncertaintyMs + 500);
      expect(Math.sign(offsetMs)).toBe(Math.sign(skewMs));

      const { cacheHit } = await connector({ credentialId: 'another' }).initialize();
      expect(cacheHit).toBe(true);
      expect(outcomes()).toEqual([unexecuted, '0', '0']);
    },
  );

  it('is kept under its name, as every other exchange is', async () => {
    const { connector, process, world } = await given(exchange, { knobs: { skewMs: FAR_MS } });
    const { ref } = connector();
    await connector().initialize();
    await process.flush();

    const history = await process.cache.history(ref.userId, ref.credentialId);
    // One, or two where the refusal told the time less finely than the answer that followed.
    const named = eventsOf(history, 'ConnectorSynced').map(({ data }) => data.exchange);
    expect(new Set(named)).toEqual(new Set([exchange]));
    expect(await world.sql('SELECT exchange, environment FROM connector_state_cache')).toEqual([
      { exchange, environment: 'MAINNET' },
    ]);
  });

  it('places timestamps within its window, wherever the exchange judges them', async () => {
    const { connector, world } = await given(exchange, { knobs: { skewMs: FAR_MS } });
    const one = connector();
    await one.initialize();
    const { biasMs, toleranceMs, latenessMs } = one.window;

    expect(biasMs).toBeLessThan(window.earlyLimitMs);
    expect(biasMs).toBeLessThanOrEqual(window.aheadMs ?? window.earlyLimitMs);
    expect(latenessMs).toBeGreaterThan(0);
    expect(latenessMs).toBeLessThan(window.defaultMs + window.earlyLimitMs);
    expect(toleranceMs).toBeGreaterThan(0);
    const aheadMs = one.timestamp() - world.simulator.serverTimeMs(exchange);
    expect(Math.abs(aheadMs - biasMs)).toBeLessThan(1000);
  });

  it('judges a timestamp by its rule of the window, by the millisecond', async () => {
    const nowMs = 1_760_000_000_000;
    const simulator = await givenSimulator({
      exchanges: [exchange],
      accounts: { [ACCOUNT.apiKey]: ACCOUNT.apiSecret },
      now: () => nowMs,
    });
    let timestampMs = 0;
    const adapter = closing(
      createCcxtAdapter(profile, classOf(exchange), {
        environment: 'MAINNET',
        credentials: CREDENTIALS,
        baseUrl: simulator.urlOf(exchange),
        now: () => nowMs,
        timestamp: () => timestampMs,
      }),
    );
    const verdictAt = async (aheadMs: number) => {
      timestampMs = nowMs + aheadMs;
      const refusal = await adapter.verifyAccount().catch((error: unknown) => error as ExchangeError);
      return refusal instanceof ExchangeError ? refusal.reason : 'accepted';
    };
    const { earlyLimitMs, defaultMs } = window;
    expect(await verdictAt(earlyLimitMs - 1)).toBe('accepted');
    expect(await verdictAt(earlyLimitMs)).toBe('timestamp');
    expect(await verdictAt(-defaultMs)).toBe('accepted');
    expect(await verdictAt(-defaultMs - 1)).toBe('timestamp');
  });

  it('never takes a bad signature or a wrong key for the clock', async () => {
    const { connector, outcomes } = await given(exchange);
    const wrongSecret = connector({ credentials: { ...CREDENTIALS, apiSecret: 'anotherSecret' } });
    const signature = await refusalOf(wrongSecret.initialize());
    expect(signature).toMatchObject({ code: 'EXCHANGE_REFUSED', exchange, authClass: 'credentials' });

    const wrongKey = connector({ credentials: { ...CREDENTIALS, apiKey: 'anotherKey' } });
    const key = await refusalOf(wrongKey.initialize());
    expect(key).toMatchObject({ reason: 'key-unknown', authClass: 'credentials' });
    expect(outcomes()).not.toContain(unexecuted);
    for (const { message } of [signature, key]) expect(message).not.toMatch(/anotherSecret|anotherKey/);
  });

  it('says what to do when it is asked too often, or is busy', async () => {
    const { connector, world } = await given(exchange);
    await world.simulator.set({ rateLimit: { requests: 0, perMs: 60_000 } }, exchange);
    const limited = await refusalOf(connector().initialize());
    expect(limited).toMatchObject({ reason: 'rate-limit', authClass: 'rate-limit' });
    const saysWhen = ['BYBIT', 'BINGX', 'BINANCE', 'KUCOIN'].includes(exchange);
    expect(limited.retryAfterMs !== undefined).toBe(saysWhen);

    await world.simulator.set({ rateLimit: null, maintenance: 'code' }, exchange);
    expect(await refusalOf(connector().initialize())).toMatchObject({ reason: 'maintenance' });
    await world.simulator.set({ maintenance: 'http' }, exchange);
    expect(await refusalOf(connector().initialize())).toMatchObject({ exchangeCode: 'HTTP 503' });
  });

  it('believes no page and no broken answer', async () => {
    const { connector, world } = await given(exchange);
    for (const fault of [{ kind: 'body', body: '<html>' }, { kind: 'malformed-json' }] as const) {
      world.simulator.fault({ ...fault, route: 'verify' }, exchange);
      const error = await refusalOf(connector().initialize());
      expect(error).toMatchObject({ code: 'EXCHANGE_BAD_RESPONSE' });
    }
  });

  it('measures by the time endpoint, and refuses a time in another unit', async () => {
    const { connector, world } = await given(exchange, { knobs: { skewMs: FAR_MS } });
    const one = connector();
    await one.initialize();
    world.simulator.step(-5_000, exchange);
    await one.timestampRefused();
    expect(Math.abs(one.exchangeNow() - world.simulator.serverTimeMs(exchange))).toBeLessThan(500);

    world.simulator.fault({ kind: 'wrong-time', value: 1_760_000_000, route: 'time', times: 2 }, exchange);
    await expect(one.timestampRefused()).rejects.toMatchObject({ code: 'EXCHANGE_BAD_RESPONSE' });
  });

  it("heals an attached client's refused order with one refusal, and executes it once", async () => {
    const { connector, client, outcomes, world } = await given(exchange, { knobs: { skewMs: FAR_MS } });
    const one = connector();
    await one.initialize();
    const attached = client(one.attach(classOf(exchange)));
    const before = outcomes().length;
    await attached.order('first');
    world.simulator.step(-2 * FAR_MS, exchange);
    await attached.order('second');
    await attached.order('third');

    expect(outcomes().slice(before)).toEqual(['0', unexecuted, '0', '0']);
    const ids = world.simulator.executed(exchange).map(({ clientOrderId }) => clientOrderId);
    expect(ids).toEqual(['first', 'second', 'third']);
    await expect(client(classOf(exchange)).order('bare')).rejects.toThrow();
  });

  it('never sends an order again that may have been executed', async () => {
    const { connector, client, world } = await given(exchange);
    const one = connector();
    await one.initialize();
    const attached = client(one.attach(classOf(exchange)));
    for (const kind of ['lost', 'cut'] as const) {
      world.simulator.fault({ kind, route: 'order' }, exchange);
      await expect(attached.order(kind)).rejects.toThrow();
    }
    const ids = world.simulator.executed(exchange).map(({ clientOrderId }) => clientOrderId);
    expect(ids).toEqual(['lost', 'cut']);
  });

  it("speaks to no host but its connector's", async () => {
    const { connector, outcomes } = await given(exchange);
    const one = connector();
    await one.initialize();
    const before = outcomes().length;
    const { apiKey, apiSecret: secret, passphrase: password } = CREDENTIALS;
    const astray = new (one.attach(classOf(exchange)))({ apiKey, secret, password });
    const [method, params] = ORDER[exchange]('astray');
    const call = (astray as unknown as Record<string, (params: object) => Promise<unknown>>)[method];
    await expect(call?.call(astray, params)).rejects.toMatchObject({ code: 'INVALID_INPUT' });
    expect(outcomes()).toHaveLength(before);
  });
});

describe('what a connector over ccxt is made of', () => {
  it.each<[string, Partial<CcxtConnectorOptions>, RegExp]>([
    ['another exchange’s class', { ccxt: classOf('BYBIT') }, /OKX needs ccxt's class okx, got that of bybit/],
    ['no class', { ccxt: undefined as never }, /needs the option ccxt: ccxt's class okx/],
    ['no passphrase', { credentials: ACCOUNT }, /credentials.passphrase is missing, which OKX wants/],
    ['an unknown exchange', { exchange: 'KRAKEN' }, /KRAKEN is not known here: known are BYBIT/],
    ['an environment it has not', { environment: 'TESTNET', baseUrl: undefined }, /OKX has no TESTNET/],
    ['a window that is fixed', { recvWindowMs: 5000 }, /recvWindowMs cannot be chosen for OKX.*30000 ms/],
  ])('is told at once when it has %s', async (_, options, problem) => {
    const { connector } = await given('OKX');
    expect(() => connector(options)).toThrow(problem);
    expect(() => connector(options)).toThrow(expect.objectContaining({ code: 'INVALID_INPUT' }));
  });
});

describe.each(['OKX', 'BITGET'] as const)("ccxt.pro's class of %s", exchange => {
  interface Pro {
    urls: { api: Record<string, unknown> };
    authenticate(params: object): Promise<unknown>;
    loadHttpProxyAgent(): Promise<unknown>;
    close(): Promise<void>;
  }
  const SKEW_MS = 600_000;

  /** The time that its login carries, in ms. */
  async function loginOf(Class: CcxtClass): Promise<number> {
    const server = new WebSocketServer({ host: '127.0.0.1', port: 0 });
    closing({ close: async () => server.close() });
    await once(server, 'listening');
    const url = `ws://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const { apiKey, apiSecret: secret, passphrase: password } = CREDENTIALS;
    const pro = new Class({ apiKey, secret, password }) as unknown as Pro;
    pro.urls.api.ws = url;
    // What it wants before it opens a socket without TLS.
    await pro.loadHttpProxyAgent();
    const connected = once(server, 'connection');
    // Nobody answers it.
    pro.authenticate({ url }).catch(() => undefined);
    const [socket] = await connected;
    const [message] = await once(socket, 'message');
    await pro.close();
    const { args } = JSON.parse(String(message)) as { args: readonly [{ timestamp: string }] };
    return Number(args[0].timestamp) * 1000;
  }

  it('logs in by the exchange clock once attached, and by the host clock before', async () => {
    const { connector, world } = await given(exchange, { knobs: { skewMs: SKEW_MS } });
    const Pro = await ccxtClass(`pro/${profileOf(exchange).ccxt.id}`);
    const known = connector();
    await known.initialize();
    const behindMs = async (Class: CcxtClass) =>
      world.simulator.serverTimeMs(exchange) - (await loginOf(Class));
    expect(await behindMs(Pro)).toBeGreaterThan(SKEW_MS / 2);
    expect(Math.abs(await behindMs(known.attach(Pro)))).toBeLessThan(SKEW_MS / 2);
  });
});
