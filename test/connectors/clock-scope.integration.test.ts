/**
 * One clock per host that judges: what one host says never moves the clock of another.
 */
import { randomUUID } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { LocalClocks } from '../../src/cache/local-clocks.js';
import { eventsOf, givenSimulator, givenWorld, SIMULATOR_SCOPE, verifications } from '../support/world.js';

const LIE_MS = 600_000;

/** A world with a second exchange, of which everything is right but the time. */
async function givenLiar() {
  const world = await givenWorld();
  const liar = await givenSimulator({ knobs: { skewMs: LIE_MS } });
  return { world, liar };
}

describe('a host with another clock', () => {
  it.each([1, 3])("never moves the clock of the true one's connectors (machines: %i)", async machines => {
    const { world, liar } = await givenLiar();
    const processes = await Promise.all(Array.from({ length: machines }, () => world.process()));
    const initialise = async (turn: number, userId: string, baseUrl?: string) => {
      const process = processes[turn % machines] as (typeof processes)[number];
      const there = baseUrl === undefined ? {} : { baseUrl, clockScope: undefined };
      const result = await world.connector(process, 'BYBIT', { userId, ...there }).initialize();
      await process.flush();
      return result;
    };

    await initialise(0, 'victim-1');
    for (let turn = 1; turn <= 4; turn++) {
      await initialise(turn, `attacker-${turn}`, liar.bybitUrl);
      const result = await initialise(turn + 1, turn % 2 ? 'victim-1' : `victim-${turn + 1}`);
      expect(Math.abs(result.offsetMs)).toBeLessThan(LIE_MS / 2);
      expect(result).toMatchObject({ authFailures: 0, cacheHit: true });
    }

    const clocks = await world.sql('SELECT scope, epoch, contested_since, time_offset FROM exchange_clock');
    expect(clocks).toHaveLength(2);
    expect(clocks).toContainEqual(
      expect.objectContaining({ scope: SIMULATOR_SCOPE, epoch: 1, contested_since: null }),
    );
    expect(clocks).toContainEqual(expect.objectContaining({ scope: liar.bybitUrl, epoch: 1 }));
    expect(verifications(world, 'BYBIT')).toEqual(Array.from({ length: 5 }, () => '0'));
  });

  it('has states of its own: what the same credential measured elsewhere is a miss', async () => {
    const { world, liar } = await givenLiar();
    const process = await world.process();
    const here = world.connector(process, 'BYBIT');
    const there = world.connector(process, 'BYBIT', { baseUrl: liar.bybitUrl, clockScope: undefined });
    await here.initialize();
    await process.flush();

    const other = await world.process();
    expect(await other.cache.get(there.ref)).toMatchObject({
      hit: false,
      reason: 'other-connector',
      exchangeClock: undefined,
    });
    expect(await other.cache.get(here.ref)).toMatchObject({ hit: true, state: { scope: SIMULATOR_SCOPE } });
    expect(await other.cache.get({ ...here.ref, scope: undefined })).toMatchObject({
      hit: false,
      reason: 'other-connector',
    });
  });

  it('says in every fact whose clock it was', async () => {
    const { world, liar } = await givenLiar();
    const process = await world.process();
    const connector = world.connector(process, 'BYBIT', { baseUrl: liar.bybitUrl, clockScope: undefined });
    await connector.initialize();
    liar.step(-60_000, 'BYBIT');
    await connector.initialize();
    await process.flush();

    const history = await process.cache.history('user123', 'cred456');
    for (const event of history) expect(event).toMatchObject({ data: { scope: liar.bybitUrl } });
    expect(eventsOf(history, 'ConnectorSynced')[0]).toMatchObject({ schemaVersion: 3 });
    expect(eventsOf(history, 'ConnectorStateInvalidated')).toHaveLength(1);
    expect(await process.cache.explain('user123', 'cred456')).toMatchObject({
      scope: liar.bybitUrl,
      clock: { epoch: 2 },
    });
  });

  it('shares a clock with the hosts that the user names together with it', async () => {
    const { world } = await givenLiar();
    const mirror = await givenSimulator();
    const process = await world.process();
    await world.connector(process, 'BYBIT', { userId: 'a', clockScope: 'mirrors' }).initialize();
    const second = world.connector(process, 'BYBIT', {
      userId: 'b',
      baseUrl: mirror.bybitUrl,
      clockScope: 'mirrors',
    });

    expect(await second.initialize()).toMatchObject({ contact: 'exchange-clock', cacheHit: true });
  });
});

describe('the clocks that a process folds for itself', () => {
  it('never meet across scopes, whatever is measured and condemned', () => {
    const fact = fc.record({
      scope: fc.constantFrom('default', 'https://a.example', 'b'),
      offsetMs: fc.integer({ min: -1e6, max: 1e6 }),
      isCondemned: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(fact, { maxLength: 20 }), facts => {
        const all = new LocalClocks();
        const alone = new Map<string, LocalClocks>();
        facts.forEach(({ scope, offsetMs, isCondemned }, i) => {
          const name = {
            exchange: 'BYBIT',
            environment: 'MAINNET',
            scope,
            referenceClock: 'pg:1:1',
          } as const;
          const own = alone.get(scope) ?? new LocalClocks();
          alone.set(scope, own);
          const atMs = 1_760_000_000_000 + i * 1_000;
          const syncId = randomUUID();
          const estimate = { offsetMs, uncertaintyMs: 5, atMs };
          for (const clocks of [all, own]) {
            clocks.measured(name, { syncId, estimate, ttlMs: 60_000, host: 'host:a/1' });
            const condemnation = { syncId, measuredAtMs: atMs, voidsOlder: true, host: 'host:a/1' };
            if (isCondemned) clocks.condemned(name, condemnation);
          }
        });
        for (const [scope, own] of alone) {
          const name = {
            exchange: 'BYBIT',
            environment: 'MAINNET',
            scope,
            referenceClock: 'pg:1:1',
          } as const;
          expect(all.known(name)).toEqual(own.known(name));
        }
      }),
    );
  });
});
