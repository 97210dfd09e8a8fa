/** `connector-state forecast`, over made-up uses and over a log. */
import { describe, expect, it } from '@jest/globals';
import { hit } from '../support/facts.js';
import { givenWorld } from '../support/world.js';
import { cli, json } from './support.js';

/** The column at which the bars begin: behind the head's last name and the gap. */
const plotStart = (plot: string) => (/^.*moments/m.exec(plot)?.[0].length ?? 0) + 2;

describe('connector-state forecast', () => {
  it('says of made-up uses who wins, the same for the same seed', async () => {
    const first = json(await cli(['forecast', '--world', 'periodic', '--json']));
    expect(first).toMatchObject({ connectors: 20, winner: 'hazard', ttlMs: 900_000 });
    expect(json(await cli(['forecast', '--world', 'periodic', '--seed', '1', '--json']))).toEqual(first);
    const { stdout } = await cli(['forecast', '--world', 'random']);
    expect(stdout).toContain('do not refresh ahead here');
    expect(stdout).toMatch(/nobody avoids 90 % below 2\d\.\d\d × the oracle's syncs/);
    expect(first.ceiling).toBeNull();
  });

  it('draws what was said against what came', async () => {
    const { stdout } = await cli(['forecast', '--world', 'office', '--ttl', '75m']);
    const plot = stdout.slice(stdout.indexOf('Reliability of seasonal'));
    const rows = [...plot.matchAll(/^ *(\d+) % +(\d+) % +(\d+) +(\S.*)$/gm)];
    expect(rows.length).toBeGreaterThan(3);
    for (const [line, said, came, moments, drawn] of rows) {
      expect(line.length).toBeLessThanOrEqual(50);
      expect(Math.abs(line.indexOf('|') - plotStart(plot) - Number(said) / 5)).toBeLessThanOrEqual(1);
      expect(Number(moments)).toBeGreaterThan(0);
      // A twentieth a cell: those before the mark, the mark's own, and those behind it.
      const full = [...(drawn as string)].filter(cell => cell === '█').length;
      expect(Math.abs(full * 5 - Number(came))).toBeLessThanOrEqual(8);
    }
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
    expect(await cli(['forecast', '--shared'])).toMatchObject({ code: 2 });
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
    expect(stdout).toMatch(/^connector +uses .* within 1 h /);
    expect(stdout).toContain('baseline: too little is known');
    expect(await cli(['forecast', 'show', '--user', 'nobody'], { env })).toMatchObject({ code: 4 });
    expect(await cli(['forecast', 'show', '--within', '2026-01-01'], { env })).toMatchObject({ code: 2 });
  });
});

describe('connector-state forecast train', () => {
  it('keeps the model that was judged, with its window and score, and judges it again', async () => {
    const world = await givenWorld();
    const env = { DATABASE_URL: world.databaseUrl };
    const process = await world.process({ projection: 'inline' });
    const nowMs = Date.now();
    const times = Array.from({ length: 240 }, (_, index) => nowMs - (240 - index) * 13_680_000);
    const hits = times.map((atMs, index) =>
      hit({ firstAt: atMs, lastAt: atMs, occurredAt: atMs + (index % 2) * 600_000 }),
    );
    await (await process.store()).append(hits);
    await (await process.projector()).catchUp();
    await process.close();

    const trained = json(await cli(['forecast', 'train', '--ttl', '1h', '--json'], { env }));
    expect(trained).toMatchObject({ version: 1, model: { version: 1, ttlMs: 3_600_000 } });
    const { model, countFromMs } = trained as { model: { untilMs: number }; countFromMs: number };
    // What it learned from is not what it is judged by.
    expect(model.untilMs).toBeLessThan(countFromMs);
    const again = json(await cli(['forecast', 'backtest', '--model', '1', '--ttl', '1h', '--json'], { env }));
    expect(again).toMatchObject({ version: 1, model, winner: trained.winner });
    expect(json(await cli(['forecast', 'show', '--json'], { env }))).toMatchObject({
      policy: trained.winner,
      modelVersion: 1,
    });
    expect(await cli(['forecast', 'backtest', '--model', '9'], { env })).toMatchObject({ code: 4 });
  });

  it('says that the baseline stands where there is too little to learn from', async () => {
    const world = await givenWorld();
    const env = { DATABASE_URL: world.databaseUrl };
    await (await world.process({ projection: 'inline' })).close();
    const { code, stderr } = await cli(['forecast', 'train'], { env });
    expect([code, stderr]).toEqual([4, expect.stringContaining('the baseline stands')]);
  });
});
