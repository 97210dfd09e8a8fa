/** Clocks are measured before anybody needs them, once, without an account. */
import { describe, expect, it } from '@jest/globals';
import { WarmUpService } from '../../src/services/index.js';
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

describe('WarmUpService', () => {
  it.each(BOTH)('warms the clock of %s for all its connectors, with two public requests', async exchange => {
    const world = await givenWorld({ knobs: { skewMs: 21_000 } });
    const process = await world.process({ projection: 'inline', clockPolicy: 'adaptive' });
    const service = new WarmUpService({ cache: process.cache, hosts: hostsOf(world) });
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
    await world.simulator.set({ rateLimit: { requests: 1, perMs: 60_000 } }, 'BINGX');
    const process = await world.process({ projection: 'inline' });
    const origin = world.simulator.bingxUrl;
    const service = new WarmUpService({ cache: process.cache, hosts: hostsOf(world) });
    const { clocks } = await service.warm([refOf('BINGX'), refOf('BINGX', 'warm', origin), refOf('BYBIT')]);
    expect(clocks.map(({ outcome }) => outcome)).toEqual(['failed', 'skipped', 'measured']);
    expect(clocks[0]?.retryAfterMs).toBeGreaterThan(0);
    expect(world.simulator.requests('BINGX')).toHaveLength(2);
  });

  it('says what it cannot do: no host, an exchange that is away, a span out of range', async () => {
    const world = await givenWorld();
    const process = await world.process({ projection: 'inline' });
    const service = new WarmUpService({ cache: process.cache, hosts: hostsOf(world) });
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
  });
});
