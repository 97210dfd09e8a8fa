/** The commands over a real database, as processes: what they print, where, and how they end. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { silentLogger } from '../../src/base/logging.js';
import { measuredFromSample } from '../../src/cache/measurement.js';
import { createConnectorState } from '../../src/composition/connector-state.js';
import type { ConnectorRef } from '../../src/events/connector.js';
import { migrations } from '../../src/read-model/migrations/index.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { cli, json, spawnCli } from './support.js';

const ALICE: ConnectorRef = {
  userId: 'alice',
  credentialId: 'main',
  exchange: 'BYBIT',
  environment: 'TESTNET',
};
const BOB: ConnectorRef = { userId: 'bob', credentialId: 'hedge', exchange: 'BINGX', environment: 'TESTNET' };

let database: TestDatabase;
let env: Record<string, string>;

beforeAll(async () => {
  database = await createTestDatabase();
  env = { DATABASE_URL: database.url };
  const state = await createConnectorState({ databaseUrl: database.url, logger: silentLogger });
  const { cache } = state;
  for (const [ref, ttlMs] of [
    [ALICE, 900_000],
    [BOB, 1],
  ] as const) {
    const miss = await cache.get(ref);
    const link = miss.hit ? undefined : miss.link;
    const now = cache.clock.now();
    const sample = { sentAtMs: now - 10, receivedAtMs: now, serverTimeMs: now + 140 };
    const ttl = { ttlMs, policy: 'fixed', inputs: { ttlMs } };
    cache.set(ref, measuredFromSample(sample, link, cache.clock, ttl), 'absent');
  }
  await state.flush();
  await cache.get(ALICE);
  await state.close();
});

afterAll(() => database.drop());

describe('reading', () => {
  test('history tells every fact in order, as a table and as JSON', async () => {
    const text = await cli(['history', 'alice', 'main'], { env });
    expect(text.code).toBe(0);
    expect(text.stdout).toMatch(/recorded +event +what/);
    expect(text.stdout).toMatch(/ConnectorSynced +absent: measured, 1\d\d\.\d ± \d+\.\d ms for 15 min/);
    expect(text.stderr).toBe('');

    const { events, userId } = json(await cli(['history', 'alice', 'main', '--json'], { env })) as {
      userId: string;
      events: { type: string }[];
    };
    expect(userId).toBe('alice');
    expect(events.map(event => event.type)).toEqual(['ConnectorSynced', 'ConnectorStateHit']);
  });

  test('history ends at a limit and goes on from there, from either end, since a time', async () => {
    const page = async (...options: string[]) =>
      json(await cli(['history', 'alice', 'main', ...options, '--json'], { env })) as {
        events: { type: string }[];
        next?: string;
      };
    const first = await page('--limit', '1');
    expect(first.events.map(({ type }) => type)).toEqual(['ConnectorSynced']);
    const second = await page('--cursor', first.next as string);
    expect(second.events.map(({ type }) => type)).toEqual(['ConnectorStateHit']);
    expect(second.next).toBeUndefined();
    expect((await page('--newest', '--since', '1h')).events.map(({ type }) => type)).toEqual([
      'ConnectorStateHit',
      'ConnectorSynced',
    ]);

    const text = await cli(['history', 'alice', 'main', '--limit', '1'], { env });
    expect(text.stderr).toBe(`More: --cursor ${first.next}\n`);
    expect((await cli(['history', 'alice', 'main', '--since', '2100-01-01T00:00:00Z'], { env })).code).toBe(
      4,
    );
  });

  test('stats answers while the event store is away', async () => {
    const away = { ...env, EVENT_STORE_URL: 'esdb://127.0.0.1:1?tls=false' };
    const { total, projectionLag } = json(await cli(['stats', '--json'], { env: away })) as {
      total: number;
      projectionLag: { unknown?: string };
    };
    expect(total).toBeGreaterThan(0);
    expect(projectionLag.unknown).toMatch(/event store/);
  });

  test('history --at gives the state as it was, and says when there was none', async () => {
    const now = json(
      await cli(['history', 'alice', 'main', '--at', new Date(Date.now() + 60_000).toISOString(), '--json'], {
        env,
      }),
    );
    expect(now).toMatchObject({ exchange: 'BYBIT', isValid: true, isUsable: true, hitCount: 1 });
    const before = await cli(['history', 'alice', 'main', '--at', '2020-01-01T00:00:00Z'], { env });
    expect(before.code).toBe(4);
    expect(before.stderr).toMatch(/no state of alice main at 2020-01-01/);
  });

  test('what is not there is exit 4, on stderr only', async () => {
    const result = await cli(['history', 'nobody', 'nothing', '--json'], { env });
    expect(result).toMatchObject({ code: 4, stdout: '' });
    expect(result.stderr).toMatch(/nothing is recorded about nobody nothing/);
  });

  test('stats counts states and lookups', async () => {
    const stats = json(await cli(['stats', '--json'], { env }));
    expect(stats).toMatchObject({
      totalHits: 1,
      totalMisses: 2,
      byExchange: { BYBIT: 1 },
      hitsByTier: { memory: 1 },
    });
    expect(stats.hitRate).toBeCloseTo(1 / 3);
    const text = await cli(['stats'], { env });
    expect(text.stdout).toMatch(/hit rate +33\.3 % \(1 hits, 2 misses\)/);
  });
});

describe('acting', () => {
  test('cleanup removes what has expired, once', async () => {
    expect(json(await cli(['cleanup', '--json'], { env }))).toEqual({ removed: 1 });
    expect((await cli(['cleanup'], { env })).stdout).toBe('Removed 0 expired states.\n');
  });

  test('invalidate condemns the current sync; of an unknown connector it is exit 4', async () => {
    const { syncId } = json(await cli(['invalidate', 'alice', 'main', '--json'], { env }));
    expect(syncId).toMatch(/^[0-9a-f-]{36}$/);
    const { events } = json(await cli(['history', 'alice', 'main', '--json'], { env })) as {
      events: { type: string; data: Record<string, unknown> }[];
    };
    expect(events.at(-1)).toMatchObject({
      type: 'ConnectorStateInvalidated',
      data: { condemnedSyncId: syncId, reason: 'manual', by: expect.stringMatching(/^cli:/) },
    });
    expect((await cli(['invalidate', 'nobody', 'nothing'], { env })).code).toBe(4);
  });

  test('rebuild changes nothing when the live tables are right, --check says so too', async () => {
    const rebuilt = json(await cli(['rebuild', '--json'], { env })) as { differing: Record<string, number> };
    expect(Object.values(rebuilt.differing).every(count => count === 0)).toBe(true);
    const checked = await cli(['rebuild', '--check', '--json'], { env });
    expect(json(checked)).toMatchObject({ equal: true });
    expect(checked.code).toBe(0);
  });

  test('project --once catches up and ends', async () => {
    expect(json(await cli(['project', '--once', '--json'], { env }))).toMatchObject({ caughtUp: true });
  });

  test('project runs until Ctrl-C and ends clean', async () => {
    const worker = spawnCli(['project', '--json'], { env });
    await worker.waitForLine(/projecting until Ctrl-C/);
    worker.process.kill('SIGINT');
    const { code, stdout } = await worker.ended;
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ deadLetters: 0 });
  });

  test('migrate on an empty database, twice', async () => {
    const empty = await createTestDatabase({ migrated: false });
    try {
      const first = json(await cli(['migrate', '--json'], { env: { DATABASE_URL: empty.url } }));
      expect(first.applied).toHaveLength(migrations.length);
      const second = await cli(['migrate'], { env: { DATABASE_URL: empty.url } });
      expect(second.stdout).toBe('Nothing to apply: the tables are up to date.\n');
    } finally {
      await empty.drop();
    }
  });
});

describe('wrong usage', () => {
  test('all invalid settings at once, exit 2, no password', async () => {
    const result = await cli(['stats'], {
      env: { DATABASE_URL: 'mysql://root:hunter2@db/x', POOL_SIZE: 'many', LOG_LEVEL: 'loud' },
    });
    expect(result).toMatchObject({ code: 2, stdout: '' });
    expect(result.stderr).toMatch(/DATABASE_URL must be a URL like postgres:/);
    expect(result.stderr).toMatch(/POOL_SIZE must be a whole number from 1 to 100, got "many"/);
    expect(result.stderr).toMatch(/LOG_LEVEL must be one of silent, error, warn, info, debug/);
    expect(result.stderr).not.toContain('hunter2');
  });

  test.each([
    [['frobnicate'], /unknown command 'frobnicate'/],
    [['stats', '--bogus'], /unknown option '--bogus'/],
    [['history', 'alice'], /missing required argument 'credentialId'/],
    [['history', 'alice', 'main', '--at', 'yesterday'], /Give a time like/],
    [['simulate', '--skew', 'far'], /Give a number/],
  ])('%j is exit 2 with a reason', async (args, reason) => {
    const result = await cli(args, { env });
    expect(result).toMatchObject({ code: 2, stdout: '' });
    expect(result.stderr).toMatch(reason);
  });

  test('malformed ids are exit 2', async () => {
    const result = await cli(['history', 'x'.repeat(129), 'main'], { env });
    expect(result.code).toBe(2);
    expect(result.stderr).toMatch(/userId must have 1 to 128 characters, got 129/);
  });

  test('a database that is not there is exit 3 and names no password', async () => {
    const result = await cli(['stats'], { env: { DATABASE_URL: 'postgres://app:hunter2@127.0.0.1:1/none' } });
    expect(result.code).toBe(3);
    expect(result.stderr).toMatch(/ECONNREFUSED/);
    expect(result.stderr).not.toContain('hunter2');
  });

  test('forget-hits says what it would forget, and wants to know how old', async () => {
    expect((await cli(['forget-hits'], { env })).code).toBe(2);
    const planned = await cli(['forget-hits', '--before', '90d', '--dry-run', '--json'], { env });
    expect(json(planned)).toEqual({ forgotten: 0, sums: 0, before: null, dropped: 0, dryRun: true });
    expect((await cli(['forget-hits', '--before', '90d'], { env })).stdout).toMatch(/^No hits from before /);
  });

  test('help lists the commands, examples and exit codes', async () => {
    const { code, stdout } = await cli(['--help']);
    expect(code).toBe(0);
    for (const name of [
      'demo',
      'simulate',
      'migrate',
      'project',
      'stats',
      'history',
      'invalidate',
      'cleanup',
      'rebuild',
    ]) {
      expect(stdout).toMatch(new RegExp(`^  ${name}\\b`, 'm'));
    }
    expect(stdout).toMatch(/Examples:/);
    expect(stdout).toMatch(/Exit codes: 0 done/);
  });
});

describe('simulate', () => {
  test('prints where the exchanges are, answers there, ends at Ctrl-C', async () => {
    const simulator = spawnCli(['simulate', '--json', '--time-latency', '0', '--skew', '145']);
    await simulator.waitForLine(/running until Ctrl-C/);
    const found = simulator.waitForLine(/bybitUrl/);
    const url = /"(http:[^"]+)"/.exec(await found)?.[1];
    const answer = (await (await fetch(`${url}/v5/market/time`)).json()) as { retCode: number; time: number };
    expect(answer.retCode).toBe(0);
    simulator.process.kill('SIGINT');
    expect((await simulator.ended).code).toBe(0);
    await expect(fetch(`${url}/v5/market/time`)).rejects.toThrow();
  });
});
