/** Logins are bound, listed and let go by command, each with its exit code. */
import { expect, test } from '@jest/globals';
import { createTestDatabase } from '../support/database.js';
import { testRoles } from '../support/tenants.js';
import { cli, json } from './support.js';

test('tenants: bind, list, what a login holds too much, unbind, and what is refused', async () => {
  const database = await createTestDatabase();
  const roles = testRoles(database.url);
  const env = { DATABASE_URL: database.url };
  const run = (...args: string[]) => cli(['tenants', ...args], { env });
  try {
    const login = await roles.create('alice');
    expect(await run('list')).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^No tenants: row-level security is off/),
    });
    expect(await run('bind', '--login', login)).toMatchObject({ code: 2 });
    expect(await run('bind', '--login', 'nobody_here', '--user', 'alice')).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/role "nobody_here" does not exist: create it first/),
    });
    expect(await run('bind', '--login', login, '--user', 'alice')).toMatchObject({ code: 0 });
    expect(json(await run('list', '--json'))).toMatchObject({
      tenants: [{ login, userId: 'alice', problems: [] }],
    });
    await roles.owner(`GRANT SELECT ON cache_usage TO "${login.replaceAll('"', '""')}"`);
    expect(await run('list')).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/is not held to its user: .* may SELECT cache_usage/),
    });
    expect(await run('unbind', '--login', login, '--user', 'alice')).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/tenants unbind takes no --user: it is an option of `tenants bind`/),
    });
    expect(await run('unbind', '--login', login)).toMatchObject({ code: 0 });
    expect(await run('unbind', '--login', login)).toMatchObject({ code: 4 });

    const esdb = await cli(['tenants', 'bind', '--login', login, '--user', 'alice'], {
      env: { ...env, EVENT_STORE_URL: 'esdb://127.0.0.1:1?tls=false' },
    });
    expect(esdb).toMatchObject({ code: 2 });
  } finally {
    await roles.drop();
    await database.drop();
  }
});
