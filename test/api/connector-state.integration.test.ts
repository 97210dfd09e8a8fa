/** The composition root: two databases, a worker that projects, functions that may not migrate. */
import { describe, expect, it } from '@jest/globals';
import { pg } from '../../src/postgres/driver.js';
import { createTestDatabase } from '../support/database.js';
import { closing, eventually, givenWorld } from '../support/world.js';

async function count(url: string, table: string): Promise<number> {
  const client = new pg.Client({ connectionString: url, application_name: 'test' });
  await client.connect();
  try {
    return (await client.query(`SELECT count(*)::int AS n FROM ${table}`)).rows[0].n;
  } finally {
    await client.end();
  }
}

describe('createConnectorState', () => {
  it('keeps the events in a database of their own when it is told to', async () => {
    const world = await givenWorld();
    const events = await createTestDatabase({ migrated: false });
    closing({ close: () => events.drop() });

    const process = await world.process({ eventStoreUrl: events.url });
    await world.connector(process, 'BYBIT').initialize();
    expect(await process.flush()).toMatchObject({ ok: true });

    expect(await count(world.databaseUrl, 'connector_state_cache')).toBe(1);
    expect(await count(world.databaseUrl, 'connector_event')).toBe(0);
    expect(await count(events.url, 'connector_event')).toBeGreaterThan(0);
    expect(await count(events.url, 'connector_state_cache')).toBe(0);
    expect(await process.cache.history('user123', 'cred456')).not.toHaveLength(0);
    const next = await world.process({ eventStoreUrl: events.url });
    expect(await world.connector(next, 'BYBIT').initialize()).toMatchObject({ tier: 'postgres' });
  });

  it('leaves projecting to a worker when there is one', async () => {
    const world = await givenWorld();
    const process = await world.process({ projection: 'worker' });
    await world.connector(process, 'BYBIT').initialize();
    await process.flush();
    expect(await count(world.databaseUrl, 'connector_event')).toBeGreaterThan(0);
    expect(await count(world.databaseUrl, 'connector_state_cache')).toBe(0);
    // What it recorded itself it knows all the same.
    expect(await world.connector(process, 'BYBIT').initialize()).toMatchObject({ tier: 'memory' });
    expect(await world.connector(process, 'BYBIT', { userId: 'b' }).initialize()).toMatchObject({
      tier: 'exchange-clock',
    });

    const worker = await world.process();
    await (await worker.projector()).catchUp();

    expect(await count(world.databaseUrl, 'connector_state_cache')).toBe(1);
  });

  it('flushes by itself, without being asked to', async () => {
    const world = await givenWorld();
    const process = await world.process({ flushIntervalMs: 1 });
    await world.connector(process, 'BYBIT').initialize();
    await eventually(async () => expect(await count(world.databaseUrl, 'connector_state_cache')).toBe(1));
  });

  it('makes the tables when many processes start at once on an empty database', async () => {
    const world = await givenWorld();
    const empty = await createTestDatabase({ migrated: false });
    closing({ close: () => empty.drop() });
    const processes = await Promise.all([1, 2, 3].map(() => world.process({ databaseUrl: empty.url })));
    await Promise.all(
      processes.map((process, i) => world.connector(process, 'BYBIT', { userId: `u${i}` }).initialize()),
    );
    expect(await Promise.all(processes.map(process => process.flush()))).toMatchObject(
      Array(3).fill({ ok: true }),
    );
    expect(await count(empty.url, 'connector_state_cache')).toBe(3);
  });

  it('rejects bad settings before it touches anything', async () => {
    const world = await givenWorld();
    await expect(world.process({ poolSize: 0, ttlMs: 1 })).rejects.toMatchObject({
      code: 'INVALID_SETTINGS',
      problems: [expect.stringContaining('poolSize'), expect.stringContaining('ttlMs')],
    });
  });
});
