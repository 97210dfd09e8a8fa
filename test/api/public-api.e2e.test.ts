/** The package as its users have it: built, imported by its name, in processes of their own. */
import { describe, expect, it } from '@jest/globals';
import * as api from '../../src/index.js';
import { projectDirectory, runNode } from '../support/run.js';
import { givenWorld, type World } from '../support/world.js';

const run = async (world: World, env: Record<string, string> = {}) => {
  const { bybitUrl, bingxUrl } = world.simulator;
  const program = `${projectDirectory}test/api/program.mjs`;
  return runNode([program, bybitUrl, bingxUrl], {
    env: {
      DATABASE_URL: world.databaseUrl,
      LOOKUP_DEADLINE_MS: '10000',
      LOG_LEVEL: 'info',
      LOG_FORMAT: 'json',
      ...env,
    },
  });
};

describe('the package', () => {
  it('starts connectors cold, and warm in the next process, which ends by itself', async () => {
    const world = await givenWorld({ knobs: { skewMs: 61_000 } });

    const cold = await run(world);
    const warm = await run(world);

    expect(cold).toMatchObject({ code: 0, signal: null });
    const first = JSON.parse(cold.stdout);
    // A minute off: the best guess is refused, and the refusal tells the time.
    expect(first.results).toMatchObject([
      { cacheHit: false, tier: null, contact: 'verify-first', authFailures: 1 },
      { cacheHit: false, tier: null, contact: 'verify-first', authFailures: 1 },
    ]);
    const second = JSON.parse(warm.stdout);
    for (const result of second.results) {
      expect(Object.keys(result).sort()).toEqual(
        [
          'authFailures',
          'cacheHit',
          'contact',
          'durationMs',
          'isStale',
          'offsetMs',
          'refusals',
          'tier',
          'uncertaintyMs',
        ].sort(),
      );
      expect(result).toMatchObject({ cacheHit: true, tier: 'postgres', authFailures: 0 });
      expect(Math.abs(result.offsetMs - 61_000)).toBeLessThanOrEqual(result.uncertaintyMs);
    }
    expect(second.history.at(-1)).toBe('ConnectorStateHit');
    expect(second.stats).toMatchObject({ total: 2, valid: 2, totalHits: 2, totalMisses: 2, hitRate: 0.5 });
    expect(world.simulator.counters('BYBIT').byRoute).toMatchObject({ time: 0, verify: 3 });
  });

  it('logs JSON lines to stderr, and nothing to stdout', async () => {
    const world = await givenWorld();
    const { stdout, stderr } = await run(world);
    expect(() => JSON.parse(stdout)).not.toThrow();
    const lines = stderr
      .trim()
      .split('\n')
      .map(line => JSON.parse(line));
    expect(lines.map(line => line.msg)).toContainEqual(
      expect.stringMatching(/^\[BybitConnectorWithCache\] Initialized in \d+ms \(cache MISS\)$/),
    );
    expect(lines.every(line => line.name === 'connector-state')).toBe(true);
  });

  it('says all that is wrong with its settings at once', async () => {
    const world = await givenWorld();
    const { code, stderr } = await run(world, {
      POOL_SIZE: 'many',
      DATABASE_URL: 'mysql://root:hunter2@db/x',
    });
    expect(code).not.toBe(0);
    expect(stderr).toContain('POOL_SIZE must be a whole number from 1 to 100, got "many"');
    expect(stderr).toContain('DATABASE_URL must be a URL like postgres://');
    expect(stderr).not.toContain('hunter2');
  });

  it('works with no more than DATABASE_URL on an empty database', async () => {
    const world = await givenWorld();
    await world.sql('DROP SCHEMA public CASCADE');
    await world.sql('CREATE SCHEMA public');
    const { code, stdout } = await run(world);
    expect(code).toBe(0);
    expect(JSON.parse(stdout).stats).toMatchObject({ total: 2, valid: 2 });
  });

  it('exports what the README promises, and nothing by accident', () => {
    expect(Object.keys(api).sort()).toEqual(
      [
        'ClockUncertainError',
        'ConnectorStateCacheService',
        'ConnectorStateError',
        'ENVIRONMENTS',
        'EXCHANGES',
        'ExchangeError',
        'InvalidInputError',
        'InvalidSettingsError',
        'appliedOffset',
        'cacheKeyOf',
        'createConnectorState',
        'isConnectorStateError',
        'measuredFromSample',
      ].sort(),
    );
  });
});
