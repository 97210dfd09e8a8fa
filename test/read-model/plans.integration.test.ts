/**
 * No lookup ever scans: the plans of each of its statements, for one key and for many, over a table in one piece and in
 * partitions, planned while the tables were empty and when they are full.
 *
 * `PLAN_ROWS` says how many states; a scan would be chosen with as few as are here if an index were missing, which the last
 * test shows. With ten million it is run by hand (docs/benchmarks.md#plans).
 */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Client } from 'pg';
import { projections } from '../../projections/index.js';
import { pg } from '../../src/postgres/driver.js';
import { tableSql } from '../../src/projector/table-sql.js';
import { grantPrivileges } from '../../src/read-model/grants.js';
import { LOOKUP_STATEMENTS } from '../../src/read-model/lookup.js';
import { shard } from '../../src/read-model/shard.js';
import { bindTenant } from '../../src/read-model/tenants.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { testRoles } from '../support/tenants.js';

const ROWS = Number(process.env.PLAN_ROWS ?? 20_000);
const CLOCKS = Math.min(ROWS, 5_000);
const EVENTS = Math.min(ROWS, 1_000_000);

let database: TestDatabase;
let client: Client;
beforeAll(async () => {
  database = await createTestDatabase();
  client = new pg.Client({ connectionString: database.url });
  await client.connect();
  await prepare('empty');
  await fill();
}, 3_600_000);
afterAll(async () => {
  await client.end();
  await database.drop();
});

const STATEMENTS = Object.entries(LOOKUP_STATEMENTS);
const nameOf = (name: string, when: string) => `${name}_${when}`;

async function prepare(when: string): Promise<void> {
  for (const [name, text] of STATEMENTS) await client.query(`PREPARE ${nameOf(name, when)} AS ${text}`);
}

async function fill(): Promise<void> {
  await client.query(
    `INSERT INTO connector_state_cache (
       id, cache_key, user_id, credential_id, exchange, environment, time_offset, uncertainty_ms, round_trip_ms,
       sample_count, reference_clock, sync_id, basis, sync_trigger, last_sync_time, ttl_ms, expires_at,
       created_at, updated_at, stream_version, position)
     SELECT gen_random_uuid(), 'user-' || i || '_credential-' || i, 'user-' || i, 'credential-' || i, 'BYBIT', 'MAINNET', 1, 1, 1,
       1, 'pg:1:1', gen_random_uuid(), 'measured', 'expired', now(), 86400000, now(), now(), now(), 1, 'pg/' || i
     FROM generate_series(1, $1::integer) AS i`,
    [ROWS],
  );
  await client.query(
    `INSERT INTO exchange_clock (exchange, environment, scope, reference_clock, time_offset, uncertainty_ms, sync_id,
       measured_at, expires_at, is_valid, epoch, epoch_started_at, sample_count, rate_ppm, rate_bound_ppm, created_at, updated_at, position)
     SELECT 'BYBIT', 'MAINNET', 'scope-' || i, connector_state_clock_id(), 0, 1, gen_random_uuid(), now(), now(), true, 1,
       now(), 1, 0, 50, now(), now(), 'pg/1' FROM generate_series(1, $1::integer) AS i`,
    [CLOCKS],
  );
  await client.query(
    `INSERT INTO connector_event (position, stream, version, event_id, type, schema_version, data, occurred_at, host, forgettable)
     SELECT i, CASE i % 2 WHEN 0 THEN 'connector_state-' ELSE 'connector_state_hits-' END || i, 1, gen_random_uuid(),
       CASE i % 2 WHEN 0 THEN 'ConnectorSynced' ELSE 'ConnectorStateHit' END, 1, '{}', now(), 'h/1', i % 2 = 1
     FROM generate_series(1, $1::integer) AS i`,
    [EVENTS],
  );
  await client.query(
    `INSERT INTO connector_replica_link SELECT 'replica-' || i, 'pg:1:1', 0, 1, 0, 0, now() FROM generate_series(1, 1000) AS i`,
  );
}

interface Plan {
  readonly 'Node Type': string;
  readonly 'Relation Name'?: string;
  readonly 'Index Cond'?: string;
  readonly 'Subplans Removed'?: number;
  readonly Plans?: readonly Plan[];
}
const nodesOf = (plan: Plan): Plan[] => [plan, ...(plan.Plans ?? []).flatMap(nodesOf)];

/** Reading a table otherwise than by a key: in whole, or an index in whole. One row from an index's end is no scan. */
async function scansOf(name: string, keys: number): Promise<string[]> {
  const array = (of: (n: number) => string) =>
    `ARRAY[${Array.from({ length: keys }, (_, n) => of(n + 1)).join(',')}]::text[]`;
  const values = [
    array(n => `'user-${n}_credential-${n}'`),
    array(() => `'BYBIT'`),
    array(() => `'MAINNET'`),
    array(n => `'scope-${n}'`),
    ...((LOOKUP_STATEMENTS as Record<string, string>)[
      name.replace(/_(empty|full|split|held)$/, '')
    ]?.includes('$5')
      ? [`ARRAY[${Array.from({ length: keys }, (_, n) => n).join(',')}]::bigint[]`]
      : []),
  ];
  const { rows } = await client.query<{ 'QUERY PLAN': readonly [{ Plan: Plan }] }>(
    `EXPLAIN (FORMAT JSON) EXECUTE ${name} (${values.join(', ')})`,
  );
  const plan = rows[0]?.['QUERY PLAN'][0].Plan as Plan;
  const onTables = nodesOf(plan).filter(node => node['Relation Name'] !== undefined);
  expect(onTables.length).toBeGreaterThanOrEqual(2);
  return onTables
    .filter(node => !EXEMPT.has(node['Relation Name'] ?? ''))
    .filter(node => /Seq|Bitmap|Tid/.test(node['Node Type']) || (!node['Index Cond'] && !isOfTheLog(node)))
    .map(node => `${node['Node Type']} on ${node['Relation Name']}`);
}

/** A row a projection, six in all, on one page. */
const EXEMPT = new Set(['projection_checkpoint']);
/** The log's head is the last entry of an index. */
const isOfTheLog = (node: Plan): boolean => /^connector_event/.test(node['Relation Name'] ?? '');

async function scansOfAll(when: string): Promise<Record<string, string[]>> {
  const found: Record<string, string[]> = {};
  for (const mode of ['force_custom_plan', 'force_generic_plan', 'auto']) {
    await client.query(`SET plan_cache_mode = ${mode}`);
    for (const [name] of STATEMENTS) {
      for (const keys of [1, 200]) {
        const scans = await scansOf(nameOf(name, when), keys);
        if (scans.length > 0) found[`${name}, ${keys} keys, ${mode}`] = scans;
      }
    }
  }
  return found;
}

/** So many times the server plans anew before it looks what a plan for any values would cost. */
const FIRST_ARE_CUSTOM = 5;

/** Of ten executions, how many were planned for their own values. */
async function customPlansOf(query: { name: string; text: string; values: unknown[] }): Promise<number> {
  for (let i = 0; i < 2 * FIRST_ARE_CUSTOM; i++) await client.query(query);
  const { rows } = await client.query<{ custom_plans: string }>(
    'SELECT custom_plans FROM pg_prepared_statements WHERE name = $1',
    [query.name],
  );
  return Number(rows[0]?.custom_plans);
}

describe(`a lookup over ${ROWS} states`, () => {
  it('reads by keys alone when it was prepared over empty tables, and nothing was analysed since', async () => {
    expect(await scansOfAll('empty')).toEqual({});
  });

  it('reads by keys alone when it is prepared over full ones', async () => {
    await client.query('ANALYZE');
    await prepare('full');
    expect(await scansOfAll('full')).toEqual({});
    expect(await scansOfAll('empty')).toEqual({});
  });

  it('reads by keys alone in partitions', async () => {
    await shard(database.url, 16, { waitMs: 600_000 });
    await prepare('split');
    expect(await scansOfAll('split')).toEqual({});
    expect(await scansOfAll('empty')).toEqual({});
    await shard(database.url, 1, { waitMs: 600_000 });
    expect(await scansOfAll('split')).toEqual({});
  }, 3_600_000);

  it('reads by keys alone under row-level security: for a tenant, and for who is none', async () => {
    const [owner, roles] = [client, testRoles(database.url)];
    try {
      const [tenant, app] = [await roles.create('tenant'), await roles.create('app')];
      await grantPrivileges(database.url, { functionsRole: app });
      await bindTenant(database.url, { login: tenant, userId: 'user-1' });
      for (const login of [tenant, app]) {
        await roles.as(login, async session => {
          client = session;
          await prepare('held');
          expect(await scansOfAll('held')).toEqual({});
        });
      }
    } finally {
      client = owner;
      await roles.drop();
    }
  });

  it.each(Object.keys(LOOKUP_STATEMENTS))('is planned once for a session, not for each: %s', async name => {
    await client.query('SET plan_cache_mode = auto');
    const text = LOOKUP_STATEMENTS[name as keyof typeof LOOKUP_STATEMENTS];
    const key = [['user-1_credential-1'], ['BYBIT'], ['MAINNET'], ['scope-1']];
    const values = text.includes('$5') ? [...key, ['1']] : key;
    expect(await customPlansOf({ name: `often_${name}`, text, values })).toBe(FIRST_ARE_CUSTOM);
  });

  it('would scan without its index', async () => {
    await client.query('BEGIN');
    await client.query(
      'ALTER TABLE connector_state_cache DROP CONSTRAINT connector_state_cache_cache_key_key',
    );
    const scans = await scansOf('plain_full', 200);
    await client.query('ROLLBACK');
    expect(scans).toEqual(['Seq Scan on connector_state_cache']);
  });
});

describe('the rows that a page of one event touches', () => {
  const VALUES: Readonly<Record<string, unknown>> = {
    timestamptz: 0,
    text: '',
    uuid: randomUUID(),
    bigint: '0',
  };

  it.each(projections.map(projection => [projection.table.name, projection] as const))(
    'are found in %s by a plan that is kept',
    async (table, projection) => {
      await client.query('SET plan_cache_mode = auto');
      const { load, key } = tableSql(projection);
      const values = key.map(({ type }) => [VALUES[type]]);
      expect(await customPlansOf({ name: `load_${table}`, text: load, values })).toBe(FIRST_ARE_CUSTOM);
    },
  );
});
