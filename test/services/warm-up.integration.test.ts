/** Clocks are measured before anybody needs them, once, without an account. */
import { describe, expect, it } from '@jest/globals';
import { BYBIT_PROFILE } from '../../src/exchanges/bybit/profile.js';
import { registerExchange } from '../../src/exchanges/registry.js';
import { usualFundingAfter } from '../../src/services/funding-times.js';
import { WarmUpService } from '../../src/services/index.js';
import { steerableMachine } from '../support/clocks.js';
import { ACCOUNT, BOTH, givenWorld, SIMULATOR_SCOPE, type World } from '../support/world.js';

const hostsOf = ({ simulator }: World) => [
  { exchange: 'BYBIT', scope: SIMULATOR_SCOPE, baseUrl: simulator.bybitUrl },
  { exchange: 'BINGX', scope: SIMULATOR_SCOPE, baseUrl: simulator.bingxUrl },
];

const refOf = (exchange: string, userId = 'warm', scope: string = SIMULATOR_SCOPE) => ({
  userId,
  credentialId: `${exchange}-main`,
  exchange,
  environment: 'TESTNET' as const,
  scope,
});

/** Between requests no time is let pass. */
const pause = async () => undefined;

describe('WarmUpService', () => {
  it.each(BOTH)('warms the clock of %s for all its connectors, with two public requests', async exchange => {
    const world = await givenWorld({ knobs: { skewMs: 21_000 } });
    const process = await world.process({ projection: 'inline', clockPolicy: 'adaptive' });
    const service = new WarmUpService({ pause, cache: process.cache, hosts: hostsOf(world) });
    const refs = [refOf(exchange), refOf(exchange, 'other')];
    const report = await service.warm(refs);
    expect(report).toEqual({
      connectors: 2,
      clocks: [{ exchange, environment: 'TESTNET', scope: SIMULATOR_SCOPE, outcome: 'measured' }],
      isStored: true,
    });
    const asked = world.simulator.requests(exchange);
    expect(asked.map(({ route }) => route)).toEqual(['time', 'time']);
    expect(JSON.stringify(asked)).not.toContain(ACCOUNT.apiKey);

    expect((await service.warm(refs)).clocks).toMatchObject([{ outcome: 'warm' }]);
    expect(world.simulator.requests(exchange)).toHaveLength(2);

    // Another process, whose connector nobody has warmed: it signs by the clock, and is not refused.
    const later = await world.process({ firstContact: 'verify-first' });
    const init = await world.connector(later, exchange, { userId: 'somebody' }).initialize();
    expect(init).toMatchObject({ cacheHit: true, authFailures: 0, contact: 'exchange-clock' });
  });

  it('leaves an exchange alone that says it is enough, and goes on with the others', async () => {
    const world = await givenWorld();
    await world.simulator.set({ rateLimit: { requests: 1, perMs: 86_400_000 } }, 'BINGX');
    const process = await world.process({ projection: 'inline' });
    const origin = world.simulator.bingxUrl;
    const service = new WarmUpService({ pause, cache: process.cache, hosts: hostsOf(world) });
    const { clocks } = await service.warm([refOf('BINGX'), refOf('BINGX', 'warm', origin), refOf('BYBIT')]);
    expect(clocks.map(({ outcome }) => outcome)).toEqual(['failed', 'skipped', 'measured']);
    expect(clocks[0]?.retryAfterMs).toBeGreaterThan(0);
    expect(clocks[1]?.retryAfterMs).toBeGreaterThan(0);
    expect(world.simulator.requests('BINGX')).toHaveLength(2);
    // Nor is it asked by the next call, until its time is over.
    expect((await service.warm([refOf('BINGX')])).clocks).toMatchObject([{ outcome: 'skipped' }]);
    expect(await service.nextFunding([refOf('BINGX')])).toMatchObject([{ source: 'usual' }]);
    expect(world.simulator.requests('BINGX')).toHaveLength(2);
  });

  it('sends its requests as far apart as a share of the limit allows', async () => {
    const world = await givenWorld();
    const DAY_MS = 86_400_000;
    registerExchange({ ...BYBIT_PROFILE, name: 'ONCE_A_DAY', publicLimit: { requests: 1, perMs: DAY_MS } });
    const process = await world.process({ projection: 'inline' });
    const hosts = [{ exchange: 'ONCE_A_DAY', scope: SIMULATOR_SCOPE, baseUrl: world.simulator.bybitUrl }];
    const pauses: number[] = [];
    const service = new WarmUpService({
      cache: process.cache,
      hosts,
      random: () => 1,
      pause: async ms => void pauses.push(ms),
    });
    await service.warm([refOf('ONCE_A_DAY')]);
    expect(pauses).toHaveLength(1);
    // And half as much again by chance; less what went by meanwhile.
    expect(pauses[0]).toBeGreaterThan(1.4 * DAY_MS);
    expect(pauses[0]).toBeLessThanOrEqual(1.5 * DAY_MS);
  });

  it('backs off for longer each time from an exchange that does not say for how long', async () => {
    const world = await givenWorld();
    const clock = steerableMachine();
    const process = await world.process({ projection: 'inline', clock });
    const service = new WarmUpService({ pause, cache: process.cache, hosts: hostsOf(world) });
    const refused = async () => {
      // Bybit's 10006 without its headers.
      world.simulator.fault({ kind: 'code', code: 10006 }, 'BYBIT');
      const [told] = (await service.warm([refOf('BYBIT')])).clocks;
      expect(told?.outcome).toBe('failed');
      return told?.retryAfterMs ?? 0;
    };
    const first = await refused();
    expect(first).toBeGreaterThan(20_000);
    expect((await service.warm([refOf('BYBIT')])).clocks).toMatchObject([{ outcome: 'skipped' }]);
    clock.advance(first + 1_000);
    const second = await refused();
    expect(second).toBeGreaterThan(first * 1.5);
    clock.advance(second + 1_000);
    expect((await service.warm([refOf('BYBIT')])).clocks).toMatchObject([{ outcome: 'measured' }]);
  });

  it.each(BOTH)(
    'knows by %s itself when funding is paid next, of the contracts that count',
    async exchange => {
      const world = await givenWorld();
      const [hourly, usual] = exchange === 'BYBIT' ? ['ETHUSDT', 'BTCUSDT'] : ['ETH-USDT', 'BTC-USDT'];
      await world.simulator.set({ fundingHours: { [hourly]: 1 } }, exchange);
      const process = await world.process();
      const service = new WarmUpService({ pause, cache: process.cache, hosts: hostsOf(world) });
      const place = { exchange, environment: 'TESTNET', source: 'exchange' };
      const nextOf = async (symbols?: string[]) => {
        for (;;) {
          const hour = Math.floor(Date.now() / 3_600_000);
          const told = await service.nextFunding([refOf(exchange), refOf(exchange, 'other')], { symbols });
          // Not where the hour has just ended.
          if (hour === Math.floor(Date.now() / 3_600_000)) return { told, nextHour: (hour + 1) * 3_600_000 };
        }
      };
      const all = await nextOf();
      expect(all.told).toEqual([{ ...place, atMs: all.nextHour }]);
      // As either exchange writes it.
      for (const symbol of ['BTCUSDT', 'BTC-USDT']) {
        const { told, nextHour } = await nextOf([symbol]);
        expect(told).toEqual([{ ...place, atMs: usualFundingAfter(nextHour - 1) }]);
      }
      expect(usual).toContain('BTC');
      const asked = world.simulator.requests(exchange);
      expect(new Set(asked.map(({ route }) => route))).toEqual(new Set(['funding']));
      expect(JSON.stringify(asked)).not.toContain(ACCOUNT.apiKey);
    },
  );

  it('takes the usual funding times where an exchange does not tell them, and says why', async () => {
    const world = await givenWorld();
    const process = await world.process();
    const service = new WarmUpService({
      cache: process.cache,
      hosts: [
        ...hostsOf(world),
        { exchange: 'OKX', scope: SIMULATOR_SCOPE, baseUrl: world.simulator.bybitUrl },
      ],
    });
    await world.simulator.set({ outage: 'refuse' }, 'BINGX');
    const refs = [refOf('BYBIT'), refOf('BINGX'), { ...refOf('OKX'), environment: 'MAINNET' as const }];
    const told = await service.nextFunding(refs, { symbols: ['NOSUCHUSDT'] });
    expect(told).toMatchObject([
      { exchange: 'BYBIT', source: 'usual', problem: expect.stringContaining('NOSUCHUSDT') },
      { exchange: 'BINGX', source: 'usual', problem: expect.stringContaining('BINGX') },
      { exchange: 'OKX', source: 'usual', problem: expect.stringContaining('not known') },
    ]);
    for (const { atMs } of told) expect(atMs % (8 * 3_600_000)).toBe(0);
  });

  it('is done by one instance among many, and told as it goes on', async () => {
    const world = await givenWorld();
    const instances = await Promise.all(
      [1, 2, 3].map(async () => {
        const process = await world.process({ projection: 'inline', clockPolicy: 'adaptive' });
        const { databaseUrl } = world;
        return new WarmUpService({ pause, cache: process.cache, hosts: hostsOf(world), databaseUrl });
      }),
    );
    const refs = [refOf('BYBIT'), refOf('BINGX')];
    const progress: string[] = [];
    const reports = await Promise.all(
      instances.map(instance =>
        instance.warm(refs, {
          onProgress: ({ outcome }, done, total) => progress.push(`${outcome} ${done}/${total}`),
        }),
      ),
    );
    const outcomes = reports.flatMap(({ clocks }) => clocks.map(({ outcome }) => outcome)).sort();
    expect(outcomes).toEqual(['measured', 'measured', 'warm', 'warm', 'warm', 'warm']);
    expect(progress).toHaveLength(6);
    expect(progress).toContain('measured 2/2');
    for (const exchange of BOTH) expect(world.simulator.requests(exchange)).toHaveLength(2);
    // Who is known by the tables since then, a user's own or everybody's.
    const [first] = instances as [WarmUpService, ...WarmUpService[]];
    expect(await first.connectors({ userId: 'warm' })).toHaveLength(2);
    expect(await first.connectors({ userId: 'nobody' })).toEqual([]);
  });

  it('says what it cannot do: no host, an exchange that is away, a span out of range', async () => {
    const world = await givenWorld();
    const process = await world.process({ projection: 'inline' });
    const service = new WarmUpService({ pause, cache: process.cache, hosts: hostsOf(world) });
    const { clocks } = await service.warm([refOf('BYBIT', 'warm', 'nowhere')]);
    expect(clocks).toMatchObject([
      { outcome: 'failed', problem: expect.stringContaining('no host is known') },
    ]);
    await world.simulator.set({ outage: 'refuse' }, 'BYBIT');
    const away = await service.warm([refOf('BYBIT')]);
    expect(away.clocks).toMatchObject([{ outcome: 'failed', problem: expect.stringContaining('BYBIT') }]);
    for (const aheadMs of [0, Number.NaN, 86_400_001]) {
      await expect(service.warm([refOf('BYBIT')], { aheadMs })).rejects.toMatchObject({
        code: 'INVALID_INPUT',
      });
    }
    await expect(service.connectors()).rejects.toMatchObject({ code: 'INVALID_INPUT' });
    for (const share of [0, 0.6, Number.NaN]) {
      expect(() => new WarmUpService({ pause, cache: process.cache, share })).toThrow('share');
    }
  });
});
