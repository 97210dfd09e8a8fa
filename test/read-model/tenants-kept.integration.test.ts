/** What binding the first tenant switches on holds whatever is done to the tables, and goes with the last. */
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { projections } from '../../projections/index.js';
import { silentLogger } from '../../src/base/logging.js';
import { createPostgresEventStore } from '../../src/event-store/postgres/index.js';
import { createPool } from '../../src/postgres/pool.js';
import { createProjector } from '../../src/projector/index.js';
import { grantPrivileges } from '../../src/read-model/grants.js';
import { migrate } from '../../src/read-model/migrate.js';
import { shard } from '../../src/read-model/shard.js';
import { bindTenant, listTenants, unbindTenant } from '../../src/read-model/tenants.js';
import { createHarness, type Harness, liveAndExpected } from '../projector/harness.js';
import { hit, synced, T0 } from '../support/facts.js';
import { type TestRoles, testRoles } from '../support/tenants.js';

let harness: Harness;
let roles: TestRoles;
beforeEach(async () => {
  harness = await createHarness();
  roles = testRoles(harness.url);
});
afterEach(async () => {
  await roles.drop();
  await harness.close();
});

const denied = { code: '42501' };
const facts = (n: number) =>
  Array.from({ length: n }, (_, i) =>
    i % 3 === 2 ? hit({ userId: `u${i % 4}` }) : synced({ userId: `u${i % 4}`, measuredAt: T0 + i }),
  );

/** Of the whole schema, for who wants nothing to have changed. */
const catalogue = () =>
  roles.owner(
    `SELECT c.relname, c.relrowsecurity, c.relforcerowsecurity, c.relkind,
            (SELECT jsonb_agg(jsonb_build_array(polname, pg_get_expr(polqual, polrelid))) FROM pg_policy WHERE polrelid = c.oid) AS policies
       FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
      ORDER BY 1`,
  );
const guarded = async () => (await catalogue()).filter(each => each.relrowsecurity).map(each => each.relname);

const usersSeen = async (login: string, table = 'connector_state_cache') => {
  const column = table === 'connector_state_cache' ? 'user_id' : 'cache_key';
  const rows = await roles.sql(login, `SELECT DISTINCT ${column} AS seen FROM ${table} ORDER BY 1`);
  return rows.map(({ seen }) => seen);
};

async function bound(userId = 'u1'): Promise<string> {
  const login = await roles.create(userId);
  await bindTenant(harness.url, { login, userId });
  return login;
}

describe('row-level security', () => {
  it('is off until the first tenant is bound and when the last is unbound, and all is as before', async () => {
    const before = await catalogue();
    expect(before.filter(each => each.relrowsecurity)).toEqual([]);
    const app = await roles.create('app');
    await grantPrivileges(harness.url, { functionsRole: app });
    await harness.append(...facts(12));
    await harness.projector().catchUp();

    const [first, second] = [await bound('u1'), await bound('u2')];
    expect(await guarded()).toEqual(before.filter(each => each.policies !== null).map(each => each.relname));
    expect(await usersSeen(app)).toEqual(['u0', 'u1', 'u2', 'u3']);
    expect([await usersSeen(first), await usersSeen(second)]).toEqual([['u1'], ['u2']]);
    expect(await listTenants(harness.url)).toMatchObject([
      { login: first, userId: 'u1', problems: [] },
      { login: second, userId: 'u2', problems: [] },
    ]);

    expect(await unbindTenant(harness.url, first)).toBe(true);
    expect(await unbindTenant(harness.url, first)).toBe(false);
    await expect(usersSeen(first)).rejects.toMatchObject(denied);
    expect([await usersSeen(second), await usersSeen(app)]).toEqual([['u2'], ['u0', 'u1', 'u2', 'u3']]);
    expect((await guarded()).length).toBeGreaterThan(0);
    await unbindTenant(harness.url, second);
    expect(await catalogue()).toEqual(before.map(each => expect.objectContaining(each)));
    expect(await usersSeen(app)).toEqual(['u0', 'u1', 'u2', 'u3']);
  });

  it('lets a worker that owns nothing project, rebuild, verify and forget as before', async () => {
    const login = await bound('u1');
    const worker = await roles.create('worker');
    await grantPrivileges(harness.url, { workerRole: worker });
    const pool = createPool({ connectionString: roles.urlOf(worker), max: 4, log: silentLogger });
    const store = createPostgresEventStore({ pool });
    try {
      const projector = createProjector({ store, pool });
      await store.append([...facts(30), synced()]);
      await projector.catchUp();
      const { live, expected } = await liveAndExpected(harness);
      expect(live).toEqual(expected);
      expect(await projector.verify()).toMatchObject({ equal: true });

      await harness.pool.query(`UPDATE connector_state_cache SET time_offset = 7 WHERE user_id = 'u1'`);
      const { differing } = await projector.rebuild();
      expect(differing).toMatchObject({ connector_state_cache: 1 });
      expect((await liveAndExpected(harness)).live).toEqual(live);
      expect(await projector.lag()).toMatchObject({ events: 0 });

      const forgotten = await projector.forgetHits({ before: Date.now() + 3_600_000, by: 'test' });
      expect(forgotten.dropped).toBeGreaterThan(0);
      expect(await projector.verify()).toMatchObject({ equal: true });
    } finally {
      await store.close();
      await pool.end();
    }
    expect(await usersSeen(login)).toEqual(['u1']);
    const streams = await roles.sql(login, 'SELECT DISTINCT stream FROM connector_event');
    expect(streams).toEqual([{ stream: 'connector_state-u1_cred456' }]);
    await expect(roles.sql(login, 'SELECT FROM connector_event_hits')).rejects.toMatchObject(denied);
  });

  it('is on the table of states when that is split, and when it is made one again', async () => {
    await harness.append(...facts(24));
    await harness.projector().catchUp();
    const before = await catalogue();
    await shard(harness.url, 2);
    await shard(harness.url, 1);
    expect(await catalogue()).toEqual(before);

    const login = await bound('u1');
    const during = await catalogue();
    for (const partitions of [4, 1]) {
      await shard(harness.url, partitions);
      expect(await usersSeen(login)).toEqual(['u1']);
      expect((await catalogue()).map(({ relkind: _, ...each }) => each)).toEqual(
        during.map(({ relkind: _, ...each }) => each),
      );
    }
  });

  it('is on tables that were dropped and made anew, also the one that says who is bound', async () => {
    await harness.append(...facts(24));
    await harness.projector().catchUp();
    const login = await bound('u1');
    const before = await catalogue();
    const gone = [
      ...projections.map(({ name }) => name),
      'connector_outbox',
      'connector_tenant',
      'projection_dead_letter',
    ];
    await harness.pool.query(`DROP TABLE ${gone.join(', ')} CASCADE`);
    await migrate(harness.url);
    expect(await catalogue()).toEqual(before);
    await harness.projector().catchUp();

    // The login has the mark of a tenant, and nobody knows whose it is: it sees nothing, and does not pass for another's.
    await expect(roles.sql(login, 'SELECT FROM connector_event')).rejects.toMatchObject({
      ...denied,
      message: expect.stringMatching(/has a tenant's rights and is bound to no user/),
    });
    await bindTenant(harness.url, { login, userId: 'u1' });
    expect([await usersSeen(login), await usersSeen(login, 'usage_forecast')]).toEqual([
      ['u1'],
      ['u1_cred456'],
    ]);
  });

  it('holds a login that was renamed to nothing', async () => {
    await harness.append(...facts(9));
    await harness.projector().catchUp();
    const login = await bound('u1');
    const other = `renamed ${login}`;
    const quoted = (name: string) => `"${name.replaceAll('"', '""')}"`;
    await roles.owner(`ALTER ROLE ${quoted(login)} RENAME TO ${quoted(other)}`);
    try {
      await roles.owner(`ALTER ROLE ${quoted(other)} PASSWORD 'test'`);
      await expect(usersSeen(other)).rejects.toMatchObject(denied);
      await expect(
        roles.sql(other, `SELECT * FROM connector_event_append('[]', NULL, 1000)`),
      ).rejects.toMatchObject(denied);
      expect(await listTenants(harness.url)).toMatchObject([
        { login, problems: [expect.stringMatching(/no such role/)] },
      ]);
    } finally {
      await roles.owner(`ALTER ROLE ${quoted(other)} RENAME TO ${quoted(login)}`);
    }
  });
});

describe('binding', () => {
  it('is refused for whom the policies would not hold, and leaves nothing', async () => {
    const before = await catalogue();
    const quoted = (name: string) => `"${name.replaceAll('"', '""')}"`;
    const refused: [login: string, why: RegExp][] = [
      ['nobody; DROP TABLE x', /does not exist: create it first/],
      [await roles.create('group', 'NOLOGIN'), /may not log in/],
      [await roles.create('super', 'LOGIN SUPERUSER'), /is a superuser/],
      [await roles.create('bypass', 'LOGIN BYPASSRLS'), /has BYPASSRLS/],
      [await roles.create('maker', 'LOGIN CREATEROLE'), /has CREATEROLE/],
      [await roles.create('replica', 'LOGIN REPLICATION'), /has REPLICATION/],
    ];
    const worker = await roles.create('worker');
    await grantPrivileges(harness.url, { workerRole: worker });
    refused.push([worker, /may write the read tables/]);
    const member = await roles.create('member');
    await roles.owner(`GRANT ${quoted(worker)} TO ${quoted(member)}`);
    refused.push([member, /may write the read tables|may (INSERT|SELECT|call)/]);
    const reader = await roles.create('reader');
    await roles.owner(`GRANT pg_read_all_data TO ${quoted(reader)}`);
    refused.push([reader, /is a member of pg_read_all_data/]);
    const creator = await roles.create('creator');
    await roles.owner(`GRANT CREATE ON SCHEMA public TO ${quoted(creator)}`);
    refused.push([creator, /may create in schema public/]);
    const builder = await roles.create('builder');
    const [here] = await roles.owner('SELECT current_database() AS name');
    await roles.owner(`GRANT CREATE ON DATABASE ${here?.name} TO ${quoted(builder)}`);
    refused.push([builder, /may create schemas/]);
    const [parent, child] = [await roles.create('parent'), await roles.create('child')];
    await roles.owner(`GRANT ${quoted(parent)} TO ${quoted(child)}`);
    refused.push([parent, /child .* inherits its rights, and would see nothing/]);
    const viewer = await roles.create('viewer');
    await roles.owner('CREATE VIEW events_of_all AS SELECT * FROM connector_event');
    await roles.owner(`GRANT SELECT ON events_of_all TO ${quoted(viewer)}`);
    refused.push([viewer, /may read the view events_of_all/]);
    const heir = await roles.create('heir');
    await roles.owner(`ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO ${quoted(heir)}`);
    refused.push([heir, /default privileges will let heir .* SELECT tables that/]);

    for (const [login, message] of refused) {
      await expect(bindTenant(harness.url, { login, userId: 'u1' })).rejects.toMatchObject({
        code: 'INVALID_INPUT',
        message: expect.stringMatching(message),
      });
    }
    expect(await listTenants(harness.url)).toEqual([]);
    expect(await catalogue()).toEqual(before);
  });

  it('is repeated without harm, of one user at a time, and not of a role of functions in between', async () => {
    const login = await roles.create('app');
    await grantPrivileges(harness.url, { functionsRole: login });
    await bindTenant(harness.url, { login, userId: 'u1' });
    await bindTenant(harness.url, { login, userId: 'u1' });
    // What it had as a role of functions is gone.
    await expect(roles.sql(login, 'SELECT FROM cache_usage')).rejects.toMatchObject(denied);
    await expect(bindTenant(harness.url, { login, userId: 'u2' })).rejects.toMatchObject({
      code: 'INVALID_INPUT',
      message: expect.stringMatching(/is bound to the user "u1": unbind it first/),
    });
    await expect(grantPrivileges(harness.url, { functionsRole: login })).rejects.toMatchObject({
      code: 'INVALID_INPUT',
      message: expect.stringMatching(/is bound to one user/),
    });
    await expect(bindTenant(harness.url, { login, userId: '' })).rejects.toMatchObject({
      code: 'INVALID_INPUT',
    });
  });

  it('gives up on a table that somebody has locked, and then has changed nothing', async () => {
    const login = await roles.create('late');
    await harness.asAnother(async client => {
      await client.query('BEGIN; LOCK TABLE connector_state_cache IN ACCESS SHARE MODE');
      await expect(bindTenant(harness.url, { login, userId: 'u1' }, { waitMs: 1 })).rejects.toMatchObject({
        code: 'DATABASE_UNAVAILABLE',
        message: expect.stringMatching(/nothing was changed/),
      });
      await client.query('ROLLBACK');
    });
    expect(await guarded()).toEqual([]);
    await bindTenant(harness.url, { login, userId: 'u1' });
  });

  it('needs the tables', async () => {
    const empty = await createHarness({ migrated: false });
    await expect(listTenants(empty.url)).rejects.toMatchObject({ code: 'DATABASE_NOT_MIGRATED' });
    await expect(bindTenant(empty.url, { login: 'x', userId: 'u1' })).rejects.toMatchObject({
      code: 'DATABASE_NOT_MIGRATED',
    });
    await empty.close();
  });
});

it('takes nobody for a tenant who was granted everything there is', async () => {
  const app = await roles.create('app');
  const quoted = `"${app.replaceAll('"', '""')}"`;
  for (const what of ['TABLES', 'FUNCTIONS', 'SEQUENCES']) {
    await roles.owner(`GRANT ALL ON ALL ${what} IN SCHEMA public TO ${quoted}`);
  }
  await harness.append(...facts(9));
  await harness.projector().catchUp();
  await bound('u1');
  expect(await usersSeen(app)).toEqual(['u0', 'u1', 'u2', 'u3']);
  expect(await roles.sql(app, `SELECT * FROM connector_event_append('[]', NULL, 1000)`)).toEqual([]);
});
