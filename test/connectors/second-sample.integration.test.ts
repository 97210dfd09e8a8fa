/** One answer decides nothing: where it contradicts, the exchange is asked once more over a fresh connection. */
import { describe, expect, it, jest } from '@jest/globals';
import type { ExchangeAdapter } from '../../src/exchanges/exchange-adapter.js';
import { timeByEdge } from '../support/time-by-edge.js';
import { BOTH, eventually, givenWorld, measurements, verifications } from '../support/world.js';

/** A machine alone with its exchange, and a connector on it that was accepted. */
async function givenLoneConnector() {
  const world = await givenWorld();
  const process = await world.process({ firstContact: 'verify-first', machineName: 'only' });
  const connector = world.connector(process, 'BYBIT');
  await connector.initialize();
  await connector.fundingRate('BTCUSDT');
  await process.flush();
  const settled = async () => {
    await process.flush();
    return world.sql<{ epoch: number; rival_host: string | null; is_valid: boolean }>(
      'SELECT epoch, rival_host, is_valid FROM exchange_clock',
    );
  };
  const { adapter } = connector as unknown as { adapter: ExchangeAdapter };
  const dropIdle = jest.spyOn(adapter, 'dropIdle');
  return { world, process, connector, settled, dropIdle };
}

const nowOf = (connector: { exchangeNow(): number }) => connector.exchangeNow() - Date.now();

describe('a single answer that is wrong, to a machine that decides alone', () => {
  it.each([30_000, 5_000, 900])('by %i ms is not signed by, and opens no epoch', async byMs => {
    const { world, process, connector, settled, dropIdle } = await givenLoneConnector();
    const before = measurements(world, 'BYBIT');
    // One server behind the balancer has another clock.
    world.simulator.fault({ kind: 'wrong-time', route: 'funding', value: Date.now() + byMs }, 'BYBIT');

    await connector.fundingRate('BTCUSDT');

    expect(Math.abs(nowOf(connector))).toBeLessThan(500);
    // What is right after it goes back in time, which the sample's check asks about once more.
    await eventually(() => expect(measurements(world, 'BYBIT')).toBeGreaterThan(before));
    expect(dropIdle).toHaveBeenCalledTimes(1);
    await eventually(async () => expect(await settled()).toMatchObject([{ epoch: 1, rival_host: null }]));
    expect(Math.abs(nowOf(connector))).toBeLessThan(1_000);

    const next = await world.connector(process, 'BYBIT', { userId: 'next' }).initialize();
    expect(next.authFailures).toBe(0);
    expect(verifications(world, 'BYBIT').every(outcome => outcome === '0')).toBe(true);
  });
});

describe('a step that one machine alone sees', () => {
  it('is believed after the second answer, which nobody waits for', async () => {
    const { world, connector, settled } = await givenLoneConnector();
    await world.later();
    world.simulator.step(4_000, 'BYBIT');

    await connector.fundingRate('BTCUSDT');

    await eventually(() => expect(Math.abs(nowOf(connector) - 4_000)).toBeLessThan(1_000));
    await eventually(async () => expect(await settled()).toMatchObject([{ epoch: 2, rival_host: null }]));
  });
});

describe.each(BOTH)('an edge in front of %s', exchange => {
  const givenEdge = async (aheadMs = 0) => {
    const world = await givenWorld();
    const { bybitUrl, bingxUrl } = world.simulator;
    const edge = await timeByEdge(exchange, exchange === 'BYBIT' ? bybitUrl : bingxUrl, aheadMs);
    return { world, edge, at: { baseUrl: edge.url } };
  };

  it.each([-30_000, -7_000, 4_000])(
    'tells the time %i ms off: the clock that refuses twice is the one that judges',
    async aheadMs => {
      const { world, at } = await givenEdge(aheadMs);
      const process = await world.process({ machineName: 'only' });
      const connector = world.connector(process, exchange, at);

      const { refusals } = await connector.initialize();

      expect(refusals).toEqual(['unexplained', 'wrong']);
      expect(await connector.initialize()).toMatchObject({ contact: 'state', refusals: [] });
      expect(await process.flush()).toMatchObject({ ok: true });
      const other = await world.process({ machineName: 'other' });
      expect(await world.connector(other, exchange, at).initialize()).toMatchObject({ refusals: [] });
      expect(verifications(world, exchange).slice(2)).toEqual(['0', '0', '0']);
    },
  );

  it('refuses by a clock of its own now and then: an acceptance in between settles it', async () => {
    const { world, edge, at } = await givenEdge();
    const process = await world.process({ machineName: 'only' });
    const connector = world.connector(process, exchange, at);
    await connector.initialize();

    for (let round = 0; round < 3; round++) {
      edge.refuseNext(30_000);
      expect(await connector.initialize()).toMatchObject({ refusals: ['unexplained'] });
    }

    expect(Math.abs(nowOf(connector))).toBeLessThan(1_000);
    expect(verifications(world, exchange).every(outcome => outcome === '0')).toBe(true);
  });
});
