/** The whole product over an event store of its own that can be lost. */

import { randomUUID } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { measuredFromSample } from '../../src/cache/measurement.js';
import { createPostgresEventStore } from '../../src/event-store/postgres/index.js';
import type { ConnectorRef } from '../../src/index.js';
import { pg } from '../../src/postgres/driver.js';
import { createTestDatabase } from '../support/database.js';
import { startTcpProxy } from '../support/tcp-proxy.js';
import { closing, eventually, givenWorld, type Process } from '../support/world.js';

const REF: ConnectorRef = {
  userId: 'user123',
  credentialId: 'cred456',
  exchange: 'BYBIT',
  environment: 'TESTNET',
};

async function givenRemote({ migrated = true } = {}) {
  const far = await createTestDatabase({ migrated });
  closing({ close: () => far.drop() });
  const proxy = closing(await startTcpProxy(far.url));
  const world = await givenWorld();
  const pool = new pg.Pool({ connectionString: far.url });
  closing({ close: () => pool.end() });
  const remote = createPostgresEventStore({ pool });
  const process = (options = {}) => world.process({ eventStoreUrl: proxy.url, ...options });
  return { world, proxy, remote, process };
}

function sync({ cache }: Process, ref = REF) {
  const now = cache.clock.now();
  const sample = { sentAtMs: now - 10, receivedAtMs: now, serverTimeMs: now + 140 };
  return cache.set(ref, measuredFromSample(sample, undefined, cache.clock, cache.ttl), 'warm-up');
}

describe('with an event store of its own', () => {
  it('facts go there and are projected here', async () => {
    const { world, remote, process } = await givenRemote();
    const here = await process();
    sync(here);

    const { ok, position } = await here.flush();

    expect({ ok, position }).toEqual({ ok: true, position: expect.stringMatching(/^pg\//) });
    expect(await remote.readAll({ limit: 10 })).toHaveLength(1);
    expect(await world.sql('SELECT count(*)::int FROM connector_event')).toEqual([{ count: 0 }]);
    expect(await world.sql('SELECT count(*)::int FROM connector_state_cache')).toEqual([{ count: 1 }]);
  });

  it('makes its tables when they are missing', async () => {
    const { remote, process } = await givenRemote({ migrated: false });
    const here = await process();
    sync(here);

    expect(await here.flush()).toMatchObject({ ok: true, position: expect.any(String) });

    expect(await remote.readAll({ limit: 10 })).toHaveLength(1);
  });

  it('that cannot be reached: inits and flushes go on, facts wait, and arrive by themselves', async () => {
    const { world, proxy, remote, process } = await givenRemote();
    const here = await process();
    sync(here);
    await here.flush();
    await proxy.refuse();

    const connector = world.connector(here, 'BYBIT', { userId: 'during', credentialId: 'outage' });
    await connector.initialize();
    expect(await here.flush()).toMatchObject({ ok: true, pending: 0, waiting: expect.any(Number) });
    // Nobody has been told but this process.
    expect(await world.sql(`SELECT FROM connector_state_cache WHERE user_id = 'during'`)).toEqual([]);

    await proxy.recover();

    await eventually(async () => {
      expect(
        await world.sql(`SELECT user_id FROM connector_state_cache WHERE user_id = 'during'`),
      ).toHaveLength(1);
      expect(await world.sql('SELECT count(*)::int FROM connector_outbox')).toEqual([{ count: 0 }]);
    });
    const stored = await remote.readAll({ limit: 100 });
    expect(new Set(stored.map(({ id }) => id)).size).toBe(stored.length);
    expect((await (await here.projector()).verify()).equal).toBe(true);
  });

  it('that cannot be reached at the start: a process starts, and nothing is lost when it ends', async () => {
    const { proxy, remote, process } = await givenRemote();
    await proxy.refuse();
    const first = await process();
    sync(first);
    await first.close();
    await proxy.recover();

    const second = await process();
    sync(second, { ...REF, userId: randomUUID() });
    await eventually(async () => {
      expect(await second.flush()).toMatchObject({ ok: true });
      expect(await remote.readAll({ limit: 10 })).toHaveLength(2);
    });
  });

  it('where a worker runs, functions leave the outbox to it', async () => {
    const { world, proxy, remote, process } = await givenRemote();
    const here = await process({ projection: 'worker' });
    await proxy.refuse();
    sync(here);
    await here.flush();
    await proxy.recover();
    sync(here);
    expect(await here.flush()).toMatchObject({ ok: true, waiting: 1 });
    // What waits is part of the audit trail already.
    expect(await here.cache.history(REF.userId, REF.credentialId)).toHaveLength(2);
    expect(await here.cache.stateAt(REF.userId, REF.credentialId, Date.now() + 60_000)).toMatchObject({
      isUsable: true,
    });

    const worker = await process({ projection: 'worker' });
    const relay = await worker.relay();
    relay?.start();

    await eventually(async () =>
      expect(await world.sql('SELECT count(*)::int FROM connector_outbox')).toEqual([{ count: 0 }]),
    );
    expect(await remote.readAll({ limit: 10 })).toHaveLength(2);
    expect(relay?.counters).toMatchObject({ forwarded: 2 });
  });
});

describe('without one', () => {
  it('there is no relay', async () => {
    const world = await givenWorld();
    const here = await world.process();
    expect(await here.relay()).toBeUndefined();
  });
});

describe('an event store of another kind than the read tables came from', () => {
  it('is refused by the projector with the remedy, and nothing is misread', async () => {
    const { world, process } = await givenRemote();
    const here = await process();
    sync(here);
    await here.flush();
    await world.sql(`UPDATE projection_checkpoint SET position = 'esdb/7/7'`);
    const projector = await here.projector();

    const refusal = {
      code: 'PROJECTION_FAILED',
      message: expect.stringContaining('connector-state rebuild'),
    };
    await expect(projector.catchUp()).rejects.toMatchObject(refusal);
    await expect(projector.lag()).rejects.toMatchObject(refusal);
    await expect(projector.run({ signal: new AbortController().signal })).rejects.toMatchObject(refusal);
    await projector.rebuild();

    expect(await projector.catchUp()).toMatchObject({ caughtUp: true });
  });
});

describe('a wrong EVENT_STORE_URL', () => {
  it.each([
    ['mysql://root:hunter2@db/x', /eventStoreUrl must be a URL like postgres:.* or esdb:/],
    ['esdb://', /eventStoreUrl must be a URL like/],
    ['esdb://admin:hunter2@localhost:2113?tls=false', /tls=false with a user and password/],
    ['esdb://localhost:2113?tlsVerifyCert=maybe', /tlsVerifyCert/],
  ])(
    'is refused at the start, in one sentence and without its password: %s',
    async (eventStoreUrl, sentence) => {
      const world = await givenWorld();
      const starting = world.process({ eventStoreUrl });

      await expect(starting).rejects.toMatchObject({
        code: 'INVALID_SETTINGS',
        message: expect.stringMatching(sentence),
      });
      await expect(starting).rejects.toMatchObject({ message: expect.not.stringContaining('hunter2') });
    },
  );
});
