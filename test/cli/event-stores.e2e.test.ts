/** doctor, relay and copy, over two real databases of which one plays the event store that can be lost. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { silentLogger } from '../../src/base/logging.js';
import { withOutbox } from '../../src/event-store/outbox/index.js';
import { createPostgresEventStore } from '../../src/event-store/postgres/index.js';
import { pg } from '../../src/postgres/driver.js';
import { many, sampleConnector } from '../contract/sample-events.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { startTcpProxy, type TcpProxy } from '../support/tcp-proxy.js';
import { cli, json } from './support.js';

interface Found {
  readonly healthy: boolean;
  readonly checks: { name: string; status: string; message: string; remedy?: string }[];
}

let near: TestDatabase;
let far: TestDatabase;
let proxy: TcpProxy;
let env: Record<string, string>;

beforeAll(async () => {
  [near, far] = [await createTestDatabase(), await createTestDatabase()];
  proxy = await startTcpProxy(far.url);
  env = { DATABASE_URL: near.url, EVENT_STORE_URL: proxy.url };
});
afterAll(async () => {
  await proxy.close();
  await near.drop();
  await far.drop();
});

const statusesOf = (found: Record<string, unknown>) =>
  Object.fromEntries((found as unknown as Found).checks.map(({ name, status }) => [name, status]));

async function query(url: string, text: string): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query(text)).rows;
  } finally {
    await client.end();
  }
}

/** What a process leaves behind that lost the event store and ended. */
async function givenWaiting(count: number): Promise<void> {
  await proxy.refuse();
  const [local, remote] = [near.url, proxy.url].map(connectionString => new pg.Pool({ connectionString }));
  const store = withOutbox(createPostgresEventStore({ pool: remote as never }), {
    pool: local as never,
    log: silentLogger,
  });
  await store.append(many(count, () => sampleConnector().fact()));
  await store.close();
  await Promise.all([local?.end(), remote?.end()]);
}

describe('doctor', () => {
  test('finds nothing wrong where nothing is', async () => {
    const result = await cli(['doctor', '--json'], { env });
    const found = json(result);
    expect(statusesOf(found)).toEqual({
      settings: 'ok',
      'event store': 'ok',
      database: 'ok',
      encoding: 'ok',
      tables: 'ok',
      // The tests' login is the server's owner.
      role: 'warn',
      pooler: 'ok',
      isolation: 'ok',
      'read-only': 'ok',
      'float digits': 'ok',
      timeouts: 'ok',
      'search path': 'ok',
      locks: 'ok',
      rehearsal: 'ok',
      edges: 'ok',
      clock: 'ok',
      'shared clocks': 'ok',
      'shared tier': 'ok',
      outbox: 'ok',
      'dead letters': 'ok',
      projector: 'ok',
      retention: 'ok',
    });
    expect(found).toMatchObject({ healthy: true });
    expect(result.code).toBe(0);
    expect((found as unknown as Found).checks.find(({ name }) => name === 'clock')?.message).toMatch(
      /^pg:\d+:\d+; /,
    );
  });

  test('changes nothing: it needs no right to write, also where nothing was ever projected', async () => {
    const fresh = await createTestDatabase();
    try {
      const readOnly = new URL(fresh.url);
      readOnly.searchParams.set('options', '-c default_transaction_read_only=on');
      for (const events of [undefined, proxy.url]) {
        const result = await cli(['doctor', '--json'], {
          env: { DATABASE_URL: readOnly.href, EVENT_STORE_URL: events },
        });
        expect(json(result)).toMatchObject({ healthy: true });
        expect(result.code).toBe(0);
      }
      expect((await cli(['doctor'], { env: { DATABASE_URL: fresh.url } })).code).toBe(0);
      expect(await query(fresh.url, 'SELECT * FROM projection_checkpoint')).toEqual([]);
    } finally {
      await fresh.drop();
    }
  });

  test('an event store that is away, and what waits for it: exit 3, with the remedy', async () => {
    await givenWaiting(3);
    try {
      const result = await cli(['doctor'], { env });
      expect(result.code).toBe(3);
      expect(result.stdout).toMatch(
        /fail +event store +the database .* cannot be used \(ECONNREFUSED\): check that the server runs/,
      );
      expect(result.stdout).toMatch(/warn +outbox +3 events wait since \d{4}-/);
      expect(result.stdout).toMatch(/→ mend the event store/);
    } finally {
      await proxy.recover();
    }
  });

  test('a database that is away: exit 3; one without tables: exit 1', async () => {
    const gone = await cli(['doctor', '--json'], {
      env: { DATABASE_URL: 'postgres://nobody:hunter2@127.0.0.1:1/x' },
    });
    expect(gone.code).toBe(3);
    expect(statusesOf(json(gone))).toEqual({ settings: 'ok', database: 'fail' });
    expect(gone.stdout + gone.stderr).not.toContain('hunter2');

    const empty = await createTestDatabase({ migrated: false });
    const bare = await cli(['doctor', '--json'], { env: { DATABASE_URL: empty.url } });
    expect(bare.code).toBe(1);
    expect(statusesOf(json(bare))).toMatchObject({ database: 'ok', tables: 'fail' });
    await empty.drop();
  });

  test('read tables that came from another store, dead letters and dead events: exit 1', async () => {
    const own = await createTestDatabase();
    try {
      await cli(['project', '--once'], { env: { DATABASE_URL: own.url } });
      await query(own.url, `UPDATE projection_checkpoint SET position = 'esdb/1/1'`);
      await query(
        own.url,
        `INSERT INTO projection_dead_letter VALUES ('cache_usage', gen_random_uuid(), 's', 't', 'pg/1', 'bad', now(), 1);
         INSERT INTO connector_outbox (event_id, stream, envelope, dead_at, last_error)
         VALUES (gen_random_uuid(), 'connector_state-a', '{}', now(), 'type Foo is not known')`,
      );

      const result = await cli(['doctor', '--json'], { env: { DATABASE_URL: own.url } });

      const { checks } = json(result) as unknown as Found;
      expect(result.code).toBe(1);
      expect(checks.find(({ name }) => name === 'projector')).toMatchObject({
        status: 'fail',
        message: expect.stringContaining('connector-state rebuild'),
      });
      expect(checks.find(({ name }) => name === 'dead letters')).toMatchObject({ status: 'warn' });
      expect(checks.find(({ name }) => name === 'outbox')).toMatchObject({
        status: 'warn',
        message: expect.stringContaining('type Foo is not known'),
        remedy: expect.stringContaining('--retry-dead'),
      });
    } finally {
      await own.drop();
    }
  });

  test('a shared clock that one machine contradicts: a warning once nobody has decided for long', async () => {
    const own = await createTestDatabase();
    try {
      const clockChecked = async () => {
        const { checks } = json(
          await cli(['doctor', '--json'], { env: { DATABASE_URL: own.url } }),
        ) as unknown as Found;
        return checks.find(({ name }) => name === 'shared clocks');
      };
      await query(
        own.url,
        `INSERT INTO exchange_clock (exchange, environment, reference_clock, time_offset, uncertainty_ms, sync_id, measured_at,
           expires_at, is_valid, epoch, epoch_started_at, sample_count, created_at, updated_at, position, contested_since,
           rival_host, rival_sync_id, rival_offset, rival_uncertainty_ms, rival_measured_at)
         SELECT 'BYBIT', 'MAINNET', 'pg:' || s.system_identifier || ':' || c.timeline_id, 145, 5, gen_random_uuid(), now(),
           now() + interval '1 h', true, 2, now(), 7, now(), now(), 'pg/1', now() - interval '1 min',
           'host:ip-10-0-0-7', gen_random_uuid(), 545, 5, now()
           FROM pg_control_system() s, pg_control_checkpoint() c`,
      );
      expect(await clockChecked()).toMatchObject({
        status: 'ok',
        message: expect.stringMatching(
          /^1 known; BYBIT MAINNET is contested for 1 min.*: host:ip-10-0-0-7 contradicts by 400\.\d ms$/,
        ),
      });

      await query(own.url, `UPDATE exchange_clock SET contested_since = now() - interval '20 min'`);
      expect(await clockChecked()).toMatchObject({
        status: 'warn',
        remedy: expect.stringContaining('connector-state drift'),
      });
      const stats = await cli(['stats'], { env: { DATABASE_URL: own.url } });
      expect(stats.stdout).toMatch(
        /clock of BYBIT MAINNET +145\.\d ± 5\.\d ms, epoch 2, 7 samples; contested for 20 min/,
      );
    } finally {
      await own.drop();
    }
  });

  test('settings that are wrong: exit 2, as for every command', async () => {
    const result = await cli(['doctor'], {
      env: { ...env, EVENT_STORE_URL: 'esdb://admin:hunter2@events:2113?tls=false' },
    });
    expect(result).toMatchObject({ code: 2, stdout: '' });
    expect(result.stderr).toMatch(/EVENT_STORE_URL: tls=false with a user and password/);
    expect(result.stderr).not.toContain('hunter2');
  });
});

describe('relay', () => {
  test('says what it could not do, and does it when it can', async () => {
    await query(near.url, 'DELETE FROM connector_outbox');
    const before = Number((await query(far.url, 'SELECT count(*) FROM connector_event'))[0]?.count);
    await givenWaiting(4);
    const failed = await cli(['relay', '--json'], { env });
    expect(failed.code).toBe(3);
    expect(json(failed)).toMatchObject({ forwarded: 0, waiting: 4, lastError: expect.any(String) });

    await proxy.recover();
    expect((await cli(['relay'], { env })).stdout).toMatch(/^Forwarded 4 events; nothing waits\.$/m);

    expect(Number((await query(far.url, 'SELECT count(*) FROM connector_event'))[0]?.count)).toBe(before + 4);
    const aside = await cli(['relay', '--set-aside', 'connector_state-a'], { env });
    expect(aside).toMatchObject({ code: 2, stderr: expect.stringContaining('nothing of connector_state-a') });
    const dismissed = await cli(['project', '--dismiss', 'foreign'], { env });
    expect(dismissed.stdout).toBe('Dismissed: 0 dead letters.\n');
    expect(json(await cli(['relay', '--json'], { env: { DATABASE_URL: near.url } }))).toEqual({
      forwarded: 0,
      waiting: 0,
      dead: 0,
    });
  });
});

describe('copy', () => {
  test('copies into an empty database, makes its tables, compares, and repeated has nothing to do', async () => {
    await query(far.url, `SELECT connector_event_append('[]', NULL, 1000)`);
    const target = await createTestDatabase({ migrated: false });
    try {
      const result = await cli(['copy', '--from', far.url, '--to', target.url, '--json']);
      expect(result.code).toBe(0);
      const copied = json(result) as { copied: number };
      expect(copied).toMatchObject({ equal: true, resumed: false });
      expect(copied.copied).toBeGreaterThan(0);
      const again = await cli(['copy', '--from', far.url, '--to', target.url]);
      expect(again.stdout).toMatch(/^Copied 0 events; \d+ were there already\.$/m);
      expect(again.stdout).toContain('Equal: every stream has the same events');
    } finally {
      await target.drop();
    }
  });

  test('a difference is exit 1, and names the stream', async () => {
    const target = await createTestDatabase();
    try {
      await cli(['copy', '--from', far.url, '--to', target.url]);
      await query(
        target.url,
        `ALTER TABLE connector_event_kept DISABLE TRIGGER ALL;
         UPDATE connector_event_kept SET host = 'x' WHERE position = (SELECT min(position) FROM connector_event_kept)`,
      );
      const result = await cli(['copy', '--from', far.url, '--to', target.url]);
      expect(result.code).toBe(1);
      expect(result.stdout).toMatch(/Different: 1 streams\./);
    } finally {
      await target.drop();
    }
  });

  test.each<[string, () => readonly [string, string], RegExp]>([
    ['onto itself', () => [far.url, far.url], /the same event store/],
    ['onto itself under another name', () => [far.url, proxy.url], /the same event store/],
    [
      'from what is no event store',
      () => ['mysql://root:hunter2@db/x', far.url],
      /--from must be a URL like/,
    ],
    ['to what is no event store', () => [far.url, 'hunter2'], /--to must be a URL like/],
    [
      'to a database that does not exist',
      () => [far.url, elsewhere('nowhere')],
      /--to: the database nowhere .*does not exist: .*correct the name in its URL/,
    ],
    [
      'with a wrong password',
      () => [withUser(far.url), far.url],
      /--from: .*refuses the login: check the user.* in its URL/,
    ],
    [
      'to EventStoreDB with credentials in the clear',
      () => [far.url, 'esdb://admin:hunter2@localhost:2113?tls=false'],
      /tls=false with a user and password/,
    ],
  ])('%s is refused: exit 2, one sentence, no password', async (_, urls, sentence) => {
    const [from, to] = urls();
    const result = await cli(['copy', '--from', from, '--to', to]);

    expect(result).toMatchObject({ code: 2, stdout: '' });
    expect(result.stderr).toMatch(sentence);
    expect(result.stderr).not.toContain('hunter2');
  });

  test('a server that is away is exit 3', async () => {
    const result = await cli(['copy', '--from', 'postgres://x:hunter2@127.0.0.1:1/x', '--to', far.url]);
    expect(result).toMatchObject({ code: 3, stdout: '' });
    expect(result.stderr).not.toContain('hunter2');
  });
});

function elsewhere(database: string): string {
  const url = new URL(far.url);
  url.pathname = `/${database}`;
  return url.href;
}

function withUser(of: string): string {
  const url = new URL(of);
  url.username = 'nobody-of-this-name';
  url.password = 'hunter2';
  return url.href;
}
