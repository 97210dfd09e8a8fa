/** Functions of two tenants that connect to one database by logins of their own: all works for each, and nothing of the other. */
import { expect, it } from '@jest/globals';
import { silentLogger } from '../../src/base/logging.js';
import { createOutboxTable } from '../../src/event-store/outbox/index.js';
import { serialiseEvent } from '../../src/event-store/serialise.js';
import { createPool } from '../../src/postgres/pool.js';
import { grantPrivileges } from '../../src/read-model/grants.js';
import { bindTenant } from '../../src/read-model/tenants.js';
import { hit } from '../support/facts.js';
import { testRoles } from '../support/tenants.js';
import { closing, givenWorld, type Process, type World } from '../support/world.js';

interface Tenant {
  readonly process: Process;
  readonly url: string;
}

async function given(): Promise<{
  world: World;
  tenant(userId: string): Promise<Tenant>;
  project(): Promise<void>;
}> {
  const world = await givenWorld();
  const roles = testRoles(world.databaseUrl);
  closing({ close: () => roles.drop() });
  const worker = await roles.create('worker');
  await grantPrivileges(world.databaseUrl, { workerRole: worker });
  let working: Process | undefined;
  return {
    world,
    async tenant(userId) {
      const login = await roles.create(userId);
      await bindTenant(world.databaseUrl, { login, userId });
      const url = roles.urlOf(login);
      const settings = { databaseUrl: url, projection: 'worker', autoMigrate: false } as const;
      return { url, process: await world.process(settings) };
    },
    async project() {
      working ??= await world.process({ databaseUrl: roles.urlOf(worker), autoMigrate: false });
      await (await working.projector()).catchUp();
    },
  };
}

const refOf = (userId: string) =>
  ({ userId, credentialId: 'main', exchange: 'BYBIT', environment: 'TESTNET', scope: 'simulator' }) as const;

it('gives each its states, hits, history, explanation and own answers, and of the other a miss', async () => {
  const { world, tenant, project } = await given();
  const [alice, bob] = [await tenant('alice'), await tenant('bob')];
  for (const [userId, { process }] of [
    ['alice', alice],
    ['bob', bob],
  ] as const) {
    const { cacheHit } = await world
      .connector(process, 'BYBIT', { userId, credentialId: 'main' })
      .initialize();
    expect(cacheHit).toBe(false);
    expect(await process.flush()).toMatchObject({ ok: true, lost: 0 });
  }
  await project();
  expect(await world.sql('SELECT user_id FROM connector_state_cache ORDER BY 1')).toEqual([
    { user_id: 'alice' },
    { user_id: 'bob' },
  ]);

  // A process of the same login that knows nothing yet.
  const cold = await world.process({ databaseUrl: alice.url, projection: 'worker', autoMigrate: false });
  const [own, others] = await cold.cache.getMany([refOf('alice'), refOf('bob')]);
  expect(own).toMatchObject({ hit: true, tier: 'postgres' });
  expect(others).toMatchObject({ hit: false, reason: 'absent' });
  expect(await cold.cache.get(refOf('bob'))).toMatchObject({ hit: false, reason: 'absent' });
  const flushed = await cold.flush();
  expect(flushed).toMatchObject({ ok: true });
  expect(await cold.cache.get(refOf('alice'), { atLeast: flushed.position as never })).toBeDefined();

  const history = await cold.cache.history(refOf('alice'));
  expect(history.map(({ type }) => type)).toEqual(
    expect.arrayContaining(['ConnectorSynced', 'ConnectorStateHit']),
  );
  expect(await cold.cache.history(refOf('bob'))).toEqual([]);
  expect(await cold.cache.stateAt(refOf('alice'), Date.now() + 60_000)).toBeDefined();
  expect(await cold.cache.stateAt(refOf('bob'), Date.now() + 60_000)).toBeUndefined();
  expect(await cold.cache.explain(refOf('alice'))).toBeDefined();
  expect(await cold.cache.explain(refOf('bob'))).toBeUndefined();

  expect(await cold.cache.invalidate(refOf('bob'))).toBeUndefined();
  expect(await cold.cache.invalidate(refOf('alice'))).toMatchObject({ syncId: expect.any(String) });
  await project();
  expect(await cold.cache.get(refOf('alice'))).toMatchObject({ hit: false });
  const bobs = await world.process({ databaseUrl: bob.url, projection: 'worker', autoMigrate: false });
  expect(await bobs.cache.get(refOf('bob'))).toMatchObject({ hit: true });
});

it('drops, and says so, a fact about another’s connector, and stores its own that were recorded with it', async () => {
  const { world, tenant, project } = await given();
  const { process } = await tenant('alice');
  await world.connector(process, 'BYBIT', { userId: 'bob', credentialId: 'main' }).initialize();
  await world.connector(process, 'BYBIT', { userId: 'alice', credentialId: 'main' }).initialize();
  expect(await process.flush()).toMatchObject({ ok: false });
  expect(JSON.stringify(process.log)).not.toContain('worldSecret1');
  await project();
  expect(await world.sql('SELECT user_id FROM connector_state_cache')).toEqual([{ user_id: 'alice' }]);
  expect(await world.sql("SELECT FROM connector_event WHERE stream LIKE '%bob%'")).toEqual([]);
  // What concerns all is an operator's.
  await expect(process.cache.distrust({ host: 'machine' })).rejects.toMatchObject({
    code: expect.any(String),
  });
  await expect(process.cache.getStats()).rejects.toMatchObject({ code: 'DATABASE_REFUSED' });
});

it('shows in the outbox what waits of the user’s, and takes no other’s', async () => {
  const { world, tenant } = await given();
  const { url } = await tenant('alice');
  const pool = createPool({ connectionString: url, max: 2, log: silentLogger });
  closing({ close: () => pool.end() });
  const mine = createOutboxTable(pool, true);
  const ownersPool = createPool({ connectionString: world.databaseUrl, max: 1, log: silentLogger });
  closing({ close: () => ownersPool.end() });
  const everybodys = createOutboxTable(ownersPool, true);

  await everybodys.add([serialiseEvent(hit({ userId: 'bob' }))], { onlyBehind: false });
  expect(await mine.look([])).toMatchObject({ waits: false });
  expect(await mine.status()).toMatchObject({ waiting: 0, waitingSince: undefined });
  const own = hit({ userId: 'alice' });
  expect(await mine.add([serialiseEvent(own)], { onlyBehind: true })).toBe(false);
  expect(await mine.add([serialiseEvent(own)], { onlyBehind: false })).toBe(true);
  expect(await mine.add([serialiseEvent(hit({ userId: 'alice' }))], { onlyBehind: true })).toBe(true);
  expect(await mine.status()).toMatchObject({ waiting: 2 });
  expect((await mine.waitingOf(own.stream)).length).toBe(2);
  expect(await mine.waitingOf(hit({ userId: 'bob' }).stream)).toEqual([]);
  await expect(
    mine.add([serialiseEvent(hit({ userId: 'bob' }))], { onlyBehind: false }),
  ).rejects.toMatchObject({ code: 'INVALID_EVENT' });
  expect(await everybodys.status()).toMatchObject({ waiting: 3 });
});
