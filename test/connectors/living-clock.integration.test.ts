/** The clock of a process lives as long as the process: steps, suspends, long days, many connectors. */
import { describe, expect, it } from '@jest/globals';
import { isConnectorStateError } from '../../src/base/errors.js';
import type { Timers } from '../../src/clock/timers.js';
import { steerableMachine } from '../support/clocks.js';
import type { SdkExchange } from '../support/two-exchanges.js';
import {
  type AnyConnector,
  BOTH,
  eventsOf,
  givenSimulator,
  givenWorld,
  measurements,
  SYMBOL,
  verifications,
  type World,
} from '../support/world.js';

const HOUR_MS = 3_600_000;

/** Timers that go off when the test says so. */
function heldTimers() {
  const waiting = new Set<{ ms: number; readonly action: () => void }>();
  const timers: Timers = {
    after(ms, action) {
      const timer = { ms, action };
      waiting.add(timer);
      return () => waiting.delete(timer);
    },
  };
  return {
    timers,
    waiting,
    pass(ms: number) {
      const due = [...waiting].filter(timer => {
        timer.ms -= ms;
        return timer.ms <= 0;
      });
      for (const timer of due) {
        waiting.delete(timer);
        timer.action();
      }
    },
    /** The next one. */
    fire() {
      const [next] = [...waiting].sort((a, b) => a.ms - b.ms);
      if (!next) throw new Error('no timer waits');
      waiting.delete(next);
      next.action();
    },
  };
}

/** How far a timestamp is from where it was meant to be. */
const missMs = (world: World, exchange: SdkExchange, connector: AnyConnector, timestamp: number): number =>
  Math.abs(timestamp - connector.window.biasMs - world.simulator.serverTimeMs(exchange));

describe.each(BOTH)('%s: many connectors of one process', exchange => {
  it('pay one refusal for a step of the exchange clock, not one each', async () => {
    const world = await givenWorld();
    const process = await world.process();
    const connectors = Array.from({ length: 8 }, (_, n) =>
      world.connector(process, exchange, { credentialId: `cred${n}` }),
    );
    for (const connector of connectors) await connector.initialize();

    world.simulator.step(-4_000, exchange);
    const from = verifications(world, exchange).length;
    const [first, ...others] = connectors as [AnyConnector, ...AnyConnector[]];
    expect(await first.initialize()).toMatchObject({ authFailures: 1 });

    // Without an init, and with one.
    for (const connector of others) {
      expect(missMs(world, exchange, connector, connector.timestamp())).toBeLessThan(500);
      expect(connector.now()).toMatchObject({ epoch: 2, status: 'synchronized' });
    }
    for (const connector of others) expect(await connector.initialize()).toMatchObject({ authFailures: 0 });
    expect(
      verifications(world, exchange)
        .slice(from)
        .filter(code => code !== '0'),
    ).toHaveLength(1);
  });

  it('that are refused together condemn only what they were signed with', async () => {
    const world = await givenWorld();
    const process = await world.process();
    const connectors = Array.from({ length: 5 }, (_, n) =>
      world.connector(process, exchange, { credentialId: `cred${n}` }),
    );
    for (const connector of connectors) await connector.initialize();
    world.simulator.step(-7_000, exchange);

    await Promise.all(connectors.map(connector => connector.initialize()));
    await process.flush();

    const facts = (
      await Promise.all(connectors.map((_, n) => process.cache.history('user123', `cred${n}`)))
    ).flat();
    const learned = new Set(
      eventsOf(facts, 'ConnectorSynced')
        .filter(({ data }) => data.trigger === 'auth-failure')
        .map(({ data }) => data.syncId),
    );
    for (const { data } of eventsOf(facts, 'ConnectorStateInvalidated')) {
      expect(learned.has(data.condemnedSyncId)).toBe(false);
    }
    for (const connector of connectors) {
      expect(missMs(world, exchange, connector, connector.timestamp())).toBeLessThan(500);
    }
  });

  it.each([3_000, -3_000])(
    'go by one measurement when a request of your own was refused after a step of %i ms',
    async stepMs => {
      const world = await givenWorld();
      const process = await world.process();
      const connectors = Array.from({ length: 4 }, (_, n) =>
        world.connector(process, exchange, { credentialId: `cred${n}` }),
      );
      for (const connector of connectors) await connector.initialize();
      const before = measurements(world, exchange);
      world.simulator.step(stepMs, exchange);

      await Promise.all(connectors.map(connector => connector.timestampRefused()));

      expect(measurements(world, exchange)).toBe(before + 1);
      for (const connector of connectors) {
        expect(missMs(world, exchange, connector, connector.timestamp())).toBeLessThan(500);
      }
    },
  );

  it('are not moved by what another host says', async () => {
    const world = await givenWorld();
    const staging = await givenSimulator({ knobs: { skewMs: 30_000 } });
    const baseUrl = exchange === 'BYBIT' ? staging.bybitUrl : staging.bingxUrl;
    const process = await world.process();
    const real = world.connector(process, exchange);
    await real.initialize();

    const mock = world.connector(process, exchange, { credentialId: 'mock', baseUrl, clockScope: 'mock' });
    await mock.initialize().catch(() => undefined);
    await mock.timestampRefused().catch(() => undefined);

    expect(missMs(world, exchange, real, real.timestamp())).toBeLessThan(500);
    expect(real.now()).toMatchObject({ epoch: 1 });
  });
});

describe.each(BOTH)('%s: after this host was suspended', exchange => {
  it.each([300, 8_000, 3_600_000])('for %i ms: timestampSafe() measures before it signs', async sleptMs => {
    const world = await givenWorld();
    const clock = steerableMachine();
    const process = await world.process({ clock });
    const connector = world.connector(process, exchange);
    await connector.initialize();

    clock.freeze(sleptMs);

    const time = connector.now();
    const truth = world.simulator.serverTimeMs(exchange);
    expect(time.earliestMs).toBeLessThanOrEqual(truth);
    expect(time.latestMs).toBeGreaterThanOrEqual(truth - 1);
    expect(time.status).toBe(sleptMs > 2_000 ? 'unknown' : 'holdover');

    const timestamp = await connector.timestampSafe();
    expect(missMs(world, exchange, connector, timestamp)).toBeLessThan(500);
    expect(connector.now()).toMatchObject({ status: 'synchronized', epoch: 1 });
  });

  it('timestamp() throws instead of signing what would be refused, and is healed in the background', async () => {
    const world = await givenWorld();
    const clock = steerableMachine();
    const process = await world.process({ clock });
    const connector = world.connector(process, exchange);
    await connector.initialize();

    clock.freeze(8_000);

    let thrown: unknown;
    try {
      connector.timestamp();
    } catch (error) {
      thrown = error;
    }
    expect(isConnectorStateError(thrown, 'CLOCK_UNCERTAIN')).toBe(true);
    expect(thrown).toMatchObject({ toleranceMs: 2_000 });
    const { boundMs, message } = thrown as Error & { boundMs: number };
    expect(boundMs).toBeGreaterThanOrEqual(8_000);
    for (const part of [`±${Math.ceil(boundMs)} ms`, '±2000 ms', 'timestampSafe()']) {
      expect(message).toContain(part);
    }
    await process.flush();
    expect(missMs(world, exchange, connector, connector.timestamp())).toBeLessThan(500);
  });

  it('and the wall clock set by hours on a sound machine costs one look at the database', async () => {
    const world = await givenWorld();
    const clock = steerableMachine();
    const process = await world.process({ clock });
    const connector = world.connector(process, exchange);
    await connector.initialize();
    const before = measurements(world, exchange);

    clock.stepWall(-5 * HOUR_MS);

    expect(missMs(world, exchange, connector, await connector.timestampSafe())).toBeLessThan(500);
    expect(measurements(world, exchange)).toBe(before);
  });

  it('without a database the exchange is asked', async () => {
    const world = await givenWorld();
    const proxy = await world.proxy();
    const clock = steerableMachine();
    const process = await world.process({ clock, databaseUrl: proxy.url, breakerResetMs: 10 });
    const connector = world.connector(process, exchange);
    await connector.initialize();
    await proxy.refuse();

    clock.freeze(8_000);

    expect(missMs(world, exchange, connector, await connector.timestampSafe())).toBeLessThan(500);
    await proxy.recover();
  });

  it('without the cache as well', async () => {
    const world = await givenWorld();
    const clock = steerableMachine();
    const process = await world.process({ clock, cacheMode: 'off' });
    const connector = world.connector(process, exchange);
    await connector.initialize();

    clock.freeze(8_000);
    expect(() => connector.timestamp()).toThrow(expect.objectContaining({ code: 'CLOCK_UNCERTAIN' }));

    expect(missMs(world, exchange, connector, await connector.timestampSafe())).toBeLessThan(500);
  });

  it('when nobody answers, timestampSafe() says so, and signs again when somebody does', async () => {
    const world = await givenWorld();
    const proxy = await world.proxy();
    const clock = steerableMachine();
    const process = await world.process({ clock, databaseUrl: proxy.url, breakerResetMs: 10 });
    const connector = world.connector(process, exchange);
    await connector.initialize();
    await proxy.refuse();
    await world.simulator.set({ maintenance: 'http' }, exchange);

    clock.freeze(8_000);

    await expect(connector.timestampSafe()).rejects.toMatchObject({ code: 'CLOCK_UNCERTAIN' });
    await expect(connector.timestampRefused()).rejects.toMatchObject({
      code: expect.stringMatching(/^EXCHANGE_/),
    });
    expect(connector.now()).toMatchObject({ status: 'unknown' });
    await world.simulator.set({ maintenance: 'none' }, exchange);
    expect(missMs(world, exchange, connector, await connector.timestampSafe())).toBeLessThan(500);
    await proxy.recover();
  });
});

describe('before its end', () => {
  it('the clock is measured again by a timer, used or not', async () => {
    const world = await givenWorld();
    const clock = steerableMachine();
    const held = heldTimers();
    const process = await world.process({ clock, timers: held.timers, clockPolicy: 'adaptive' });
    const connector = world.connector(process, 'BYBIT');
    await connector.initialize();
    const [{ ms } = { ms: 0 }] = [...held.waiting];
    expect(ms).toBeGreaterThan(HOUR_MS);
    expect(ms).toBeLessThan(6 * HOUR_MS);

    // The host's clock has run away by 40 ppm meanwhile.
    clock.advance(ms + (ms * 40) / 1e6);
    held.fire();
    await process.flush();

    expect(connector.now()).toMatchObject({ status: 'synchronized' });
    expect(missMs(world, 'BYBIT', connector, connector.timestamp())).toBeLessThan(500);
    expect(held.waiting.size).toBe(1);
  });

  it('one timer waits for all connectors, and ends with the last of them', async () => {
    const world = await givenWorld();
    const held = heldTimers();
    const process = await world.process({ timers: held.timers });
    const one = world.connector(process, 'BYBIT', { credentialId: 'one' });
    const two = world.connector(process, 'BYBIT', { credentialId: 'two' });
    await one.initialize();
    await two.initialize();
    expect(held.waiting.size).toBe(1);

    two.close();
    expect(held.waiting.size).toBe(1);
    one.close();
    expect(held.waiting.size).toBe(0);
  });

  it('no timer outlives the cache', async () => {
    const world = await givenWorld();
    const held = heldTimers();
    const process = await world.process({ timers: held.timers });
    await world.connector(process, 'BYBIT').initialize();
    await world.connector(process, 'BINGX').initialize();
    expect(held.waiting.size).toBe(2);

    await process.close();

    expect(held.waiting.size).toBe(0);
  });

  it('a measurement that fails is no unhandled rejection, is told by the status, and is tried again', async () => {
    const world = await givenWorld();
    const proxy = await world.proxy();
    const clock = steerableMachine();
    const held = heldTimers();
    const process = await world.process({
      clock,
      timers: held.timers,
      databaseUrl: proxy.url,
      breakerResetMs: 10,
    });
    const connector = world.connector(process, 'BYBIT');
    await connector.initialize();
    await proxy.refuse();
    await world.simulator.set({ maintenance: 'http' }, 'BYBIT');

    clock.advance(15 * 60_000);
    held.fire();
    await process.cache.flush(1_000);
    expect(connector.now()).toMatchObject({ status: 'holdover' });
    expect([...held.waiting].map(({ ms }) => Math.round(ms / 1_000))).toEqual([60]);

    await proxy.recover();
    clock.advance(60_000);
    held.fire();
    await process.cache.flush();
    expect(connector.now()).toMatchObject({ status: 'synchronized' });
  });
});

/** A host whose day the test plays, and an exchange whose clock is true. */
async function givenDay(ppm: number) {
  const startMs = Date.UTC(2026, 0, 1);
  let passedMs = 0;
  const read = () => startMs + passedMs * (1 + ppm / 1e6);
  const clock = { id: 'host:long-lived/1', now: read, wall: read };
  const held = heldTimers();
  const simulator = await givenSimulator({ now: () => startMs + passedMs });
  const world = await givenWorld();
  // The database's day cannot be played: the exchange is all there is to measure by.
  const process = await world.process({ clock, timers: held.timers, cacheMode: 'off' });
  return {
    simulator,
    process,
    connector: world.connector(process, 'BINGX', { baseUrl: simulator.bingxUrl }),
    /** What a timer is due for is done in time. */
    async pass(ms: number) {
      passedMs += ms;
      held.pass(ms);
      await process.flush();
    },
  };
}

describe('a long day', () => {
  it.each([
    ['with', 49],
    ['with', -49],
    ['without', 49],
    ['without', -49],
  ])('%s responses, on a host that drifts by %i ppm: every timestamp is a good one', async (how, ppm) => {
    const { simulator, connector, pass } = await givenDay(ppm);
    await connector.initialize();

    let worstMs = 0;
    for (let n = 0; n < 2_880; n++) {
      await pass(30_000);
      const timestamp = n % 2 === 0 ? connector.timestamp() : await connector.timestampSafe();
      const truth = simulator.serverTimeMs('BINGX');
      worstMs = Math.max(worstMs, Math.abs(timestamp - connector.window.biasMs - truth));
      const { earliestMs, latestMs, status } = connector.now();
      expect(status).toBe('synchronized');
      expect(earliestMs).toBeLessThanOrEqual(truth + 1);
      expect(latestMs).toBeGreaterThanOrEqual(truth);
      if (how === 'with' && n % 40 === 0) await connector.fundingRate(SYMBOL.BINGX);
    }

    expect(worstMs).toBeLessThan(connector.window.toleranceMs / 2 + 10);
    const asked = simulator.requests('BINGX').filter(({ route }) => route === 'time').length;
    expect(asked).toBeLessThan(20);
  });

  it('that nobody used is no reason to sign by what is long ago', async () => {
    const { simulator, connector, pass } = await givenDay(49);
    await connector.initialize();
    await pass(24 * HOUR_MS);
    const timestamp = await connector.timestampSafe();
    expect(Math.abs(timestamp - connector.window.biasMs - simulator.serverTimeMs('BINGX'))).toBeLessThan(200);
  });
});
