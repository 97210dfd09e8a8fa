/** Reading one's own writes in another process: `get(…, { atLeast })`. */

import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { describe, expect, it } from '@jest/globals';
import type { Pool } from 'pg';
import type { MeasuredOffset } from '../../src/cache/measurement.js';
import { untilReached } from '../../src/cache/reached.js';
import { fixedTtl } from '../../src/clock/ttl.js';
import type { Position } from '../../src/events/event.js';
import type { ConnectorRef, ConnectorStateCacheService } from '../../src/index.js';
import { pg } from '../../src/postgres/driver.js';
import { lookup } from '../../src/read-model/lookup.js';
import { createTestDatabase } from '../support/database.js';
import { startTcpProxy } from '../support/tcp-proxy.js';
import { closing, givenWorld, type Process, SIMULATOR_SCOPE } from '../support/world.js';

const REF: ConnectorRef = {
  userId: 'user123',
  credentialId: 'cred456',
  exchange: 'BYBIT',
  environment: 'TESTNET',
  scope: SIMULATOR_SCOPE,
};

async function measured(cache: ConnectorStateCacheService, agoMs = 0): Promise<MeasuredOffset> {
  const lookup = await cache.refresh(REF);
  const link = lookup.hit ? lookup.state.link : lookup.link;
  if (!link) throw new Error('no database');
  const atMs = Math.round(cache.clock.now() + link.offsetMs - agoMs);
  return {
    syncId: randomUUID(),
    estimate: { offsetMs: 145, uncertaintyMs: 10, atMs },
    link,
    roundTripMs: 20,
    samples: 1,
    ttl: fixedTtl(900_000),
  };
}

/** Two processes that append and look up, and nobody who projects but the test. */
async function givenTwo(lookupDeadlineMs = 10_000) {
  const world = await givenWorld();
  const here = await world.process({ projection: 'worker' });
  const there = await world.process({ projection: 'worker', lookupDeadlineMs });
  const project = async () => (await here.projector()).catchUp();
  const record = async (process: Process, agoMs = 0) => {
    const { syncId } = process.cache.set(REF, await measured(process.cache, agoMs), 'warm-up');
    const { position } = await process.flush();
    if (!position) throw new Error('nothing was stored');
    return { syncId, position };
  };
  return { world, here, there, project, record };
}

describe('a lookup that asks for a position', () => {
  it('waits until the read model has reached it', async () => {
    const { here, there, project, record } = await givenTwo();
    const { syncId, position } = await record(here);

    const asked = there.cache.get(REF, { atLeast: position });
    await pause(50);
    await project();

    const lookup = await asked;
    expect(lookup).toMatchObject({ hit: true, tier: 'postgres', state: { syncId } });
    expect(lookup).not.toHaveProperty('behind');
  });

  it('goes past the memory tier, which knows an older state', async () => {
    const { here, there, project, record } = await givenTwo();
    const first = await record(here, 60_000);
    await project();
    expect(await there.cache.get(REF)).toMatchObject({ state: { syncId: first.syncId } });
    const second = await record(here);
    await project();

    expect(await there.cache.get(REF)).toMatchObject({ tier: 'memory', state: { syncId: first.syncId } });
    expect(await there.cache.get(REF, { atLeast: second.position })).toMatchObject({
      tier: 'postgres',
      state: { syncId: second.syncId },
    });
    expect(await there.cache.get(REF)).toMatchObject({ tier: 'memory', state: { syncId: second.syncId } });
  });

  it('sees a condemnation that the memory tier has not heard of, and forgets what it condemned', async () => {
    const { here, there, project, record } = await givenTwo();
    await record(here);
    await project();
    const lookup = await there.cache.get(REF);
    if (!lookup.hit) throw new Error('expected a hit');
    here.cache.condemn(REF, lookup.state, 'manual', 'test');
    const { position } = await here.flush();
    await project();

    expect(await there.cache.get(REF)).toMatchObject({ hit: true });
    expect(await there.cache.get(REF, { atLeast: position })).toMatchObject({
      hit: false,
      reason: 'invalid',
    });
    expect(await there.cache.get(REF)).toMatchObject({ hit: false, reason: 'invalid' });
  });

  it('keeps what this process itself recorded and nobody else knows of yet', async () => {
    const { here, there, project, record } = await givenTwo();
    const { position } = await record(here, 60_000);
    await project();
    const own = there.cache.set(REF, await measured(there.cache), 'warm-up');

    expect(await there.cache.get(REF, { atLeast: position })).toMatchObject({
      hit: true,
      tier: 'memory',
      state: { syncId: own.syncId },
    });
  });

  it('ends with its deadline, and says that the answer is an older one', async () => {
    const { here, there, project, record } = await givenTwo(300);
    const first = await record(here, 60_000);
    await project();
    const second = await record(here);

    const lookup = await there.cache.get(REF, { atLeast: second.position });

    expect(lookup).toMatchObject({ hit: true, behind: true, state: { syncId: first.syncId } });
    const other = { ...REF, credentialId: 'other' };
    expect(await there.cache.get(other, { atLeast: second.position })).toMatchObject({
      hit: false,
      reason: 'absent',
      behind: true,
    });
  });

  it('is a miss that says so when the database cannot be asked', async () => {
    const { world, here, record } = await givenTwo();
    const { position } = await record(here);
    const proxy = await world.proxy();
    const cut = await world.process({ databaseUrl: proxy.url, projection: 'worker', lookupDeadlineMs: 200 });
    await proxy.refuse();

    expect(await cut.cache.get(REF, { atLeast: position })).toMatchObject({ hit: false, behind: true });
  });

  it('many in one query, each as far', async () => {
    const { here, there, project, record } = await givenTwo();
    const { syncId, position } = await record(here);
    await project();

    const lookups = await there.cache.getMany([REF, { ...REF, userId: 'nobody' }], { atLeast: position });

    expect(lookups).toMatchObject([
      { hit: true, state: { syncId } },
      { hit: false, reason: 'absent' },
    ]);
  });

  it('takes the token of a flush, and tells a log that is another one from a read model that is far enough', async () => {
    const { world, here, there, project, record } = await givenTwo(300);
    const { syncId } = await record(here);
    await project();
    here.cache.recordSyncFailure(REF, { trigger: 'absent', failureClass: 'timeout', durationMs: 1 });
    const { token, position } = await here.flush();
    await project();
    expect(token).toMatch(/^1\.-\.pg\/\d+\.[0-9a-f]{16}$/);
    const seen = { hit: true, state: { syncId } };
    const get = (atLeast: string | undefined) => there.cache.get(REF, { atLeast });
    expect(await get(token)).not.toHaveProperty('behind');
    expect(await get(token)).toMatchObject(seen);

    // Restored to before that event; and then grown again, by another event.
    await world.sql(`ALTER TABLE connector_event_kept DISABLE TRIGGER USER`);
    await world.sql(`DELETE FROM connector_event_kept WHERE position = $1`, [position?.split('/')[1]]);
    expect(await get(token)).toMatchObject({ ...seen, behind: true });
    expect(await get(position)).toMatchObject({ ...seen, behind: true });
    await record(here);
    await world.sql(`UPDATE connector_event_kept SET position = $1 WHERE position > $1`, [
      position?.split('/')[1],
    ]);
    expect(await get(token)).toMatchObject({ ...seen, behind: true });
    // All that a position can tell.
    expect(await get(position)).not.toHaveProperty('behind');
  });

  it('takes a token at a hit that has been forgotten since', async () => {
    const { world, here, there, project, record } = await givenTwo(300);
    await record(here);
    await here.cache.get(REF);
    const { token, position } = await here.flush();
    await record(here);
    await project();
    await world.sql(
      'ALTER TABLE connector_event_hits DISABLE TRIGGER USER; DELETE FROM connector_event_hits',
    );

    expect(token).toBe(`${token?.split('.').slice(0, 4).join('.')}.h`);
    expect(token).toContain(position);
    expect(await there.cache.get(REF, { atLeast: token })).not.toHaveProperty('behind');
  });

  it('asks an event store of its own, and says behind while that cannot be asked', async () => {
    const { world } = await givenTwo();
    const events = await createTestDatabase();
    closing({ close: () => events.drop() });
    const proxy = closing(await startTcpProxy(events.url));
    const options = { projection: 'worker', eventStoreUrl: proxy.url, lookupDeadlineMs: 2_000 } as const;
    const [here, there] = [await world.process(options), await world.process(options)];
    here.cache.set(REF, await measured(here.cache), 'warm-up');
    const { token } = await here.flush();
    await (await here.projector()).catchUp();
    expect(token).toMatch(/^1\./);
    const get = (atLeast: string | undefined) => there.cache.get(REF, { atLeast });

    expect(await get(token)).not.toHaveProperty('behind');
    expect(await get(`${token?.slice(0, -1)}${token?.endsWith('0') ? '1' : '0'}`)).toHaveProperty(
      'behind',
      true,
    );
    await proxy.refuse();
    expect(await get(token)).toMatchObject({ hit: true, behind: true });
  });

  it.each(['1.-.-.-', '1.x', '2.-.pg/1.0123456789abcdef', 'esdb/1/1', 'pg/', 'pg/0', 'latest', 'waiting/1'])(
    'refuses %s, no position of this store',
    async position => {
      const { there } = await givenTwo();

      await expect(there.cache.get(REF, { atLeast: position as Position })).rejects.toMatchObject({
        code: 'INVALID_INPUT',
      });
    },
  );

  it('costs the others nothing: only then the statement reads the checkpoint', async () => {
    const { world } = await givenTwo();
    const pool = closing(Object.assign(new pg.Pool({ connectionString: world.databaseUrl }), { close }));
    const statements: { name: string; readsCheckpoint: boolean }[] = [];
    const client = await pool.connect();
    const query = client.query.bind(client) as (config: { name: string; text: string }) => unknown;
    Object.assign(client, {
      query(config: { name: string; text: string }) {
        statements.push({
          name: config.name,
          readsCheckpoint: config.text.includes('projection_checkpoint'),
        });
        return query(config);
      },
    });
    client.release();
    const options = {
      namedStatements: true,
      now: () => 0,
      wall: () => 0,
      signal: new AbortController().signal,
    };
    const key = { cacheKey: 'a_b', exchange: 'BYBIT', environment: 'TESTNET' } as const;

    expect(await lookup(pool, [key, key], options)).toMatchObject({ checkpoint: undefined });
    await lookup(pool, [key, { ...key, at: { inLog: '1' } }], options);

    expect(statements).toEqual([
      { name: expect.stringMatching(/^connector_state_lookup_[0-9a-f]{12}$/), readsCheckpoint: false },
      { name: expect.stringMatching(/^connector_state_lookup_at_[0-9a-f]{12}$/), readsCheckpoint: true },
    ]);
  });
});

function close(this: Pool) {
  return this.end();
}

describe('without it', () => {
  it('what a process recorded is visible to itself at once, stored or not', async () => {
    const { here, there } = await givenTwo();
    const first = here.cache.set(REF, await measured(here.cache, 60_000), 'warm-up');
    expect(await here.cache.get(REF)).toMatchObject({ hit: true, state: { syncId: first.syncId } });
    const second = here.cache.set(REF, await measured(here.cache), 'warm-up');
    expect(await here.cache.get(REF)).toMatchObject({ hit: true, state: { syncId: second.syncId } });

    here.cache.condemn(REF, second, 'manual', 'test');
    expect(await here.cache.get(REF)).toMatchObject({ hit: false });

    expect(await there.cache.get(REF)).toMatchObject({ hit: false, reason: 'absent' });
  });

  it('and another connector of this process starts from what this one measured', async () => {
    const { here } = await givenTwo();
    const { syncId } = here.cache.set(REF, await measured(here.cache), 'warm-up');

    expect(await here.cache.get({ ...REF, credentialId: 'other' })).toMatchObject({
      hit: false,
      exchangeClock: { syncId, basis: 'exchange-clock' },
    });
  });
});

describe('untilReached', () => {
  it('asks again until the answer is far enough', async () => {
    let asked = 0;
    const result = await untilReached(
      async () => ++asked,
      answer => answer >= 4,
      10_000,
    );
    expect(result).toEqual({ answer: 4, reached: true });
  });

  it('ends with the last answer when the time is up, also when nobody answers any more', async () => {
    let asked = 0;
    const ask = () => (asked++ === 0 ? Promise.resolve('old') : new Promise<string>(() => undefined));
    expect(await untilReached(ask, () => false, 50)).toEqual({ answer: 'old', reached: false });
  });

  it('keeps the last answer when asking fails later, and throws when it fails at first', async () => {
    let asked = 0;
    const ask = async () => {
      if (asked++ > 0) throw new Error('gone');
      return 'old';
    };
    expect(await untilReached(ask, () => false, 10_000)).toEqual({ answer: 'old', reached: false });
    await expect(untilReached(ask, () => false, 10_000)).rejects.toThrow('gone');
  });
});
