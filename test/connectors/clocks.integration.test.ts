/** Containers whose clocks are wrong: they sign correctly all the same, with what others measured. */
import { describe, expect, it } from '@jest/globals';
import { machine, steerableMachine } from '../support/clocks.js';
import { BOTH, eventsOf, eventually, givenWorld, measurements, verifications } from '../support/world.js';

const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;

describe.each(BOTH)('%s connectors in containers with wrong clocks', exchange => {
  it.each([
    ['minutes behind', -7 * MINUTE_MS],
    ['hours ahead', 5 * 60 * MINUTE_MS],
    ['weeks behind', -30 * DAY_MS],
  ])('sign with what a right one measured: %s', async (_, skewMs) => {
    const world = await givenWorld({ knobs: { skewMs: 4_000 } });
    const right = await world.process({ clock: machine() });
    await world.connector(right, exchange).initialize();
    await right.flush();

    const clock = machine(skewMs);
    const wrong = await world.process({ clock });
    const own = await world.connector(wrong, exchange).initialize();
    const shared = await world.connector(wrong, exchange, { userId: 'another' }).initialize();

    expect(own).toMatchObject({ tier: 'postgres', authFailures: 0 });
    expect(shared).toMatchObject({ tier: 'exchange-clock', authFailures: 0 });
    expect(Math.abs(own.offsetMs - (4_000 - skewMs))).toBeLessThanOrEqual(own.uncertaintyMs);
    expect(measurements(world, exchange)).toBe(1);
    expect(verifications(world, exchange)).toEqual(['0', '0', '0']);
  });

  it('measure what right ones can use: the measuring clock cancels out', async () => {
    const world = await givenWorld({ knobs: { skewMs: -2_000 } });
    const wrong = await world.process({ clock: machine(40 * DAY_MS) });
    expect(await world.connector(wrong, exchange).initialize()).toMatchObject({
      cacheHit: false,
      authFailures: 0,
    });
    await wrong.flush();

    const right = await world.process({ clock: machine() });
    const result = await world.connector(right, exchange).initialize();

    expect(result).toMatchObject({ tier: 'postgres', authFailures: 0 });
    expect(Math.abs(result.offsetMs + 2_000)).toBeLessThanOrEqual(result.uncertaintyMs);
  });

  it('do not use, or share, what another host measured against its own clock', async () => {
    const world = await givenWorld();
    const proxy = await world.proxy();
    await proxy.refuse();
    const alone = await world.process({
      databaseUrl: proxy.url,
      clock: machine(10 * MINUTE_MS),
      breakerResetMs: 10,
    });
    const connector = world.connector(alone, exchange);
    expect(await connector.initialize()).toMatchObject({ cacheHit: false, authFailures: 0 });
    await proxy.recover();
    await eventually(async () => expect((await alone.flush()).ok).toBe(true));
    expect(await world.sql('SELECT reference_clock FROM connector_state_cache')).toEqual([
      { reference_clock: alone.cache.clock.id },
    ]);

    const other = await world.process();
    expect(await other.cache.get(connector.ref)).toMatchObject({
      hit: false,
      reason: 'other-clock',
      exchangeClock: undefined,
    });
    expect(await world.connector(other, exchange).initialize()).toMatchObject({
      cacheHit: false,
      authFailures: 0,
    });
    await other.flush();

    // Now the row is good for everybody, the first host included.
    const third = await world.process();
    expect(await third.cache.get(connector.ref)).toMatchObject({ hit: true });
  });

  it('a row that another database server measured against is another clock', async () => {
    const world = await givenWorld();
    const first = await world.process();
    await world.connector(first, exchange).initialize();
    await first.flush();
    await world.sql(`UPDATE connector_state_cache SET reference_clock = 'pg:7000000000000000000:1'`);
    await world.sql(`UPDATE exchange_clock SET reference_clock = 'pg:7000000000000000000:1'`);

    const second = await world.process();
    expect(await world.connector(second, exchange).initialize()).toMatchObject({
      cacheHit: false,
      authFailures: 0,
    });
    await second.flush();
    expect(await (await world.process()).cache.get(world.connector(second, exchange).ref)).toMatchObject({
      hit: true,
    });
  });
});

describe("when this host's clock jumps, not the exchange's", () => {
  it('nothing false is recorded for others, and the connector signs on', async () => {
    const world = await givenWorld();
    const clock = steerableMachine();
    const process = await world.process({ clock });
    const connector = world.connector(process, 'BYBIT');
    await connector.initialize();
    await process.flush();

    // Thawed: the answer seems to come from an exchange that has stepped ahead.
    clock.freeze(20_000);
    await connector.fundingRate('BTCUSDT');

    await eventually(() => {
      const aim = connector.timestamp() - world.simulator.serverTimeMs('BYBIT') - connector.window.biasMs;
      expect(Math.abs(aim)).toBeLessThan(connector.window.toleranceMs);
    });
    await process.flush();
    for (const { data } of eventsOf(await process.cache.history('user123', 'cred456'), 'ConnectorSynced')) {
      expect(Math.abs(data.offsetMs)).toBeLessThanOrEqual(data.uncertaintyMs);
    }
    expect(await world.sql('SELECT epoch FROM exchange_clock')).toEqual([{ epoch: 1 }]);
  });

  it('a refusal that follows from it teaches nothing false either', async () => {
    const world = await givenWorld();
    const clock = steerableMachine();
    const process = await world.process({ clock });
    await world.connector(process, 'BINGX').initialize();
    await process.flush();
    const { ref } = world.connector(process, 'BINGX');
    expect(await process.cache.get(ref)).toMatchObject({ tier: 'memory' });

    // Less than the guard notices at once would be harmless; so the jump happens behind its back.
    const connector = world.connector(process, 'BINGX');
    const initialising = connector.initialize();
    clock.freeze(20_000);
    const result = await initialising;

    expect(result.authFailures).toBeLessThanOrEqual(1);
    await process.flush();
    for (const { data } of eventsOf(await process.cache.history('user123', 'cred456'), 'ConnectorSynced')) {
      expect(Math.abs(data.offsetMs)).toBeLessThanOrEqual(data.uncertaintyMs);
    }
  });
});
