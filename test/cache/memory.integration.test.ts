/** The memory tier: what a process remembers, and when it must not trust its memory. */
import { describe, expect, it } from '@jest/globals';
import { steerableMachine } from '../support/clocks.js';
import { eventsOf, givenWorld, measurements } from '../support/world.js';

describe('the memory tier', () => {
  it('answers without the database', async () => {
    const world = await givenWorld();
    const proxy = await world.proxy();
    const process = await world.process({ databaseUrl: proxy.url });
    const connector = world.connector(process, 'BYBIT');
    await connector.initialize();
    await proxy.refuse();

    expect(await process.cache.get(connector.ref)).toMatchObject({ hit: true, tier: 'memory' });
    expect(await connector.initialize()).toMatchObject({ cacheHit: true, tier: 'memory' });
    await proxy.recover();
  });

  it('remembers what was read, and counts each hit by its tier', async () => {
    const world = await givenWorld();
    const first = await world.process();
    const { ref } = world.connector(first, 'BINGX');
    await world.connector(first, 'BINGX').initialize();
    await first.flush();

    const second = await world.process();
    const tiers = [];
    for (let i = 0; i < 3; i++) {
      const lookup = await second.cache.get(ref);
      tiers.push(lookup.hit && lookup.tier);
    }

    expect(tiers).toEqual(['postgres', 'memory', 'memory']);
    const hits = eventsOf(await second.cache.history(ref.userId, ref.credentialId), 'ConnectorStateHit');
    expect(hits.map(({ data }) => [data.tier, data.count])).toEqual([
      ['postgres', 1],
      ['memory', 2],
    ]);
  });

  it('can be turned off', async () => {
    const world = await givenWorld();
    const process = await world.process({ memoryEntries: 0 });
    const connector = world.connector(process, 'BYBIT');
    await connector.initialize();
    await process.flush();
    expect(await connector.initialize()).toMatchObject({ tier: 'postgres' });
    expect(await connector.initialize()).toMatchObject({ tier: 'postgres' });
  });

  it('holds no more than it may', async () => {
    const world = await givenWorld();
    const process = await world.process({ memoryEntries: 2 });
    const connectors = ['a', 'b', 'c'].map(userId => world.connector(process, 'BINGX', { userId }));
    for (const connector of connectors) await connector.initialize();
    await process.flush();
    const tiers = [];
    for (const connector of [...connectors].reverse()) tiers.push((await connector.initialize()).tier);
    expect(tiers).toEqual(['memory', 'memory', 'postgres']);
  });

  it('asks the database again after its own TTL', async () => {
    const world = await givenWorld();
    const clock = steerableMachine();
    const process = await world.process({ memoryTtlMs: 60_000, clock });
    const connector = world.connector(process, 'BINGX');
    await connector.initialize();
    await process.flush();
    clock.advance(30_000);
    expect(await process.cache.get(connector.ref)).toMatchObject({ tier: 'memory' });
    clock.advance(31_000);
    // For the database only a moment has passed.
    expect(await process.cache.get(connector.ref)).toMatchObject({ tier: 'postgres' });
  });

  it('forgets a state that has ended, by the reference clock as this host sees it', async () => {
    const world = await givenWorld();
    const clock = steerableMachine(-7_000_000);
    const process = await world.process({ memoryTtlMs: 86_400_000, ttlMs: 60_000, clock });
    const connector = world.connector(process, 'BINGX');
    await connector.initialize();
    clock.advance(59_000);
    expect(await process.cache.get(connector.ref)).toMatchObject({ tier: 'memory' });
    clock.advance(2_000);
    expect(await process.cache.get(connector.ref)).toMatchObject({ hit: false });
  });

  it.each([
    ['a step of the wall clock', (clock: ReturnType<typeof steerableMachine>) => clock.stepWall(-5_000)],
    ['a freeze of the machine', (clock: ReturnType<typeof steerableMachine>) => clock.freeze(5_000)],
  ])('is cleared by %s, because the link to the reference is worth nothing after it', async (_, happen) => {
    const world = await givenWorld();
    const clock = steerableMachine();
    const process = await world.process({ clock });
    const connector = world.connector(process, 'BYBIT');
    await connector.initialize();
    await process.flush();
    expect(await process.cache.get(connector.ref)).toMatchObject({ tier: 'memory' });

    happen(clock);
    const result = await connector.initialize();

    expect(result).toMatchObject({ tier: 'postgres', authFailures: 0 });
    const truth = world.simulator.serverTimeMs('BYBIT') - clock.now();
    expect(Math.abs(result.offsetMs - truth)).toBeLessThanOrEqual(result.uncertaintyMs + 5);
  });

  it('survives small corrections of the wall clock', async () => {
    const world = await givenWorld();
    const clock = steerableMachine();
    const process = await world.process({ clock });
    const connector = world.connector(process, 'BYBIT');
    await connector.initialize();
    clock.stepWall(20);
    expect(await process.cache.get(connector.ref)).toMatchObject({ tier: 'memory' });
  });

  it('without a database, a freeze voids what was measured against the host itself', async () => {
    const world = await givenWorld();
    const proxy = await world.proxy();
    await proxy.refuse();
    const clock = steerableMachine();
    const process = await world.process({ databaseUrl: proxy.url, clock });
    await world.connector(process, 'BINGX').initialize();
    // A minute passes everywhere but on this machine's monotonic clock.
    clock.stepWall(60_000);
    world.simulator.step(60_000, 'BINGX');

    const result = await world.connector(process, 'BINGX', { userId: 'b' }).initialize();

    expect(result).toMatchObject({ cacheHit: false, authFailures: 0 });
    expect(measurements(world, 'BINGX')).toBe(2);
  });
});
