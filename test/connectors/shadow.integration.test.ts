/** `CACHE_MODE=shadow` and `off`, through the real SDKs: what connectors do, and what is told of the cache meanwhile. */
import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { createConnectorState } from '../../src/composition/connector-state.js';
import { machine } from '../support/clocks.js';
import { keptLog } from '../support/log.js';
import type { SdkExchange } from '../support/two-exchanges.js';
import {
  BOTH,
  closing,
  eventsOf,
  givenWorld,
  measurements,
  type Process,
  verifications,
  type World,
} from '../support/world.js';

const SHADOW = { cacheMode: 'shadow', firstContact: 'verify-first', clockPolicy: 'adaptive' } as const;
const DAY_MS = 86_400_000;

/** A flush waits for what the cache is asked beside an init. */
async function history(process: Process, userId = 'user123') {
  await process.flush();
  return process.cache.history(userId, 'cred456');
}
const shadowed = async (process: Process) =>
  eventsOf(await history(process), 'ConnectorShadowed').map(event => event.data);

/** One init with the cache on, so that there is something to find. */
async function givenState(world: World, exchange: SdkExchange): Promise<void> {
  const process = await world.process();
  await world.connector(process, exchange).initialize();
  await process.flush();
}

describe.each(BOTH)('a %s connector in shadow mode', exchange => {
  it('measures and verifies at every init, and tells what it would have done instead', async () => {
    const world = await givenWorld({ knobs: { skewMs: 90_000 } });
    const process = await world.process(SHADOW);

    const results = [];
    for (let i = 0; i < 3; i++) {
      results.push(await world.connector(process, exchange).initialize());
      await process.flush();
    }

    for (const result of results) {
      expect(result).toMatchObject({ cacheHit: false, tier: null, contact: 'sync', authFailures: 0 });
      expect(Math.abs(result.offsetMs - 90_000)).toBeLessThanOrEqual(result.uncertaintyMs);
    }
    expect(measurements(world, exchange)).toBe(3);
    expect(verifications(world, exchange)).toEqual(['0', '0', '0']);
    const [first, ...others] = await shadowed(process);
    // A minute and a half off: signing by the database's clock would have been refused, and nobody else refuted it.
    expect(first).toMatchObject({
      contact: 'verify-first',
      missReason: 'absent',
      used: { offsetMs: expect.any(Number) },
      comparison: { refusal: 'certain' },
    });
    expect(others).toHaveLength(2);
    for (const { contact, tier, used, measured, comparison } of others) {
      expect({ contact, tier, refusal: comparison?.refusal }).toEqual({
        contact: 'state',
        tier: 'memory',
        refusal: 'no',
      });
      expect(Math.abs(comparison?.errorMs ?? Number.NaN)).toBeLessThanOrEqual(
        (used?.uncertaintyMs ?? 0) + (measured?.uncertaintyMs ?? 0),
      );
      expect(comparison?.errorMs).toBe((used?.offsetMs ?? 0) - (measured?.offsetMs ?? 0));
    }
  });

  it('fills the cache by what would have been misses alone, and counts no hit', async () => {
    const world = await givenWorld();
    const process = await world.process({ ...SHADOW, firstContact: 'sync-first' });

    for (let i = 0; i < 3; i++) {
      await world.connector(process, exchange).initialize();
      await process.flush();
    }

    const events = await history(process);
    expect(
      eventsOf(events, 'ConnectorSynced').filter(({ data }) => data.trigger !== 'passive'),
    ).toMatchObject([{ data: { trigger: 'absent', basis: 'measured' } }]);
    expect(eventsOf(events, 'ConnectorStateHit')).toEqual([]);
    expect(await process.cache.getStats()).toMatchObject({ valid: 1, totalHits: 0, totalMisses: 1 });
    expect((await shadowed(process)).map(({ contact }) => contact)).toEqual(['sync', 'state', 'state']);
  });

  it('foretells the refusal that a process with the cache on then meets, and none where there is none', async () => {
    const world = await givenWorld();
    await givenState(world, exchange);
    const before = await world.process(SHADOW);
    await world.connector(before, exchange).initialize();
    expect(await shadowed(before)).toMatchObject([
      { contact: 'state', tier: 'postgres', comparison: { refusal: 'no' } },
    ]);

    // The timestamps of what is known are too far ahead now.
    world.simulator.step(-10_000, exchange);
    const after = await world.process(SHADOW);
    const result = await world.connector(after, exchange).initialize();
    const real = await world.connector(await world.process(), exchange).initialize();

    expect(result).toMatchObject({ authFailures: 0 });
    expect(real).toMatchObject({ tier: 'postgres', authFailures: 1 });
    const { comparison, used, measured } = (await shadowed(after)).at(-1) ?? {};
    expect(comparison?.refusal).toBe('certain');
    expect(Math.abs((comparison?.errorMs ?? 0) - 10_000)).toBeLessThanOrEqual(
      (used?.uncertaintyMs ?? 0) + (measured?.uncertaintyMs ?? 0),
    );
  });

  it('learns from a refusal that would have been, before the next init asks', async () => {
    const world = await givenWorld();
    await givenState(world, exchange);
    world.simulator.step(-10_000, exchange);
    const process = await world.process(SHADOW);

    await world.connector(process, exchange).initialize();
    await world.connector(process, exchange).initialize();

    expect((await shadowed(process)).map(({ comparison }) => comparison?.refusal)).toEqual(['certain', 'no']);
    // What never happened is not told as if it had.
    const types = (await history(process)).map(({ type }) => type);
    expect(types).not.toContain('ConnectorAuthFailed');
    expect(types).not.toContain('ConnectorStateInvalidated');
  });

  it('tells an exchange that did not say no from one that did', async () => {
    const world = await givenWorld();
    const process = await world.process(SHADOW);
    world.simulator.fault({ kind: 'http', status: 503, route: 'verify' }, exchange);

    await expect(world.connector(process, exchange).initialize()).rejects.toThrow();

    const types = (await history(process)).map(({ type }) => type);
    expect(types).toContain('ExchangeUnreachable');
    expect(types).not.toContain('ConnectorAuthFailed');
  });

  it('would have started from the clock that all share', async () => {
    const world = await givenWorld({ knobs: { skewMs: 5_000 } });
    await givenState(world, exchange);
    const process = await world.process(SHADOW);
    const connector = world.connector(process, exchange, { userId: 'another' });

    await connector.initialize();
    await process.flush();
    await connector.initialize();

    const events = await history(process, 'another');
    expect(eventsOf(events, 'ConnectorShadowed')).toMatchObject([
      {
        data: {
          contact: 'exchange-clock',
          tier: 'exchange-clock',
          missReason: 'absent',
          comparison: { refusal: 'no' },
        },
      },
      { data: { contact: 'state', tier: 'memory' } },
    ]);
  });

  it('tells the truth from a container whose clock is weeks off', async () => {
    const world = await givenWorld();
    await givenState(world, exchange);
    const process = await world.process({ ...SHADOW, clock: machine(-30 * DAY_MS) });

    await world.connector(process, exchange).initialize();

    expect(await shadowed(process)).toMatchObject([
      { contact: 'state', tier: 'postgres', comparison: { refusal: 'no' } },
    ]);
  });

  it('fails as it would without the cache, and tells that a hit would not have needed the sync', async () => {
    const world = await givenWorld();
    await givenState(world, exchange);
    const process = await world.process(SHADOW);
    world.simulator.fault({ kind: 'reset', route: 'time', times: 5 }, exchange);

    await expect(world.connector(process, exchange).initialize()).rejects.toMatchObject({
      code: 'EXCHANGE_UNREACHABLE',
    });

    const [fact] = await shadowed(process);
    expect(fact).toMatchObject({
      contact: 'state',
      tier: 'postgres',
      used: { offsetMs: expect.any(Number) },
    });
    expect(fact).not.toHaveProperty('measured');
    expect(eventsOf(await history(process), 'ConnectorSyncFailed')).toEqual([]);
  });

  it('records a refusal of its credentials, and what the cache would have done all the same', async () => {
    const world = await givenWorld();
    const process = await world.process(SHADOW);
    const credentials = { apiKey: 'worldKey1', apiSecret: 'not-the-secret' };

    await expect(world.connector(process, exchange, { credentials }).initialize()).rejects.toMatchObject({
      code: 'EXCHANGE_REFUSED',
    });

    const events = await history(process);
    expect(eventsOf(events, 'ConnectorAuthFailed')).toMatchObject([
      { data: { failureClass: 'credentials' } },
    ]);
    expect(eventsOf(events, 'ConnectorShadowed')).toMatchObject([{ data: { contact: 'verify-first' } }]);
    expect(JSON.stringify(events)).not.toContain('not-the-secret');
  });

  it('does not wait for a database that hangs', async () => {
    const world = await givenWorld();
    const proxy = await world.proxy();
    const process = await world.process({ ...SHADOW, databaseUrl: proxy.url, lookupDeadlineMs: 60_000 });
    proxy.behave('hang');

    await world.connector(process, exchange).initialize();

    // The question is still on its way: only now does it come to nothing, and that is what the fact says.
    proxy.behave('forward');
    proxy.cut();
    await process.flush();
    const [fact] = await shadowed(process);
    expect(fact).toMatchObject({ contact: 'verify-first', missReason: 'database' });
  });

  it('keeps its lookups out of the way of what it records: the state stream stays as it was', async () => {
    const world = await givenWorld();
    await givenState(world, exchange);
    const streams = () =>
      world.sql(`SELECT stream, version FROM connector_stream WHERE stream NOT LIKE '%hits%' ORDER BY 1`);
    const before = await streams();
    const process = await world.process(SHADOW);
    // So that nothing that the answer tells is worth keeping.
    await world.connector(process, exchange).initialize();
    await process.flush();

    const kept = eventsOf(await history(process), 'ConnectorSynced').length;
    expect(await streams()).toEqual(before.map(row => ({ ...row, version: String(kept) })));
    expect(eventsOf(await history(process), 'ConnectorShadowed')).toMatchObject([
      { stream: 'connector_state_hits-user123_cred456', version: 1 },
    ]);
  });
});

describe.each(BOTH)('a %s connector with the cache off', exchange => {
  it('needs no database, starts none, and records nothing', async () => {
    const world = await givenWorld({ knobs: { skewMs: -7_000 } });
    const dataDir = join(tmpdir(), `connector-state-off-${process.pid}-${exchange}`);
    const log = keptLog();
    const state = closing(
      await createConnectorState({
        cacheMode: 'off',
        databaseUrl: undefined,
        dataDir,
        logger: log,
        clock: machine(),
      }),
    );

    for (let i = 0; i < 2; i++) {
      const result = await world.connector(state, exchange).initialize();
      expect(result).toMatchObject({ cacheHit: false, tier: null, contact: 'sync' });
      expect(Math.abs(result.offsetMs + 7_000)).toBeLessThanOrEqual(result.uncertaintyMs);
    }

    expect(measurements(world, exchange)).toBe(2);
    expect(await state.flush()).toEqual({ ok: true, pending: 0, lost: 0, position: undefined });
    expect(existsSync(dataDir)).toBe(false);
    expect(log.lines.filter(({ level }) => level === 'warn' || level === 'error')).toEqual([]);
    await expect(state.cache.getStats()).rejects.toMatchObject({
      code: 'DATABASE_UNAVAILABLE',
      message: expect.stringContaining('CACHE_MODE is off'),
    });
  });

  it('leaves the database it is given alone', async () => {
    const world = await givenWorld();
    const process = await world.process({ cacheMode: 'off' });

    await world.connector(process, exchange).initialize();
    await process.flush();

    expect(await world.sql('SELECT count(*)::int AS n FROM connector_event')).toEqual([{ n: 0 }]);
    expect(
      await world.sql(
        `SELECT count(*)::int AS n FROM pg_stat_activity
          WHERE datname = current_database() AND application_name = 'connector-state'`,
      ),
    ).toEqual([{ n: 0 }]);
  });
});
