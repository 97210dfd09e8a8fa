/**
 * Requests that arrive late, against a strict exchange of its own that knows nothing of us. Late is not wrong: nothing that
 * was true is condemned, and nobody else pays for it.
 *
 * The world's time is this host's clock, and passes while a request is under way. The database's does not, so it is away
 * while time passes, and is asked afterwards what was recorded.
 */
import { describe, expect, it } from '@jest/globals';
import { ApiAccount, BingxApiClient } from 'bingx-api';
import { RestClientV5 } from 'bybit-api';
import type { ConnectorStateOptions } from '../../src/composition/connector-state.js';
import { BybitConnectorWithCache } from '../../src/connectors/bybit-with-cache.connector.js';
import type { InitResult } from '../../src/connectors/connector-with-cache.js';
import type { ConnectorOptions } from '../../src/connectors/options.js';
import { stoppedMachine } from '../support/clocks.js';
import { type Journey, startStrictExchange } from '../support/strict-exchange.js';
import type { SdkExchange } from '../support/two-exchanges.js';
import {
  ACCOUNT,
  type AnyConnector,
  BOTH,
  closing,
  eventsOf,
  eventually,
  givenWorld,
} from '../support/world.js';

/** A few milliseconds there and back: what is measured later is later. */
const QUICK: Journey = { thereMs: 2, backMs: 2 };
const CODE = { BYBIT: 10_002, BINGX: 100_421 } as const;

/** A process that has initialised one connector, so that the clock is known to a millisecond or two. */
async function given(exchange: SdkExchange, options: ConnectorStateOptions = {}) {
  const world = await givenWorld();
  const clock = stoppedMachine();
  const strict = closing(
    await startStrictExchange({ now: () => clock.now(), passes: ms => clock.advance(ms) }),
  );
  strict.journey = () => QUICK;
  const proxy = await world.proxy();
  await proxy.refuse();
  const process = await world.process({
    databaseUrl: proxy.url,
    clock,
    breakerResetMs: 10,
    firstContact: 'verify-first',
    clockPolicy: 'adaptive',
    ...options,
  });
  const connect = (credentialId: string, more: Partial<ConnectorOptions> = {}) =>
    world.connector(process, exchange, { credentialId, baseUrl: strict.url, ...more });
  return {
    strict,
    clock,
    process,
    connect,
    init: (credentialId: string, more?: Partial<ConnectorOptions>): Promise<InitResult> =>
      connect(credentialId, more).initialize(),
    async warm(): Promise<void> {
      await connect('warm').initialize();
      await process.flush();
      // What BingX did not tell was measured meanwhile, in the background.
      expect((await connect('warm').initialize()).uncertaintyMs).toBeLessThan(50);
      strict.judged.length = 0;
    },
    async recorded(credentialId: string) {
      await proxy.recover();
      await eventually(async () => expect((await process.flush()).ok).toBe(true));
      return process.cache.history('user123', credentialId);
    },
    /** The first signed requests from now on travel so, in turn; the others without delay. */
    travel(...journeys: Journey[]): void {
      const from = strict.judged.length;
      strict.journey = (kind, n) => (kind === 'signed' && journeys[n - from]) || QUICK;
    },
  };
}

/** What each library's client verifies by. */
async function attachedCall(connector: AnyConnector): Promise<() => Promise<unknown>> {
  if (connector instanceof BybitConnectorWithCache) {
    const client = new (connector.attach(RestClientV5))({ key: ACCOUNT.apiKey, secret: ACCOUNT.apiSecret });
    return async () => (await client.getQueryApiKey()).retCode;
  }
  const client = new (connector.attach(BingxApiClient))();
  const account = new ApiAccount(ACCOUNT.apiKey, ACCOUNT.apiSecret);
  return async () => (await client.getAccountService().getPerpetualSwapAccountAssetInformation(account)).code;
}

describe.each(BOTH)("an attached client's request to %s that is late", exchange => {
  it.each([
    ['is sent again with the wider window', 5_000, 0],
    ['is late again where there is no wider one', undefined, CODE[exchange]],
  ])('%s', async (_, lateRecvWindowMs, code) => {
    const { strict, warm, connect, travel } = await given(exchange);
    await warm();
    const connector = connect('a', { recvWindowMs: 1_000, lateRecvWindowMs });
    await connector.initialize();
    const call = await attachedCall(connector);
    strict.judged.length = 0;
    travel({ thereMs: 2_500 }, { thereMs: 2_500 });

    expect(await call()).toBe(code);
    expect(strict.judged.map(each => each.code)).toEqual([CODE[exchange], code]);
    // The next one is signed with the client's own again.
    travel({ thereMs: 2_500 });
    strict.journey = (kind, n) => (kind === 'signed' && n === strict.judged.length ? { thereMs: 1 } : QUICK);
    expect(await call()).toBe(0);
  });
});

describe.each(BOTH)('with %s', exchange => {
  const code = CODE[exchange];

  it('a request is accepted 5.7 s late when the clock is known to some milliseconds', async () => {
    const { strict, warm, init, travel } = await given(exchange);
    await warm();
    travel({ thereMs: 5_650 });

    expect(await init('a')).toMatchObject({ authFailures: 0, cacheHit: true });
    expect(strict.judged).toEqual([{ leadMs: expect.any(Number), code: 0 }]);
  });

  it.each([
    // Without a time all that is known is when the request was still in the window.
    ['that tells the time', false, /6\.4 s late/],
    ['that tells none', true, /5\.7–6\.4 s late/],
  ])('a refusal of a late request %s condemns nothing, and is signed again', async (_, isStampless, how) => {
    const { strict, warm, init, travel, recorded, process } = await given(exchange);
    await warm();
    travel({ thereMs: 6_400, isStampless });

    const late = await init('a');
    const after = await init('b');

    expect(late).toMatchObject({ cacheHit: true, authFailures: 1, refusals: ['late'] });
    expect(Math.abs(late.offsetMs)).toBeLessThanOrEqual(late.uncertaintyMs);
    expect(late.uncertaintyMs).toBeLessThan(50);
    expect(after).toMatchObject({ authFailures: 0 });
    expect(strict.judged.map(each => each.code)).toEqual([code, 0, 0]);
    const warnings = process.log.messages('warn').join('\n');
    expect(warnings).toMatch(/signed again: the request was .* late; the clock was right within \d+ ms/);
    expect(warnings).toMatch(how);
    const history = await recorded('a');
    expect(eventsOf(history, 'ConnectorStateInvalidated')).toEqual([]);
    expect(eventsOf(history, 'ConnectorAuthFailed')).toEqual([]);
    const [fact] = eventsOf(history, 'ConnectorRequestLate');
    expect(fact?.data).toMatchObject({ exchangeCode: `${code}`, recvWindowMs: 5_000 });
    expect(fact?.data.lateAtLeastMs).toBeLessThanOrEqual(6_400);
    expect(fact?.data.lateAtMostMs).toBeGreaterThanOrEqual(6_400);
    expect(await process.cache.getStats()).toMatchObject({
      authFailures: 0,
      lateRequests: 1,
      invalidations: 0,
    });
    expect(await process.cache.explain('user123', 'a')).toMatchObject({
      late: { requests: 1, last: { atMostMs: fact?.data.lateAtMostMs, uncertaintyMs: expect.any(Number) } },
    });
  });

  it('one that is late twice is an error that says so, and condemns nothing either', async () => {
    const { warm, init, travel, recorded } = await given(exchange);
    await warm();
    travel({ thereMs: 7_000 }, { thereMs: 8_000 });

    const refused = init('a');

    await expect(refused).rejects.toMatchObject({
      code: 'EXCHANGE_REFUSED',
      authClass: 'timestamp',
      exchangeCode: `${code}`,
      message: expect.stringMatching(
        /because the request was 8\.\d(–8\.\d)? s late .*the clock was right within/,
      ),
    });
    const { lateness } = (await refused.catch(error => error)) as { lateness: { atLeastMs: number } };
    expect(lateness.atLeastMs).toBeGreaterThan(7_900);
    expect(await init('b')).toMatchObject({ authFailures: 0, cacheHit: true });
    const history = await recorded('a');
    expect(eventsOf(history, 'ConnectorRequestLate')).toHaveLength(2);
    expect(eventsOf(history, 'ConnectorStateInvalidated')).toEqual([]);
  });

  it.each([30_000, -30_000])(
    'a refusal by one server whose clock is off by %i ms condemns nothing: asked again, the exchange says otherwise',
    async aheadMs => {
      const { warm, init, travel, recorded, strict } = await given(exchange);
      await warm();
      travel({ ...QUICK, aheadMs });

      const result = await init('a');
      const after = await init('b');

      expect(result).toMatchObject({ cacheHit: true, authFailures: 1, refusals: ['unexplained'] });
      expect(Math.abs(result.offsetMs)).toBeLessThanOrEqual(result.uncertaintyMs);
      expect(after).toMatchObject({ cacheHit: true, authFailures: 0 });
      expect(strict.judged.map(each => each.code)).toEqual([code, 0, 0]);
      expect(eventsOf(await recorded('a'), 'ConnectorStateInvalidated')).toEqual([]);
    },
  );

  it('in shadow mode, where nothing is signed again, it is told for what it was all the same', async () => {
    const { init, travel, recorded } = await given(exchange, { cacheMode: 'shadow' });
    travel({ thereMs: 7_000 });

    await expect(init('a')).rejects.toMatchObject({ code: 'EXCHANGE_REFUSED', authClass: 'timestamp' });

    const history = await recorded('a');
    expect(eventsOf(history, 'ConnectorRequestLate')).toMatchObject([
      { data: { exchangeCode: `${code}`, lateAtMostMs: expect.any(Number) } },
    ]);
    expect(eventsOf(history, 'ConnectorAuthFailed')).toEqual([]);
  });

  it('an answer that is long on its way back condemns nothing and widens nothing', async () => {
    const { warm, init, travel } = await given(exchange);
    await warm();
    travel({ backMs: 9_000 });

    const slow = await init('a');
    const after = await init('b');

    expect([slow.authFailures, after.authFailures]).toEqual([0, 0]);
    expect([slow, after].every(({ uncertaintyMs }) => uncertaintyMs < 50)).toBe(true);
  });

  it('a first contact that is late is measured before it is signed again, and hands on what was measured', async () => {
    const { strict, init, travel, recorded } = await given(exchange);
    travel({ thereMs: 4_600 });

    const first = await init('a');
    const second = await init('b');

    expect(first).toMatchObject({ contact: 'verify-first', authFailures: 1, refusals: ['late'] });
    expect(strict.timeRequests()).toBeGreaterThanOrEqual(1);
    for (const { offsetMs, uncertaintyMs } of [first, second]) {
      expect(Math.abs(offsetMs)).toBeLessThanOrEqual(uncertaintyMs);
      expect(uncertaintyMs).toBeLessThan(50);
    }
    expect(second).toMatchObject({ contact: 'exchange-clock', authFailures: 0 });
    const [fact] = eventsOf(await recorded('a'), 'ConnectorRequestLate');
    expect(fact?.data).not.toHaveProperty('syncId');
    expect(fact?.data.lateAtLeastMs).toBeLessThanOrEqual(4_600);
    expect(fact?.data.lateAtMostMs).toBeGreaterThanOrEqual(4_600);
  });

  it.each([
    ['told', false],
    ['not told', true],
  ])(
    'a clock that was wrong is healed as before, the time %s, and the log says why',
    async (_, isStampless) => {
      const { strict, warm, init, travel, recorded, process } = await given(exchange);
      await warm();
      strict.skewMs = -3_000;
      travel({ isStampless });

      const wrong = await init('a');
      const after = await init('b');

      expect(wrong).toMatchObject({ cacheHit: false, authFailures: 1, refusals: ['wrong'] });
      expect(Math.abs(wrong.offsetMs + 3_000)).toBeLessThanOrEqual(wrong.uncertaintyMs);
      expect(after).toMatchObject({ authFailures: 0, cacheHit: true });
      expect(process.log.messages('warn').join('\n')).toMatch(/signed again: the offset in use was wrong/);
      expect(eventsOf(await recorded('a'), 'ConnectorStateInvalidated')).toHaveLength(1);
    },
  );

  it('a clock that was wrong and a request that is late when it is signed again are two causes', async () => {
    const { strict, warm, init, travel } = await given(exchange);
    await warm();
    strict.skewMs = -3_000;
    travel({}, { thereMs: 6_500 });

    expect(await init('a')).toMatchObject({ refusals: ['wrong', 'late'], authFailures: 2 });
  });

  it('a wrong clock that a slow answer hid shows as soon as an answer is quick', async () => {
    const { strict, warm, init, travel } = await given(exchange);
    await warm();
    strict.skewMs = 6_500;
    travel({ backMs: 7_000 });

    const result = await init('a');

    expect(result).toMatchObject({ refusals: ['late', 'wrong'] });
    expect(Math.abs(result.offsetMs - 6_500)).toBeLessThanOrEqual(result.uncertaintyMs);
    expect(await init('b')).toMatchObject({ authFailures: 0 });
  });

  it('a book that starts while the exchange is slow starts, and poisons nothing', async () => {
    const { strict, warm, init, process } = await given(exchange);
    await warm();
    const ids = Array.from({ length: 20 }, (_, i) => `c${i}`);
    // Each connector's first request is 0.5 to 10 s late, the next one is not.
    const seen = new Set<string>();
    let current = '';
    strict.journey = kind => {
      if (kind === 'time' || seen.has(current)) return QUICK;
      seen.add(current);
      return { thereMs: 500 + 500 * seen.size };
    };
    const stormy: InitResult[] = [];
    for (const id of ids) {
      current = id;
      stormy.push(await init(id));
    }
    const calm: InitResult[] = [];
    for (const id of ids) calm.push(await init(id));

    expect(stormy.flatMap(({ refusals }) => refusals)).toEqual(Array(10).fill('late'));
    expect(calm.every(({ authFailures }) => authFailures === 0)).toBe(true);
    for (const { offsetMs, uncertaintyMs } of [...stormy, ...calm]) {
      expect(Math.abs(offsetMs)).toBeLessThanOrEqual(uncertaintyMs);
      expect(uncertaintyMs).toBeLessThan(100);
    }
    expect(process.log.text()).not.toMatch(/wrong/);
  });

  it('what only slow answers tell is used by who measured it and handed on to nobody', async () => {
    const { strict, init, clock } = await given(exchange);
    strict.journey = () => ({ thereMs: 1_300, backMs: 1_300 });

    const first = await init('a');
    expect(Math.abs(first.offsetMs)).toBeLessThanOrEqual(first.uncertaintyMs);
    const second = await init('b');

    expect(second).toMatchObject({ contact: 'verify-first', cacheHit: false, authFailures: 0 });
    strict.journey = () => QUICK;
    await init('c');
    clock.advance(10);
    expect((await init('d')).authFailures).toBe(0);
  });

  it.each([-10_000, -900, -400, 400, 4_000, 10_000])(
    'an edge whose clock is %d ms off moves nothing',
    async edgeSkewMs => {
      const { strict, init, process } = await given(exchange);
      strict.edgeSkewMs = edgeSkewMs;

      const results: InitResult[] = [];
      for (const id of ['a', 'b', 'a', 'c', 'a']) {
        results.push(await init(id));
        await process.flush(1);
      }

      for (const { authFailures, offsetMs, uncertaintyMs } of results) {
        expect(authFailures).toBe(0);
        expect(Math.abs(offsetMs)).toBeLessThanOrEqual(uncertaintyMs);
      }
      expect(results.at(-1)?.uncertaintyMs).toBeLessThan(50);
    },
  );
});

it('a late request is signed again with the wider window that the user allows', async () => {
  const { strict, warm, init, travel } = await given('BYBIT');
  await warm();
  travel({ thereMs: 7_000 }, { thereMs: 12_000 });

  expect(await init('a', { lateRecvWindowMs: 20_000 })).toMatchObject({ refusals: ['late'] });
  expect(strict.judged.map(({ code }) => code)).toEqual([10_002, 0]);
});

it('a wider window than the exchange allows is refused before anything is sent', async () => {
  const { init } = await given('BINGX');
  expect(() => init('a', { lateRecvWindowMs: 6_000 })).toThrow(
    'lateRecvWindowMs must be a whole number of milliseconds from 5000 to 5000',
  );
});
