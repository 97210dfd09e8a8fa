/** The test kit, as a user's own tests use it. */
import { afterEach, describe, expect, it } from '@jest/globals';
import { BingxConnectorWithCache } from '../../src/connectors/bingx-with-cache.connector.js';
import { BybitConnectorWithCache } from '../../src/connectors/bybit-with-cache.connector.js';
import '../../src/events/ids.js';
import {
  createFakeClock,
  createInMemoryState,
  demoAccount,
  type FakeClock,
  type InMemoryState,
  NO_LATENCY,
  startExchangeSimulator,
} from '../../src/testing/index.js';
import { projectDirectory, runNode } from '../support/run.js';

const opened: { close(): unknown }[] = [];
afterEach(async () => {
  for (const each of opened.splice(0).reverse()) await each.close();
});
const closing = <T extends { close(): unknown }>(it: T): T => {
  opened.push(it);
  return it;
};

async function given(
  clock: FakeClock = createFakeClock(),
  knobs: { skewMs?: number; driftPpm?: number } = {},
) {
  const simulator = closing(
    await startExchangeSimulator({ now: clock.trueNow, knobs: { ...NO_LATENCY, ...knobs } }),
  );
  const state = closing(createInMemoryState({ clock }));
  const connector = (of: InMemoryState = state, credentialId = 'main') =>
    closing(
      new BybitConnectorWithCache({
        cache: of.cache,
        userId: 'alice',
        credentialId,
        environment: 'TESTNET',
        credentials: demoAccount(1),
        baseUrl: simulator.bybitUrl,
      }),
    );
  return { clock, simulator, state, connector };
}

describe('an init over facts in memory', () => {
  it('learns the clock, tells it as facts, and starts from them in another process', async () => {
    const { state, connector, simulator, clock } = await given(createFakeClock({ skewMs: -300 }), {
      skewMs: 61_000,
    });
    const first = await connector().initialize();
    expect(first).toMatchObject({ contact: 'verify-first', authFailures: 1, cacheHit: false });
    expect(await state.facts('ConnectorSynced')).toMatchObject([
      { data: { userId: 'alice', exchange: 'BYBIT' } },
    ]);

    const later = closing(createInMemoryState({ clock, facts: state.store }));
    const second = await connector(later).initialize();
    expect(second).toMatchObject({ cacheHit: true, tier: 'postgres', authFailures: 0 });
    expect(Math.abs(second.offsetMs - 61_300)).toBeLessThanOrEqual(second.uncertaintyMs);
    expect(simulator.counters('BYBIT').refused).toBe(1);
    const { types } = { types: (await later.facts()).map(({ type }) => type) };
    expect(types.at(-1)).toBe('ConnectorStateHit');
  });

  it('reads an audit trail, condemns, and says what needs a database', async () => {
    const { state, connector } = await given();
    await connector().initialize();
    await state.flush();
    expect((await state.cache.history('alice', 'main')).length).toBeGreaterThan(0);
    await expect(state.cache.getStats()).rejects.toMatchObject({
      code: 'DATABASE_UNAVAILABLE',
      message: expect.stringContaining('facts in memory have no database'),
    });
  });

  it('serves BingX as well', async () => {
    const { state, simulator, clock } = await given(createFakeClock(), { skewMs: -20_000 });
    const connector = closing(
      new BingxConnectorWithCache({
        cache: state.cache,
        userId: 'alice',
        credentialId: 'bingx',
        environment: 'TESTNET',
        credentials: demoAccount(2),
        baseUrl: simulator.bingxUrl,
      }),
    );
    expect(await connector.initialize()).toMatchObject({ authFailures: 1 });
    expect(connector.exchangeNow()).toBeCloseTo(clock.trueNow() - 20_000, -3);
  });
});

describe('a fake clock', () => {
  it('lets hours pass at once, with what was due in between', async () => {
    const clock = createFakeClock();
    const { connector, simulator, state } = await given(clock, { driftPpm: 40 });
    const one = connector();
    await one.initialize();
    for (let hour = 0; hour < 48; hour++) {
      await clock.advance(3_600_000);
      // What the timers began goes over real sockets.
      await state.cache.flush();
      await one.initialize();
    }
    expect(simulator.counters('BYBIT').refused).toBe(0);
    expect(clock.now()).toBe(Date.UTC(2026, 0, 3));
  });

  it('suspends a machine: nothing is signed by what it knew before', async () => {
    const { clock, connector, simulator } = await given();
    const one = connector();
    await one.initialize();
    clock.suspend(90_000);
    expect(clock.wall() - clock.now()).toBe(90_000);
    const timestamp = await one.timestampSafe();
    expect(Math.abs(timestamp - simulator.serverTimeMs('BYBIT'))).toBeLessThan(2_000);
  });

  it('fires timers in their order, also those that timers set', async () => {
    const clock = createFakeClock({ startMs: 0 });
    const fired: [string, number][] = [];
    clock.timers.after(20, () => fired.push(['late', clock.now()]));
    clock.timers.after(10, () => {
      fired.push(['early', clock.now()]);
      clock.timers.after(5, () => fired.push(['next', clock.now()]));
    });
    const cancel = clock.timers.after(1, () => fired.push(['never', 0]));
    cancel();
    await clock.advance(19);
    expect(fired).toEqual([
      ['early', 10],
      ['next', 15],
    ]);
    clock.setWall(-1000);
    expect([clock.now(), clock.wall()]).toEqual([19, -981]);
    await expect(clock.advance(-1)).rejects.toMatchObject({ code: 'INVALID_INPUT' });
    expect(() => createFakeClock({ driftPpm: Number.NaN })).toThrow(/driftPpm must be a number/);
  });
});

describe('the package', () => {
  it('has the kit under its own name, and it needs neither a database nor a package more', async () => {
    const { code, stdout, stderr } = await runNode([`${projectDirectory}test/testing/program.mjs`], {
      env: {},
    });
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(JSON.parse(stdout)).toEqual({ contact: 'verify-first', authFailures: 1, synced: 1, executed: 0 });
  });
});
