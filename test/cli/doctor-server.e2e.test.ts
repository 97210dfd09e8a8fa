/** What doctor says of a server that is not as servers are by default: each finding with its remedy. */
import { randomBytes } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { grantPrivileges } from '../../src/read-model/grants.js';
import { closing, givenWorld, type World } from '../support/world.js';
import { cli, json } from './support.js';

interface Found {
  readonly checks: readonly { name: string; status: string; message: string; remedy?: string }[];
}

async function examine(url: string, env: Record<string, string> = {}) {
  const result = await cli(['doctor', '--json'], { env: { DATABASE_URL: url, ...env } });
  const { checks } = json(result) as unknown as Found;
  return { code: result.code, of: (name: string) => checks.find(check => check.name === name) };
}

const nameOf = (world: World) => new URL(world.databaseUrl).pathname.slice(1);

/** A login that may connect, and nothing else. */
async function givenRole(world: World, options = ''): Promise<{ role: string; url: string }> {
  const role = `role_${randomBytes(4).toString('hex')}`;
  await world.sql(`CREATE ROLE ${role} LOGIN PASSWORD 'x' ${options}`);
  closing({
    close: async () => {
      await world.sql(`DROP OWNED BY ${role}`);
      await world.sql(`DROP ROLE ${role}`);
    },
  });
  const url = new URL(world.databaseUrl);
  url.username = role;
  url.password = 'x';
  return { role, url: url.href };
}

describe('doctor', () => {
  it('names the defaults that we override, and what they cost', async () => {
    const world = await givenWorld();
    for (const setting of [
      "default_transaction_isolation = 'serializable'",
      'default_transaction_read_only = on',
      'extra_float_digits = 0',
      "statement_timeout = '1s'",
      "transaction_timeout = '2s'",
    ]) {
      await world.sql(`ALTER DATABASE ${nameOf(world)} SET ${setting}`);
    }

    const { code, of } = await examine(world.databaseUrl);

    expect(code).toBe(0);
    for (const name of ['isolation', 'read-only', 'float digits', 'timeouts']) {
      expect(of(name)).toMatchObject({ status: 'warn', remedy: expect.stringContaining('ALTER ROLE') });
    }
    expect(of('timeouts')).toMatchObject({ message: expect.stringContaining('transaction_timeout 2000 ms') });
    expect(of('encoding')).toMatchObject({ status: 'ok', message: 'UTF8' });
    expect(of('rehearsal')).toMatchObject({ status: 'ok' });
    expect(await world.sql('SELECT FROM connector_event')).toEqual([]);
  });

  it('rehearses as the role it is given, and says what that may not', async () => {
    const world = await givenWorld();
    const { role, url } = await givenRole(world);
    await world.sql(`GRANT SELECT ON ALL TABLES IN SCHEMA public TO ${role}`);

    const { code, of } = await examine(url);

    expect(code).toBe(1);
    expect(of('rehearsal')).toMatchObject({
      status: 'fail',
      message: expect.stringMatching(/could not append a fact \(42501: permission denied/),
      remedy: expect.stringContaining('migrate --functions-role'),
    });
    expect(of('role')).toMatchObject({ status: 'fail' });
    expect(of('dead letters')).toMatchObject({ status: 'ok' });
  });

  it('names the read table that a worker may not write, as after an upgrade that brought one', async () => {
    const world = await givenWorld();
    const { role, url } = await givenRole(world);
    await grantPrivileges(world.databaseUrl, { workerRole: role });
    expect((await examine(url)).of('role')).toMatchObject({ status: 'ok' });
    await world.sql(`REVOKE INSERT ON usage_forecast FROM ${role}`);

    const { code, of } = await examine(url);

    expect(code).toBe(1);
    expect(of('role')).toMatchObject({
      status: 'fail',
      message: expect.stringContaining('not write usage_forecast, so it cannot project'),
      remedy: expect.stringContaining(`migrate --worker-role ${role}`),
    });
  });

  it('names each table of a functions role that it may not read, or not write a replica’s clock into', async () => {
    const world = await givenWorld();
    const { role, url } = await givenRole(world);
    await grantPrivileges(world.databaseUrl, { functionsRole: role });
    const examined = async () => (await examine(url, { PROJECTION: 'worker' })).of('role');
    expect(await examined()).toEqual({ name: 'role', status: 'ok', message: `${role} may read, append` });

    for (const [revoked, status, finding] of [
      ['DELETE ON connector_replica_link', 'warn', 'not write connector_replica_link'],
      ['SELECT ON drift_sample, clock_usage_forecast', 'warn', 'not read drift_sample, clock_usage_forecast'],
      ['SELECT ON exchange_clock', 'fail', `${role} may append`],
    ] as const) {
      await world.sql(`REVOKE ${revoked} FROM ${role}`);
      expect(await examined()).toMatchObject({
        status,
        message: expect.stringContaining(finding),
        remedy: expect.stringContaining(`migrate --functions-role ${role}`),
      });
    }
  });

  it('says of tables that it may not see whom to ask for what, and no other release', async () => {
    const world = await givenWorld();
    const refused = await examine((await givenRole(world)).url);
    expect(refused).toMatchObject({ code: 1 });
    expect(refused.of('tables')).toMatchObject({
      status: 'fail',
      message: expect.stringContaining('permission denied for table connector_state_migration'),
      remedy: expect.stringContaining('migrate --functions-role'),
    });

    const full = await examine((await givenRole(world, 'CONNECTION LIMIT 1')).url);
    expect(full.of('tables')).toMatchObject({
      status: 'fail',
      message: expect.stringContaining('too many connections'),
      remedy: expect.stringContaining('CONNECTION LIMIT'),
    });
  });
});

it('finds a login that is bound to one user as it should be, where a worker projects', async () => {
  const world = await givenWorld();
  const { role, url } = await givenRole(world);
  const bound = await cli(['tenants', 'bind', '--login', role, '--user', 'alice'], {
    env: { DATABASE_URL: world.databaseUrl },
  });
  expect(bound).toMatchObject({ code: 0 });
  closing({
    close: async () => {
      await cli(['tenants', 'unbind', '--login', role], { env: { DATABASE_URL: world.databaseUrl } });
    },
  });

  const inline = await examine(url);
  expect(inline.of('role')).toMatchObject({
    status: 'fail',
    remedy: expect.not.stringContaining('--worker-role'),
  });

  const { code, of } = await examine(url, { PROJECTION: 'worker' });
  expect(code).toBe(0);
  expect(of('role')).toMatchObject({ status: 'ok' });
  expect(of('rehearsal')).toMatchObject({ status: 'ok' });
  expect(of('shared tier')).toMatchObject({ status: 'ok', message: expect.stringContaining('all users') });
  const refused = await cli(['stats'], { env: { DATABASE_URL: url } });
  expect(refused).toMatchObject({ code: 3, stderr: expect.stringContaining('`tenants bind`') });
});

it('asks the exchanges that are named whether they can be reached from here', async () => {
  const world = await givenWorld({ knobs: { skewMs: 21_000 } });
  const asked = [`BYBIT=${world.simulator.bybitUrl}`, 'BINGX=http://127.0.0.1:9', 'MTGOX'];
  const result = await cli(['doctor', '--json', '--exchange', ...asked], {
    env: { DATABASE_URL: world.databaseUrl },
  });
  const { checks } = json(result) as unknown as Found;
  const of = (name: string) => checks.find(check => check.name === `exchange ${name}`);
  expect(result.code).toBe(1);
  expect(of('BYBIT')).toMatchObject({
    status: 'ok',
    message: expect.stringMatching(/^127\.0\.0\.1:\d+ answers in \d+ ms; its clock is 2\d{4}\.\d ± /),
  });
  expect(of('BINGX')).toMatchObject({ status: 'fail', remedy: expect.stringContaining('firewall') });
  expect(of('MTGOX')).toMatchObject({ status: 'fail', remedy: expect.stringContaining('--exchange') });
});

it('`keys` of a role that may not make any says who may', async () => {
  const world = await givenWorld();
  const { role, url } = await givenRole(world);
  await world.sql(`GRANT SELECT ON ALL TABLES IN SCHEMA public TO ${role}`);
  const env = { DATABASE_URL: url };

  const made = await cli(['keys', 'create', '--name', 'x', '--role', 'reader'], { env });

  expect(made.code).not.toBe(0);
  expect(made.stderr).toContain('by the owner of the tables');
  expect(made.stderr).toContain('permission denied for table connector_api_key');
  expect(made.stderr).not.toContain('--functions-role');
});
