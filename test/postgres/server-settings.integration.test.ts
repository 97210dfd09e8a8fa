/**
 * Whatever a database, a role, another client of a pooler or another library of the process has set: facts are stored, and
 * live equals rebuilt.
 */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { silentLogger } from '../../src/base/logging.js';
import { createOutboxTable } from '../../src/event-store/outbox/index.js';
import { serialiseEvent } from '../../src/event-store/serialise.js';
import { pg } from '../../src/postgres/driver.js';
import { createPool } from '../../src/postgres/pool.js';
import { id, synced } from '../support/facts.js';
import { closing, givenWorld, type World } from '../support/world.js';

const set = (world: World, setting: string, value: string) =>
  world.sql(`ALTER DATABASE "${new URL(world.databaseUrl).pathname.slice(1)}" SET ${setting} = ${value}`);

describe.each([
  ['default_transaction_isolation', "'repeatable read'"],
  ['default_transaction_isolation', 'serializable'],
  ['default_transaction_read_only', 'on'],
  ['extra_float_digits', '0'],
  ['extra_float_digits', '-15'],
  ['array_nulls', 'off'],
  ['statement_timeout', "'50ms'"],
  ['lock_timeout', "'1ms'"],
  ['idle_in_transaction_session_timeout', "'100ms'"],
  ['DateStyle', "'SQL, DMY'"],
  ['TimeZone', "'Pacific/Chatham'"],
  ['standard_conforming_strings', 'off'],
  ['client_encoding', "'LATIN1'"],
])('a database with %s = %s', (setting, value) => {
  it('is used as any other', async () => {
    const world = await givenWorld();
    await set(world, setting, value);
    const process = await world.process();

    for (let n = 0; n < 3; n++) {
      await world.connector(process, 'BYBIT', { userId: `u${n}` }).initialize();
      await world.connector(process, 'BINGX', { userId: `v${n}` }).initialize();
      expect(await process.flush()).toMatchObject({ ok: true, pending: 0 });
    }

    await process.cache.invalidate('u1', 'cred456');

    const projector = await process.projector();
    expect(await projector.deadLetters()).toEqual([]);
    expect(await projector.verify()).toMatchObject({ equal: true });
    // An id that there is not is none.
    const events = await (await process.store()).readAll({ limit: 1_000 });
    expect(events.some(({ causationId }) => causationId === undefined)).toBe(true);
    expect(events.filter(event => event.correlationId === 'NULL' || event.causationId === 'NULL')).toEqual(
      [],
    );
    const fresh = await world.process();
    const { ref } = world.connector(fresh, 'BYBIT', { userId: 'u0' });
    expect(await fresh.cache.get(ref)).toMatchObject({ hit: true });
  });

  it('takes what has to wait in the outbox', async () => {
    const world = await givenWorld();
    await set(world, setting, value);
    const pool = createPool({ connectionString: world.databaseUrl, max: 2, log: silentLogger });
    closing({ close: () => pool.end() });
    const outbox = createOutboxTable(pool, true);

    expect(await outbox.add([serialiseEvent({ ...synced(), id: id(1) })], { onlyBehind: false })).toBe(true);
    expect(await outbox.status()).toMatchObject({ waiting: 1 });
  });
});

it('the outbox is never asked under a snapshot older than its lock', async () => {
  const world = await givenWorld();

  await expect(
    world.sql(`BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT connector_outbox_add('[]', false, 1000)`),
  ).rejects.toMatchObject({ code: '25000' });
  await world.sql('ROLLBACK');
});

describe('a process in which another library has changed how pg reads', () => {
  const INT8 = 20;
  const JSON_TYPES = [114, 3802] as const;
  const before = new Map([INT8, ...JSON_TYPES].map(oid => [oid, pg.types.getTypeParser(oid)]));
  const parseBy = (oid: number, parse: (text: string) => unknown) =>
    pg.types.setTypeParser(oid as never, parse);
  const digitsAsBigInt = (text: string): unknown =>
    JSON.parse(text, (_, value) => (/^\d{16,}$/.test(value) ? BigInt(value) : value));

  beforeAll(() => {
    parseBy(INT8, BigInt);
    for (const oid of JSON_TYPES) parseBy(oid, digitsAsBigInt);
  });
  afterAll(() => {
    for (const [oid, parse] of before) parseBy(oid, parse);
  });

  it('keeps an id of nothing but digits as it is', async () => {
    const userId = '0001811209385128345600';
    const world = await givenWorld();
    const process = await world.process();
    const connector = world.connector(process, 'BYBIT', { userId });
    await connector.initialize();
    expect(await process.flush()).toMatchObject({ ok: true, pending: 0 });

    const [first] = await process.cache.history(connector.ref);
    expect(first?.data).toMatchObject({ userId });
    const projector = await process.projector();
    expect(await projector.deadLetters()).toEqual([]);
    expect(await projector.verify()).toMatchObject({ equal: true });
    expect(await (await world.process()).cache.get(connector.ref)).toMatchObject({ hit: true });
  });
});
