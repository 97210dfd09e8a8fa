/**
 * Logins that are bound to one user each: what each sees of every table, and what it may append. Held against what the owner
 * sees, for users whose ids are made to be taken for each other's.
 */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { EVENT_SCHEMAS } from '../../src/events/catalogue.js';
import { cacheKeyOf, parseCacheKey } from '../../src/events/connector.js';
import type { NewEvent } from '../../src/events/event.js';
import { edgeStreamOf, hitsStreamOf, stateStreamOf } from '../../src/events/streams.js';
import { pg } from '../../src/postgres/driver.js';
import { grantPrivileges } from '../../src/read-model/grants.js';
import { OUR_TABLES, TENANT_TABLES } from '../../src/read-model/tenant-rights.js';
import { bindTenant, listTenants, unbindTenant } from '../../src/read-model/tenants.js';
import { createHarness, type Harness } from '../projector/harness.js';
import {
  authFailed,
  cleaned,
  connector,
  distrusted,
  hit,
  invalidated,
  requestLate,
  shadowed,
  synced,
  syncFailed,
  T0,
  unreachable,
} from '../support/facts.js';
import { type TestRoles, testRoles } from '../support/tenants.js';

/** One is the beginning of another, in one spelling or another. */
const USERS = ['alice', 'alice_b', 'alice%5Fb', 'al%', '%', "o'neil", 'edge:BYBIT:MAINNET', 'ALICE'] as const;

let harness: Harness;
let roles: TestRoles;
/** By user. */
const logins = new Map<string, string>();
const loginOf = (user: string) => logins.get(user) as string;

const factsOf = (userId: string): NewEvent[] => {
  const who = { userId, credentialId: 'main_1' };
  return [
    synced(who),
    synced({ ...who, credentialId: 'alice_b', measuredAt: T0 + 1 }),
    syncFailed(who),
    authFailed(who),
    requestLate(who),
    unreachable(who),
    hit(who),
    shadowed(who),
  ];
};

const edge = (): NewEvent => {
  const data = { exchange: 'BYBIT', environment: 'MAINNET', aheadMs: 30, uncertaintyMs: 5 } as const;
  return {
    id: randomUUID(),
    stream: edgeStreamOf(data),
    type: 'ExchangeEdgeMeasured',
    data,
    occurredAt: T0,
    host: 'h/1',
  };
};

beforeAll(async () => {
  harness = await createHarness();
  roles = testRoles(harness.url);
  await harness.append(...USERS.flatMap(factsOf), edge(), distrusted(), cleaned({ cutoff: T0 - 1 }));
  for (const user of USERS) {
    const who = { userId: user, credentialId: 'dead' };
    // What no projection can apply.
    await harness.appendRaw({
      id: randomUUID(),
      stream: stateStreamOf(who),
      type: 'ConnectorSynced',
      data: who,
    });
    await harness.pool.query('SELECT connector_outbox_add($1, false, 1000)', [
      JSON.stringify([{ ...hit({ userId: user }), schemaVersion: 3 }]),
    ]);
  }
  await harness.projector().catchUp();
  for (const user of USERS) logins.set(user, await roles.create(`tenant ${user.replaceAll('%', 'p')}`));
  for (const [userId, login] of logins) await bindTenant(harness.url, { login, userId });
});
afterAll(async () => {
  await roles.drop();
  await harness.close();
});

/** How a row tells whose it is. */
const OWNER_OF: Readonly<Record<string, (row: Record<string, unknown>) => string | undefined>> = {
  connector_state_cache: row => row.user_id as string,
  drift_sample: row => parseCacheKey(row.cache_key as string).userId,
  usage_forecast: row => parseCacheKey(row.cache_key as string).userId,
  connector_event: row => userOfStream(row.stream as string),
  connector_stream: row => userOfStream(row.stream as string),
  connector_outbox: row => userOfStream(row.stream as string),
  projection_dead_letter: row => userOfStream(row.stream as string),
};
function userOfStream(stream: string): string | undefined {
  const key = /^connector_state(?:_hits)?-(.*_.*)$/s.exec(stream)?.[1];
  return key === undefined ? undefined : parseCacheKey(key).userId;
}
/** Nobody's in particular: see docs/security.md. */
const OPEN = [
  'exchange_clock',
  'projection_checkpoint',
  'connector_replica_link',
  'connector_state_migration',
];

const denied = { code: '42501' };
const notOwn = { code: 'VT001' };

describe('a tenant’s login', () => {
  it.each(Object.keys(OWNER_OF))(
    'sees of %s the rows of its user, all of them, and no others',
    async table => {
      const all = await roles.owner(`SELECT t.*, t::text AS whole FROM ${table} t ORDER BY 1, 2, whole`);
      const own = (user: string) =>
        all.filter(row => OWNER_OF[table]?.(row) === user).map(({ whole }) => whole);
      for (const user of USERS) {
        expect(own(user).length).toBeGreaterThan(0);
        const seen = `SELECT t::text AS whole FROM ${table} t ORDER BY ${table === 'connector_stream' ? '1' : 't.*'}`;
        if (!TENANT_TABLES.includes(table)) {
          await expect(roles.sql(loginOf(user), seen)).rejects.toMatchObject(denied);
          continue;
        }
        const rows = await roles.sql(loginOf(user), seen);
        expect(rows.map(({ whole }) => whole).sort()).toEqual(own(user).sort());
      }
    },
  );

  it('reads what is nobody’s in particular, and nothing of what sums up all users', async () => {
    const login = loginOf('alice');
    for (const table of OUR_TABLES.filter(name => !(name in OWNER_OF))) {
      const read = roles.sql(login, `SELECT * FROM ${table}`);
      if (OPEN.includes(table)) await read;
      else await expect(read).rejects.toMatchObject(denied);
    }
    expect(await roles.sql(login, 'SELECT exchange FROM exchange_clock')).not.toEqual([]);
  });

  it('sees nothing more where somebody grants it every table', async () => {
    const login = await roles.create('granted');
    await bindTenant(harness.url, { login, userId: 'alice' });
    await roles.owner(`GRANT SELECT ON ALL TABLES IN SCHEMA public TO "${login.replaceAll('"', '""')}"`);
    try {
      for (const table of OUR_TABLES.filter(name => !OPEN.includes(name) && !/_(kept|hits)$/.test(name))) {
        if (table === 'connector_tenant') continue;
        const rows = await roles.sql(login, `SELECT * FROM ${table}`);
        const strangers = rows.filter(row => OWNER_OF[table]?.(row) !== 'alice');
        expect({ table, strangers }).toEqual({ table, strangers: [] });
      }
      const [found] = (await listTenants(harness.url)).filter(each => each.login === login);
      expect(found?.problems).toEqual(
        expect.arrayContaining([
          expect.stringMatching(/may SELECT connector_event_kept/),
          expect.stringMatching(/may SELECT connector_tenant/),
        ]),
      );
    } finally {
      await unbindTenant(harness.url, login);
    }
    await expect(roles.sql(login, 'SELECT FROM connector_event')).rejects.toMatchObject(denied);
  });

  it('can write no table, and call nothing but what appends', async () => {
    const login = loginOf('alice');
    for (const table of OUR_TABLES) {
      for (const text of [
        `DELETE FROM ${table}`,
        `TRUNCATE ${table}`,
        `INSERT INTO ${table} DEFAULT VALUES`,
      ]) {
        await expect(roles.sql(login, text)).rejects.toMatchObject(denied);
      }
    }
    for (const call of [
      'connector_event_forget_hits(1000)',
      "connector_state_ensure_drift_partition('2026-03-05Z')",
      "connector_event_import('[]', 1000)",
      'connector_tenant_guard()',
      "connector_tenant_check('[]')",
      "nextval('connector_event_position')",
      "nextval('connector_outbox_id_seq')",
    ]) {
      await expect(roles.sql(login, `SELECT ${call}`)).rejects.toMatchObject(denied);
    }
    await expect(roles.sql(login, 'SELECT last_value FROM connector_event_position')).rejects.toMatchObject(
      denied,
    );
  });

  it('is who logged in, whatever it sets, and whatever role it takes on', async () => {
    const app = await roles.create('app', 'NOLOGIN');
    await grantPrivileges(harness.url, { functionsRole: app });
    const [login, quoted] = [loginOf('alice'), `"${app.replaceAll('"', '""')}"`];
    await roles.owner(`GRANT ${quoted} TO "${login.replaceAll('"', '""')}"`);
    try {
      await roles.as(login, async client => {
        await expect(client.query('SET SESSION AUTHORIZATION postgres')).rejects.toMatchObject(denied);
        await client.query('SET row_security = off');
        await expect(client.query('SELECT FROM connector_event')).rejects.toMatchObject(denied);
        await client.query('RESET row_security');
        await client.query(`SET ROLE ${quoted}`);
        const { rows } = await client.query('SELECT stream FROM connector_event');
        expect(new Set(rows.map(({ stream }) => userOfStream(stream)))).toEqual(new Set(['alice']));
        expect((await client.query('SELECT FROM cache_usage')).rowCount).toBe(0);
        const of = (event: NewEvent) => [JSON.stringify([{ ...event, schema_version: 3, occurred_at: T0 }])];
        await expect(
          client.query('SELECT connector_event_append($1, NULL, 1000)', of(synced({ userId: 'alice_b' }))),
        ).rejects.toMatchObject(notOwn);
      });
      const [found] = (await listTenants(harness.url)).filter(each => each.login === login);
      expect(found?.problems).toEqual(
        expect.arrayContaining([expect.stringMatching(/app .* may SELECT cache_usage/)]),
      );
    } finally {
      await roles.owner(`REVOKE ${quoted} FROM "${login.replaceAll('"', '""')}"`);
    }
  });
});

type Sql = (text: string, values: unknown[]) => Promise<unknown>;
type Appending = (sql: Sql, events: readonly NewEvent[]) => Promise<unknown>;

const appending: Readonly<Record<string, Appending>> = {
  connector_event_append: (sql, events) =>
    sql('SELECT * FROM connector_event_append($1, NULL, 5000)', [
      JSON.stringify(events.map(event => ({ ...event, schema_version: 1, occurred_at: event.occurredAt }))),
    ]),
  connector_event_append_together: (sql, events) =>
    sql(`SELECT * FROM connector_event_append_together($1, $2, $3, $4, $5, $6, $7, $8, $9, 5000)`, [
      events.map(({ id }) => id),
      events.map(({ stream }) => stream),
      events.map(({ type }) => type),
      events.map(() => 1),
      events.map(({ data }) => JSON.stringify(data)).join('\u001e'),
      events.map(({ occurredAt }) => occurredAt),
      events.map(({ host }) => host),
      events.map(() => null),
      events.map(() => null),
    ]),
  connector_outbox_add: (sql, events) =>
    sql('SELECT connector_outbox_add($1, false, 5000)', [
      JSON.stringify(events.map(event => ({ ...event, schemaVersion: 1 }))),
    ]),
};

const counts = () =>
  roles.owner(
    'SELECT (SELECT count(*) FROM connector_event) AS log, (SELECT count(*) FROM connector_outbox) AS outbox',
  );

/** Over a connection of the login's own. */
const appendAs = (name: string, login: string, events: readonly NewEvent[]) =>
  appending[name]?.((text, values) => roles.sql(login, text, values), events) as Promise<unknown>;

describe.each(Object.keys(appending))('%s, for a tenant', name => {
  const append = (login: string, events: readonly NewEvent[]) => appendAs(name, login, events);

  it('takes every fact that a function records of its user, and of an edge', async () => {
    const who = { userId: 'alice_b', credentialId: 'a%_' };
    const events = [...factsOf('alice_b'), invalidated(who), synced(who), hit(who), edge()];
    const before = await counts();
    await append(loginOf('alice_b'), events);
    expect(await counts()).not.toEqual(before);
    // A retry is a retry.
    const after = await counts();
    await append(loginOf('alice_b'), events);
    expect(await counts()).toEqual(after);
    await append(loginOf('alice_b'), []).catch(() => undefined);
  });

  it('takes nothing in which anything is another’s, wherever it is said, and then none of the batch', async () => {
    const before = await counts();
    const user = fc.constantFrom(...USERS);
    const make = fc.constantFrom(
      synced,
      syncFailed,
      authFailed,
      requestLate,
      unreachable,
      invalidated,
      hit,
      shadowed,
    );
    await fc.assert(
      fc.asyncProperty(
        user,
        user,
        make,
        fc.constantFrom('stream', 'data', 'both', 'kind'),
        async (a, b, of, where) => {
          fc.pre(a !== b || where === 'kind');
          const [own, foreign] = [of({ userId: a }), of({ userId: b })] as [NewEvent, NewEvent];
          const isHit = own.stream.startsWith('connector_state_hits-');
          const mixed = {
            stream: { ...own, stream: foreign.stream },
            data: { ...own, data: foreign.data },
            both: foreign,
            // The right user's, in the wrong one of its two streams.
            kind: { ...own, stream: (isHit ? stateStreamOf : hitsStreamOf)(own.data as never) },
          }[where] as NewEvent;
          await expect(append(loginOf(a), [synced({ userId: a }), mixed])).rejects.toMatchObject(notOwn);
        },
      ),
      { numRuns: 25 },
    );
    expect(await counts()).toEqual(before);
  });

  it('takes no fact about all users, nor one that poses as a connector’s', async () => {
    const who = { userId: 'alice', credentialId: 'main_1' };
    const stream = stateStreamOf(who);
    const as = (event: NewEvent, more: object = {}) =>
      ({ ...event, stream, data: { ...(event.data as object), ...more } }) as NewEvent;
    const own = synced(who);
    const before = await counts();
    for (const event of [
      cleaned(),
      distrusted(),
      as(cleaned(), who),
      as(distrusted(), who),
      { ...own, type: 'HitsForgotten' } as unknown as NewEvent,
      { ...own, type: 'SomethingNew' } as unknown as NewEvent,
      { ...own, type: null } as unknown as NewEvent,
      { ...own, data: null } as unknown as NewEvent,
      { ...own, data: [own.data] } as unknown as NewEvent,
      { ...own, data: 'alice' } as unknown as NewEvent,
      { ...own, stream: `${stream}2` },
      { ...own, stream: `${stateStreamOf({ userId: 'alice', credentialId: '' })}` },
      { ...own, stream: 'connector_state_cleanup-all' },
      { ...edge(), stream },
      { ...edge(), stream: hitsStreamOf(who) },
      { ...edge(), data: { ...edge().data, ...who } } as NewEvent,
      { ...edge(), stream: hitsStreamOf({ userId: 'edge:BYBIT:MAINNET', credentialId: 'main_1' }) },
    ]) {
      await expect(append(loginOf('alice'), [event])).rejects.toMatchObject({
        code: expect.stringMatching(/^(VT001|23502)$/),
      });
    }
    expect(await counts()).toEqual(before);
  });
});

it('tells a tenant nothing of another’s stream by way of a version or an event’s id', async () => {
  const foreign = factsOf('alice_b')[0] as NewEvent;
  await harness.append(foreign);
  const of = (event: NewEvent) => JSON.stringify([{ ...event, schema_version: 1, occurred_at: T0 }]);
  const login = loginOf('alice');
  for (const expected of [null, JSON.stringify({ [foreign.stream]: 0 })]) {
    await expect(
      roles.sql(login, 'SELECT * FROM connector_event_append($1, $2, 1000)', [of(foreign), expected]),
    ).rejects.toMatchObject(notOwn);
  }
  const [own] = await roles.sql(login, 'SELECT * FROM connector_event_append($1, $2, 1000)', [
    of({ ...synced({ userId: 'alice' }), id: foreign.id }),
    JSON.stringify({ [foreign.stream]: 7 }),
  ]);
  expect(own).toMatchObject({ is_new: true });
});

it('knows of every type of event whether a tenant may record it', async () => {
  const alice = { userId: 'alice', credentialId: 'main_1' };
  const taken: string[] = [];
  for (const type of Object.keys(EVENT_SCHEMAS)) {
    for (const stream of [stateStreamOf(alice), hitsStreamOf(alice)]) {
      const event = { ...synced(alice), type, stream } as unknown as NewEvent;
      await appendAs('connector_event_append', loginOf('alice'), [event]).then(
        () => taken.push(type),
        () => undefined,
      );
    }
  }
  // Whoever adds a type decides it here, and in a migration that says so to connector_tenant_check.
  const NOT_A_TENANTS = [
    'ExchangeEdgeMeasured',
    'WitnessDistrusted',
    'ExpiredStatesCleaned',
    'HitsForgotten',
  ];
  expect(taken.sort()).toEqual(
    Object.keys(EVENT_SCHEMAS)
      .filter(type => !NOT_A_TENANTS.includes(type))
      .sort(),
  );
});

describe('what the catalogue says', () => {
  it('of every table: it has the policy, or shows nothing of users, or nobody has a right to it', async () => {
    const tables = await roles.owner(
      `SELECT c.relname AS name, c.relrowsecurity AS guarded, c.relispartition AS part,
              EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = c.oid AND p.polname = 'connector_tenant') AS policy,
              (SELECT count(*) FROM pg_policy p WHERE p.polrelid = c.oid)::int AS policies,
              EXISTS (SELECT FROM aclexplode(c.relacl) a WHERE a.grantee <> c.relowner) AS granted
         FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'f')`,
    );
    for (const { name: given, guarded, part, policy, policies, granted } of tables) {
      const name = given as string;
      if (part) expect({ name, granted }).toEqual({ name, granted: false });
      else if (OPEN.includes(name)) expect({ name, policies }).toEqual({ name, policies: 0 });
      else if (name === 'connector_tenant') expect({ name, granted }).toEqual({ name, granted: false });
      // A table that is new: say in a migration which of its rows are a tenant's, and in OUR_TABLES that it is there.
      else
        expect({ name, guarded, policy, policies }).toEqual({
          name,
          guarded: true,
          policy: true,
          policies: 1,
        });
    }
    const named = tables.filter(({ part, name }) => !part || OUR_TABLES.includes(name as string));
    expect(named.map(({ name }) => name).sort()).toEqual([...OUR_TABLES].sort());
  });

  it('of every column that names a user, a connector or a stream: its table has rows of users', async () => {
    const columns = await roles.owner(
      `SELECT DISTINCT c.relname AS name FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
        WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
          AND a.attname IN ('user_id', 'cache_key', 'stream', 'credential_id')`,
    );
    expect(columns.map(({ name }) => name).sort()).toEqual(
      [...Object.keys(OWNER_OF), 'connector_api_key', 'connector_tenant'].sort(),
    );
  });

  it('of functions that run as their owner: a tenant may call those that look at whose it is, and one that tells the clock', async () => {
    const functions = await roles.owner(
      `SELECT proname AS name FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND prosecdef
          AND has_function_privilege($1, oid, 'EXECUTE')`,
      [loginOf('alice')],
    );
    expect(functions.map(({ name }) => name).sort()).toEqual(
      [
        ...Object.keys(appending),
        'connector_state_clock_id',
        'connector_tenant_user',
        // Refuses who may not insert samples: tried above.
        'connector_state_ensure_drift_partition',
      ].sort(),
    );
  });

  it('of views: there are none, which would ask as their owner', async () => {
    expect(
      await roles.owner(
        `SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('v', 'm')`,
      ),
    ).toEqual([]);
  });
});

it('is told nothing by the server’s statistics', async () => {
  await roles.owner('ANALYZE');
  const seen = await roles.sql(
    loginOf('alice'),
    `SELECT DISTINCT tablename AS name FROM pg_stats WHERE schemaname = 'public'`,
  );
  expect(seen.map(({ name }) => name).filter(name => !OPEN.includes(name as string))).toEqual([]);
});

// As docs/security.md says: no policy of a PostgreSQL hides this.
it('can tell by EXPLAIN ANALYZE that a policy held back rows of a name that it knows, and not what is in them', async () => {
  const rows = await roles.sql(
    loginOf('alice'),
    `EXPLAIN (ANALYZE, COSTS off) SELECT * FROM connector_state_cache WHERE cache_key = '${cacheKeyOf({ userId: 'ALICE', credentialId: 'main_1' })}'`,
  );
  expect(rows.map(row => row['QUERY PLAN']).join('\n')).toMatch(/Rows Removed by Filter: [1-9]/);
});

it('hears that something was appended, as any login of the server does, and not what', async () => {
  await roles.as(loginOf('alice'), async client => {
    await client.query('LISTEN connector_event');
    const heard = new Promise<{ payload?: string | undefined }>(resolve =>
      client.once('notification', resolve),
    );
    await harness.append(synced({ userId: 'alice_b' }));
    expect((await heard).payload).toBe('');
  });
});

it('finds the row of a key by the key', () => {
  // What the users above are there for.
  expect(new Set(USERS.map(userId => cacheKeyOf({ ...connector, userId }))).size).toBe(USERS.length);
});

describe('who may do as the owner does', () => {
  let deputy: string;
  beforeAll(async () => {
    const owner = pg.escapeIdentifier(decodeURIComponent(new URL(harness.url).username));
    deputy = await roles.create('deputy', `LOGIN IN ROLE ${owner}`);
  });

  it.each(Object.keys(appending))('has its events taken by %s without their being looked at', async name => {
    for (const url of [harness.url, roles.urlOf(deputy)]) {
      const client = new pg.Client({ connectionString: url });
      await client.connect();
      try {
        await client.query('BEGIN');
        await client.query(`CREATE OR REPLACE FUNCTION connector_tenant_check(events jsonb) RETURNS void
          LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'looked at'; END $$`);
        const events = [synced({ userId: 'alice' }), cleaned()];
        await appending[name]?.((text, values) => client.query(text, values), events);
        await client.query('ROLLBACK');
      } finally {
        await client.end();
      }
    }
  });
});
