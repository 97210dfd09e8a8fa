/** A book of hedged positions, restored. */
import { describe, expect, it } from '@jest/globals';
import { FundingArbitrageService, type HedgedPosition } from '../../src/services/index.js';
import { givenWorld, type Process, type World } from '../support/world.js';

const COINS = ['BTC', 'ETH', 'SOL', 'XRP', 'DOGE'];

function givenBook(world: World, process: Process, size: number): HedgedPosition[] {
  return Array.from({ length: size }, (_, i) => ({
    id: `position-${i}`,
    primary: {
      connector: world.connector(process, 'BYBIT', { userId: `trader${i}` }),
      symbol: `${COINS[i % COINS.length]}USDT`,
    },
    hedge: {
      connector: world.connector(process, 'BINGX', { userId: `trader${i}`, credentialId: 'hedge' }),
      symbol: `${COINS[i % COINS.length]}-USDT`,
    },
  }));
}

/** Requests that the exchanges had under way at the same time, at most. */
function watchConcurrency(book: readonly HedgedPosition[]) {
  let now = 0;
  let most = 0;
  for (const { primary, hedge } of book) {
    for (const { connector } of [primary, hedge]) {
      const initialize = connector.initialize.bind(connector);
      connector.initialize = async () => {
        most = Math.max(most, ++now);
        return initialize().finally(() => {
          now--;
        });
      };
    }
  }
  return () => most;
}

describe('FundingArbitrageService', () => {
  it('restores a book with the cache off, and asks nothing of the database', async () => {
    const world = await givenWorld();
    const process = await world.process({ cacheMode: 'off' });
    const book = givenBook(world, process, 2);

    const report = await new FundingArbitrageService({ cache: process.cache }).restore(book);

    expect(report).toMatchObject({ connectors: 4, hits: 0, misses: 4, failed: 0, stats: undefined });
    expect(world.simulator.counters('BYBIT').byRoute).toMatchObject({ time: 2, verify: 2, funding: 2 });
    expect(process.log.messages('warn')).toEqual([]);
  });

  it('restores a book, measures each exchange once, and reports the spread', async () => {
    const world = await givenWorld();
    await world.simulator.set({ fundingRates: { BTCUSDT: 0.0003 } }, 'BYBIT');
    await world.simulator.set({ fundingRates: { 'BTC-USDT': -0.0001 } }, 'BINGX');
    const process = await world.process();
    const book = givenBook(world, process, 5);

    const report = await new FundingArbitrageService({ cache: process.cache }).restore(book);

    expect(report).toMatchObject({ connectors: 10, authFailures: 0, failed: 0 });
    expect(report.hits + report.misses).toBe(10);
    expect(report.positions.map(({ id }) => id)).toEqual(book.map(({ id }) => id));
    expect(report.positions[0]?.spread).toBeCloseTo(0.0004, 10);
    expect(report.positions[0]?.primary).toMatchObject({ symbol: 'BTCUSDT', fundingRate: { rate: 0.0003 } });
    expect(report.positions.every(({ spread }) => typeof spread === 'number')).toBe(true);
    for (const exchange of ['BYBIT', 'BINGX'] as const) {
      expect(world.simulator.counters(exchange).byRoute).toMatchObject({ time: 1, verify: 5, funding: 5 });
    }
    expect(report.stats).toMatchObject({ total: 10, valid: 10, byExchange: { BYBIT: 5, BINGX: 5 } });
    const lines = process.log.messages('info').filter(line => line.startsWith('[FundingArbitrage]'));
    expect(lines).toEqual([
      expect.stringMatching(/Restored 10 of 10 connectors in \d+ms/),
      expect.stringMatching(/Connector cache stats: \{ total: 10, valid: 10, hitRate: \d+% \}/),
    ]);
  });

  it('is all hits in the next process', async () => {
    const world = await givenWorld();
    const first = await world.process();
    await new FundingArbitrageService({ cache: first.cache }).restore(givenBook(world, first, 4));
    await first.flush();

    const second = await world.process();
    const report = await new FundingArbitrageService({ cache: second.cache }).restore(
      givenBook(world, second, 4),
    );

    expect(report).toMatchObject({ hits: 8, misses: 0, failed: 0 });
    expect(report.positions.every(({ primary }) => primary.init?.tier === 'postgres')).toBe(true);
    expect(world.simulator.counters('BYBIT').byRoute.time).toBe(1);
  });

  it.each([1, 3])('works on no more than %p connectors at once', async concurrency => {
    const world = await givenWorld({ knobs: { latencyMs: { verify: 5 } } });
    const process = await world.process();
    const book = givenBook(world, process, 5);
    const most = watchConcurrency(book);

    const report = await new FundingArbitrageService({ cache: process.cache, concurrency }).restore(book);

    expect(report.failed).toBe(0);
    expect(most()).toBe(concurrency);
  });

  it('reports one connector that fails, and goes on with the others', async () => {
    const world = await givenWorld();
    const process = await world.process();
    const book = givenBook(world, process, 3);
    const bad = world.connector(process, 'BYBIT', {
      userId: 'locked-out',
      credentials: { apiKey: 'nobody', apiSecret: 'nothing' },
    });
    const broken: HedgedPosition = {
      id: 'broken',
      primary: { connector: bad, symbol: 'BTCUSDT' },
      hedge: { connector: world.connector(process, 'BINGX', { userId: 'fine' }), symbol: 'BTC-USDT' },
    };

    const report = await new FundingArbitrageService({ cache: process.cache }).restore([broken, ...book]);

    expect(report).toMatchObject({ connectors: 8, failed: 1 });
    expect(report.positions[0]).toMatchObject({
      id: 'broken',
      spread: undefined,
      primary: {
        ref: { userId: 'locked-out' },
        failure: {
          code: 'EXCHANGE_REFUSED',
          exchangeCode: '10003',
          message: expect.stringContaining('10003'),
        },
      },
      hedge: { init: { authFailures: 0 }, fundingRate: { symbol: 'BTC-USDT' } },
    });
    expect(report.positions[0]?.primary).not.toHaveProperty('init');
    expect(report.positions.slice(1).every(({ spread }) => spread !== undefined)).toBe(true);
  });

  it('counts a connector that is ready but whose rate is not known as restored', async () => {
    const world = await givenWorld();
    const process = await world.process();
    const [position] = givenBook(world, process, 1) as [HedgedPosition];
    const odd = { ...position, hedge: { ...position.hedge, symbol: 'NOSUCH-USDT' } };

    const report = await new FundingArbitrageService({ cache: process.cache }).restore([odd]);

    expect(report).toMatchObject({ failed: 0, connectors: 2 });
    expect(report.positions[0]).toMatchObject({
      spread: undefined,
      hedge: { init: { authFailures: 0 }, failure: { exchangeCode: '109425' } },
    });
  });

  it('survives one exchange being down altogether', async () => {
    const world = await givenWorld();
    const process = await world.process();
    await world.simulator.set({ outage: 'refuse' }, 'BINGX');

    const report = await new FundingArbitrageService({ cache: process.cache }).restore(
      givenBook(world, process, 3),
    );

    expect(report).toMatchObject({ connectors: 6, failed: 3 });
    expect(report.positions.every(({ primary }) => primary.fundingRate !== undefined)).toBe(true);
    expect(report.stats).toMatchObject({ byExchange: { BYBIT: 3 }, syncFailures: 3 });
  });

  it('cleans up once, at the first restore', async () => {
    const world = await givenWorld();
    const earlier = await world.process();
    await world.connector(earlier, 'BYBIT', { userId: 'long-ago' }).initialize();
    await earlier.flush();
    const expire = () =>
      world.sql(
        `UPDATE connector_state_cache SET expires_at = now() - interval '1 s' WHERE user_id = 'long-ago'`,
      );
    const isThere = async () =>
      (await world.sql(`SELECT FROM connector_state_cache WHERE user_id = 'long-ago'`)).length === 1;
    await expire();

    const process = await world.process();
    const service = new FundingArbitrageService({ cache: process.cache });
    const book = givenBook(world, process, 1);
    await service.restore(book);
    expect(await isThere()).toBe(false);

    await world.connector(process, 'BYBIT', { userId: 'long-ago' }).initialize();
    await process.flush();
    await expire();
    await service.restore(book);
    expect(await isThere()).toBe(true);
    expect(
      await world.sql(`SELECT data->>'by' AS by FROM connector_event WHERE type = 'ExpiredStatesCleaned'`),
    ).toEqual([{ by: 'funding-arbitrage' }]);
  });

  it('trades on without a database, and says that there are no figures', async () => {
    const world = await givenWorld();
    const proxy = await world.proxy();
    await proxy.refuse();
    const process = await world.process({ databaseUrl: proxy.url });

    const report = await new FundingArbitrageService({ cache: process.cache }).restore(
      givenBook(world, process, 2),
    );

    expect(report).toMatchObject({ connectors: 4, failed: 0, stats: undefined });
    expect(process.log.messages('warn')).toEqual(
      expect.arrayContaining([
        '[FundingArbitrage] Expired states could not be cleaned up',
        '[FundingArbitrage] Cache statistics could not be read',
      ]),
    );
    await proxy.recover();
  });

  it('has nothing to do for an empty book', async () => {
    const world = await givenWorld();
    const process = await world.process();
    expect(await new FundingArbitrageService({ cache: process.cache }).restore([])).toMatchObject({
      positions: [],
      connectors: 0,
      failed: 0,
    });
  });

  it.each([0, -1, 1.5, Number.NaN, 1_001])('refuses a concurrency of %p', async concurrency => {
    const world = await givenWorld();
    const { cache } = await world.process();
    expect(() => new FundingArbitrageService({ cache, concurrency })).toThrow(
      expect.objectContaining({ code: 'INVALID_INPUT' }),
    );
  });
});
