/** `connector-state forecast`, over made-up uses and over a log. */
import { describe, expect, it } from '@jest/globals';
import { givenWorld } from '../support/world.js';
import { cli, json } from './support.js';

describe('connector-state forecast', () => {
  it('says of made-up uses who wins, the same for the same seed', async () => {
    const first = json(await cli(['forecast', '--world', 'periodic', '--json']));
    expect(first).toMatchObject({ connectors: 20, winner: 'hazard', ttlMs: 900_000 });
    expect(json(await cli(['forecast', '--world', 'periodic', '--seed', '1', '--json']))).toEqual(first);
    const { stdout } = await cli(['forecast', '--world', 'random']);
    expect(stdout).toContain('do not refresh ahead here');
  });

  it('replays the uses of the log', async () => {
    const world = await givenWorld();
    for (let round = 0; round < 3; round++) {
      const process = await world.process({ projection: 'inline', memoryEntries: 0 });
      await world.connector(process, 'BYBIT').initialize();
      await process.close();
    }
    const env = { DATABASE_URL: world.databaseUrl };
    const told = json(await cli(['forecast', '--ttl', '15m', '--json'], { env }));
    expect(told).toMatchObject({ connectors: 1, model: null, winner: 'none' });
    const none = (told.results as { policy: string; uses: number }[]).find(({ policy }) => policy === 'none');
    expect(none?.uses).toBeGreaterThan(0);
    const { code, stderr } = await cli(['forecast', '--since', '2999-01-01'], { env });
    expect(code).toBe(4);
    expect(stderr).toContain('no use is recorded');
  });

  it('names a world or a TTL that cannot be', async () => {
    expect(await cli(['forecast', '--world', 'moon'])).toMatchObject({ code: 2 });
    const { code, stderr } = await cli(['forecast', '--world', 'office', '--ttl', '2026-01-01']);
    expect(code).toBe(2);
    expect(stderr).toContain('--ttl');
  });
});

describe('connector-state forecast show', () => {
  it('tells when clocks and connectors are used next, and that it is the baseline', async () => {
    const world = await givenWorld();
    const env = { DATABASE_URL: world.databaseUrl };
    const process = await world.process({ projection: 'inline' });
    const connector = world.connector(process, 'BYBIT');
    expect(await cli(['forecast', 'show'], { env })).toMatchObject({ code: 4 });
    await connector.initialize();
    await process.close();
    const shown = json(await cli(['forecast', 'show', '--within', '15m', '--json'], { env }));
    expect(shown).toMatchObject({
      withinMs: 900_000,
      clocks: [{ exchange: 'BYBIT', basis: 'baseline', uses: 1 }],
    });
    const { stdout } = await cli(['forecast', 'show', '--user', connector.ref.userId], { env });
    expect(stdout).toContain('within 1 h');
    expect(stdout).toContain('baseline: too little is known');
    expect(await cli(['forecast', 'show', '--user', 'nobody'], { env })).toMatchObject({ code: 4 });
    expect(await cli(['forecast', 'show', '--within', '2026-01-01'], { env })).toMatchObject({ code: 2 });
  });
});
