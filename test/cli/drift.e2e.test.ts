/** `drift` over a real database, as a process: what it prints, where, and how it ends. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createPostgresEventStore } from '../../src/event-store/postgres/index.js';
import { pg } from '../../src/postgres/driver.js';
import { createProjector } from '../../src/projector/index.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { eventOf, measure } from '../support/drift-world.js';
import { cli, json } from './support.js';

const MINUTE_MS = 60_000;
const DAY_MS = 1_440 * MINUTE_MS;

let database: TestDatabase;
let env: Record<string, string>;

const inDatabase = async (work: (pool: InstanceType<typeof pg.Pool>) => Promise<unknown>) => {
  const pool = new pg.Pool({ connectionString: database.url, max: 2 });
  try {
    await work(pool);
  } finally {
    await pool.end();
  }
};

beforeAll(async () => {
  database = await createTestDatabase();
  env = { DATABASE_URL: database.url, LANG: 'C.UTF-8', LC_ALL: '', LC_CTYPE: '', COLUMNS: '90' };
  const toMs = Date.now();
  const world = {
    fromMs: toMs - 4 * DAY_MS,
    toMs,
    offsetMs: 145,
    ratePpm: 2.5,
    steps: [{ atMs: toMs - DAY_MS, byMs: -3_000 }],
    machines: [
      { host: 'host:alpha/1-x', everyMs: 15 * MINUTE_MS, thereMs: 5, backMs: 8 },
      { host: 'host:beta/2-y', everyMs: 25 * MINUTE_MS, thereMs: 30, backMs: 12 },
    ],
    seed: 1,
  };
  const outage = { ...world, fromMs: toMs - 2 * DAY_MS, toMs: toMs - 1.9 * DAY_MS, steps: [] };
  await inDatabase(async pool => {
    const store = createPostgresEventStore({ pool });
    await store.append([
      ...measure(world).map(m => eventOf(m)),
      ...measure(outage).map(m => eventOf(m, { referenceClock: m.host })),
    ]);
    await createProjector({ store, pool }).catchUp();
    await store.close();
  });
});
afterAll(() => database.drop());

const drift = (...args: string[]) => cli(['drift', ...args], { env });

describe('drift', () => {
  test('shows a line for each exchange, its steps, and where the figures come from', async () => {
    const { stdout, stderr, code } = await drift('--exchange', 'bybit');

    expect(code).toBe(0);
    expect(stdout).toMatch(/^exchange +environment +hosts +samples +offset ms +rate ppm +steps +round trip/);
    expect(stdout).toMatch(/\nBYBIT +MAINNET +2 +\d+ +-\d+\.\d ± \d+\.\d +\+2\.\d\d ± 0\.\d\d +1 +/);
    expect(stdout).toMatch(
      /Steps of BYBIT MAINNET:\n +\S+Z … \S+Z {2}by -\d{4}\.\d ms {2}seen by 2 of 2 hosts/,
    );
    expect(stderr).toMatch(/^Since \S+, from \d+ hourly sums\.\n/);
    expect(stderr).toMatch(/samples against processes’ own clocks.*--by host shows them/);
  });

  test('shows a line for each host', async () => {
    const { stdout, stderr } = await drift('--by', 'host');

    expect(stdout).toMatch(/BYBIT +MAINNET +alpha .*pg:1:1/);
    expect(stdout).toMatch(/BYBIT +MAINNET +alpha .*its own/);
    expect(stdout).toMatch(/BYBIT +MAINNET +beta /);
    expect(stderr).not.toMatch(/own clocks/);
    const one = await drift('--host', 'beta', '--since', '3h');
    expect(one.stdout).not.toContain('alpha');
    expect(one.stderr).toMatch(/from \d+ samples in cells of 60\.0 s\./);
  });

  test('draws in the width of the terminal, and in ASCII where it speaks nothing else', async () => {
    const picture = await drift('--plot');
    const plain = await cli(['drift', '--plot'], { env: { ...env, LANG: 'C' } });

    expect(picture.stdout).toMatch(/[\u2801-\u28ff]/);
    expect(picture.stdout).toMatch(/┊.*\n/);
    expect(picture.stdout).toMatch(/\n +▼\n/);
    const drawn = picture.stdout.split('\n').filter(line => line.includes('┤'));
    expect(drawn).toHaveLength(12);
    for (const line of drawn) expect(line.length).toBeLessThanOrEqual(90);
    expect(plain.stdout).toMatch(/\*\*\*/);
    expect(plain.stdout).toMatch(/\n +v\n/);
    expect(plain.stdout).not.toMatch(/[\u2801-\u28ff░┤▼]/);
  });

  test('prints one JSON object with all there is', async () => {
    const found = json(await drift('--json', '--since', '3d')) as {
      lines: {
        drift: { ratePpm: number; errorPpm: number };
        points: { samples: number }[];
        samples: number;
      }[];
    };

    expect(found).toMatchObject({
      source: 'hours',
      cellMs: 3_600_000,
      lines: [{ exchange: 'BYBIT', environment: 'MAINNET', host: null, referenceClock: 'pg:1:1', hosts: 2 }],
    });
    const [line] = found.lines;
    expect(Math.abs((line?.drift.ratePpm ?? 0) - 2.5)).toBeLessThan(line?.drift.errorPpm ?? 0);
    expect(line?.points.reduce((sum, { samples }) => sum + samples, 0)).toBe(line?.samples);
  });

  test('prints CSV with a row for each point', async () => {
    const { stdout } = await drift('--csv', '--by', 'host', '--since', '2d');

    const [head, ...rows] = stdout
      .trimEnd()
      .split('\n')
      .map(line => line.split(','));
    expect(head?.slice(0, 6)).toEqual([
      'start',
      'exchange',
      'environment',
      'host',
      'reference_clock',
      'at_ms',
    ]);
    expect(rows.length).toBeGreaterThan(90);
    for (const row of rows) expect(row).toHaveLength(head?.length as number);
    expect(rows[0]?.[0]).toMatch(/^\d{4}-\d\d-\d\dT\d\d:00:00\.000Z$/);
  });

  test.each([
    [['--exchange', 'f o'], 2, /'f o' is invalid\. Allowed are names such as BYBIT\./],
    [['--exchange', 'FOO'], 4, /nothing was measured of FOO since/],
    [['--by', 'moon'], 2, /'moon' is invalid\. Allowed are exchange and host\./],
    [['--since', '7x'], 2, /'7x' is invalid\. Give a span like 90m, 24h, 7d/],
    [
      ['--since', '2099-01-01'],
      2,
      /--since 2099-01-01T00:00:00\.000Z lies in the future: the database's clock says/,
    ],
    [['--json', '--plot'], 2, /--json and --plot are different outputs: give one of them/],
    [['--host', 'alpha', '--by', 'exchange'], 2, /--host "alpha" asks for one machine and --by exchange/],
    [['--exchange', 'BINGX'], 4, /nothing was measured of BINGX since .*give an earlier --since/],
    [['--host', 'gamma'], 4, /nothing was measured of any exchange by gamma since/],
  ])('%j ends with %i and says why, on stderr only', async (args, code, message) => {
    const result = await drift(...args);

    expect(result).toMatchObject({ code, stdout: '' });
    expect(result.stderr).toMatch(message);
  });

  test('shows what there is when the tables are of an older release, and says what to do', async () => {
    await inDatabase(pool =>
      pool.query(`UPDATE projection_checkpoint SET version = 1 WHERE projection = 'drift_sample'`),
    );
    try {
      const { code, stderr, stdout } = await drift();

      expect(code).toBe(0);
      expect(stderr).toMatch(/may be behind: table drift_sample .*run `connector-state rebuild`/);
      expect(stdout).toMatch(/BYBIT/);
    } finally {
      await inDatabase(pool =>
        pool.query(`UPDATE projection_checkpoint SET version = 2 WHERE projection = 'drift_sample'`),
      );
    }
  });

  test('without a database is exit 3', async () => {
    const result = await cli(['drift'], {
      env: { ...env, DATABASE_URL: 'postgres://nobody@127.0.0.1:9/none' },
    });

    expect(result).toMatchObject({ code: 3, stdout: '' });
  });
});
