/** What a team reads before it switches the cache on. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createPostgresEventStore } from '../../src/event-store/postgres/index.js';
import { pg } from '../../src/postgres/driver.js';
import { createProjector } from '../../src/projector/index.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { shadowed } from '../support/facts.js';
import { cli, json } from './support.js';

let database: TestDatabase;
let empty: TestDatabase;
beforeAll(async () => {
  [database, empty] = await Promise.all([createTestDatabase(), createTestDatabase()]);
  const pool = new pg.Pool({ connectionString: database.url });
  const store = createPostgresEventStore({ pool });
  const miss = { contact: 'sync', tier: undefined, missReason: 'contested', used: undefined } as const;
  await store.append([
    ...Array.from({ length: 1_200 }, (_, i) =>
      shadowed({ comparison: { errorMs: 0.9 + i / 1e5, refusal: 'no' } }),
    ),
    shadowed({ exchange: 'BINGX', comparison: { errorMs: -12.4, refusal: 'no' } }),
    shadowed({ ...miss, exchange: 'BINGX', comparison: undefined }),
    shadowed({ comparison: { errorMs: 3_000, refusal: 'certain' } }),
  ]);
  await createProjector({ store, pool }).catchUp();
  await store.close();
  await pool.end();
});
afterAll(async () => {
  await Promise.all([database.drop(), empty.drop()]);
});

const report = (args: string[], url = database.url) =>
  cli(['shadow-report', ...args], { env: { DATABASE_URL: url } });

describe('shadow-report', () => {
  test('says in a table and a sentence what the cache would have been worth', async () => {
    const { code, stdout, stderr } = await report([]);

    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(/exchange +would start from +inits +share +p50 +p95 +p99 +max +allowed +refused/);
    expect(stdout).toMatch(/BINGX MAINNET +its state \(postgres\) +1 +0\.1 % .* 12\.4 ms +2000 ms +0\n/);
    expect(stdout).toMatch(/BINGX MAINNET +a sync \(contested 1\) +1 +0\.1 %\n/);
    expect(stdout).toMatch(
      /BYBIT MAINNET +its state \(postgres\) +1 201 +99\.8 % +≤ 1 ms .* 3000 ms +2000 ms +1\n/,
    );
    expect(stdout).toContain(
      'With CACHE_MODE=on 99.9 % of 1 203 inits would have been hits; the largest error of a hit was 3000 ms of 2000 ms allowed; 1 of 1 202 would have been refused for the timestamp. A refusal costs one more round trip',
    );
  });

  test('narrows to an exchange and a span, and gives figures as JSON', async () => {
    const { total, histogram, groups, verdict } = json(
      await report(['--exchange', 'BINGX', '--since', '2h', '--json']),
    );

    expect(total).toMatchObject({
      inits: 2,
      hits: 1,
      hitRate: 0.5,
      refused: 0,
      missesByReason: { contested: 1 },
      error: { compared: 1, p50UpToMs: 12.4, maxMs: 12.4, toleranceMs: 2_000 },
    });
    expect(histogram).toEqual([{ upToMs: 12.5, inits: 1 }]);
    expect(groups).toMatchObject([
      { exchange: 'BINGX', contact: 'state', tier: 'postgres' },
      { exchange: 'BINGX', contact: 'sync', tier: '' },
    ]);
    expect(verdict).toContain('1 compared init says little: let it run for longer');
  });

  test('nothing recorded is exit 4, and says what to set', async () => {
    const result = await report([], empty.url);

    expect(result).toMatchObject({ code: 4, stdout: '' });
    expect(result.stderr).toMatch(/no init was recorded in shadow mode since .*: set CACHE_MODE=shadow/);
  });

  test.each([
    [['--since', 'yesterday'], /Give a span like 90m, 24h, 7d/],
    [['--since', '0d'], /Give a span/],
    [['--exchange', 'BY-BIT'], /exchange must be 1 to 32 capital letters/],
  ])('%j is wrong usage', async (args, problem) => {
    const result = await report(args);

    expect(result.code).toBe(2);
    expect(result.stderr).toMatch(problem);
  });

  test('reads also where the cache is off', async () => {
    const result = await cli(['shadow-report', '--json'], {
      env: { DATABASE_URL: database.url, CACHE_MODE: 'off' },
    });

    expect(json(result)).toMatchObject({ total: { inits: 1_203 } });
  });
});
