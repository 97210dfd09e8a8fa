/** The name of the server whose clock answers: where the control functions may be asked, and where not. */
import { randomBytes } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { closing, givenWorld, type World } from '../support/world.js';

/** A role that may do all in the database, as who owns nothing else. */
async function givenRole(world: World): Promise<{ role: string; url: string }> {
  const role = `tenant_${randomBytes(4).toString('hex')}`;
  await world.sql(`CREATE ROLE ${role} LOGIN PASSWORD 'x'`);
  closing({
    close: async () => {
      await world.sql(`DROP OWNED BY ${role}`);
      await world.sql(`DROP ROLE ${role}`);
    },
  });
  await world.sql(`GRANT ALL ON ALL TABLES IN SCHEMA public TO ${role}`);
  await world.sql(`GRANT ALL ON ALL FUNCTIONS IN SCHEMA public TO ${role}`);
  const url = new URL(world.databaseUrl);
  url.username = role;
  url.password = 'x';
  return { role, url: url.href };
}

const clockId = async (world: World) =>
  (await world.sql<{ id: string }>('SELECT connector_state_clock_id() AS id'))[0]?.id;

describe('the identity of the server', () => {
  it('is the cluster and the timeline that it writes', async () => {
    const world = await givenWorld();
    const [expected] = await world.sql<{ id: string }>(
      `SELECT 'pg:' || s.system_identifier || ':' || c.timeline_id AS id
         FROM pg_control_system() s, pg_control_checkpoint() c`,
    );

    expect(await clockId(world)).toBe(expected?.id);
  });

  it.each([
    ['pg_control_system()', /^pg:unknown:since-\d{16}$/],
    ['pg_control_checkpoint()', /^pg:\d+:\d+$/],
    ['pg_current_wal_lsn()', /^pg:\d+:since-\d{16}$/],
    ['pg_walfile_name(pg_lsn)', /^pg:\d+:since-\d{16}$/],
  ])('has another where %s is refused, and lookups go on', async (refused, expected) => {
    const world = await givenWorld();
    const { role, url } = await givenRole(world);
    await world.sql(`REVOKE EXECUTE ON FUNCTION ${refused} FROM PUBLIC`);
    // The function runs with its owner's rights: as on a managed service, an owner who is no superuser.
    await world.sql(`GRANT CREATE ON SCHEMA public TO ${role}`);
    await world.sql(`ALTER FUNCTION connector_state_clock_id() OWNER TO ${role}`);

    expect(await clockId(world)).toMatch(expected);

    const process = await world.process({ databaseUrl: url });
    const connector = world.connector(process, 'BYBIT');
    expect(await process.cache.get(connector.ref)).toMatchObject({ hit: false, reason: 'absent' });
    await connector.initialize();
    expect(await process.flush()).toMatchObject({ ok: true });
    const other = await world.process({ databaseUrl: url });
    expect(await other.cache.get(connector.ref)).toMatchObject({ hit: true, tier: 'postgres' });
  });

  it('is the same for every role', async () => {
    const world = await givenWorld();
    const { role } = await givenRole(world);
    await world.sql('REVOKE EXECUTE ON FUNCTION pg_control_system() FROM PUBLIC');
    const asOwner = await clockId(world);

    await world.sql(`SET ROLE ${role}`);

    expect(await clockId(world)).toBe(asOwner);
    await world.sql('RESET ROLE');
  });
});
