/** Events are facts: what the database itself holds against whoever would change them. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createPostgresEventStore } from '../../src/event-store/postgres/index.js';
import { hitsStreamOf, isForgettable, stateStreamOf } from '../../src/events/streams.js';
import { pg } from '../../src/postgres/driver.js';
import { idsOf } from '../contract/harness.js';
import { sampleConnector } from '../contract/sample-events.js';
import { APPEND_SQL, createPostgresHarness, type PostgresHarness, toSqlEvents } from './postgres-harness.js';

let harness: PostgresHarness;
beforeAll(async () => {
  harness = await createPostgresHarness();
});
afterAll(async () => {
  await harness.close();
});

const TABLES = ['connector_event', 'connector_event_kept', 'connector_event_hits'];

describe('the log', () => {
  it.each(
    TABLES.flatMap(table => [
      [`UPDATE ${table} SET host = 'someone'`],
      [`UPDATE ${table} SET host = 'someone' WHERE false`],
      [`DELETE FROM ${table}`],
      [`TRUNCATE ${table}`],
      [`TRUNCATE ${table} CASCADE`],
      [`MERGE INTO ${table} e USING (SELECT 1) one ON true WHEN MATCHED THEN UPDATE SET host = 'someone'`],
    ]),
  )('refuses its owner: %s', async sql => {
    const { store } = harness.openWith();
    const connector = sampleConnector();
    await store.append([connector.fact(), connector.hit()]);
    const owner = await harness.connect();

    await expect(owner.query(sql)).rejects.toMatchObject({
      code: '23001',
      message: expect.stringContaining('is not allowed'),
      hint: expect.stringContaining('Append an event'),
    });

    expect(await store.readStream(connector.stateStream)).toHaveLength(1);
    expect(await store.readStream(connector.hitsStream)).toHaveLength(1);
    await owner.end();
    await store.close();
  });

  it('refuses a session in replica mode too', async () => {
    const owner = await harness.connect();
    await owner.query('SET session_replication_role = replica');

    for (const table of TABLES) {
      await expect(owner.query(`DELETE FROM ${table}`)).rejects.toThrow(/is not allowed/);
    }
    await owner.end();
  });

  it('keeps each stream in the partition that its name says', async () => {
    const { store } = harness.openWith();
    const connector = sampleConnector();
    const [fact, hit] = [connector.fact(), connector.hit()];
    await store.append([fact, hit]);
    const owner = await harness.connect();

    const inPartition = async (table: string) =>
      (await owner.query(`SELECT event_id AS id FROM ${table} WHERE event_id = ANY($1)`, [[fact.id, hit.id]]))
        .rows;

    expect(await inPartition('connector_event_kept')).toEqual([{ id: fact.id }]);
    expect(await inPartition('connector_event_hits')).toEqual([{ id: hit.id }]);
    const { rows } = await owner.query(
      'SELECT stream, forgettable FROM connector_event WHERE event_id = ANY($1) ORDER BY stream',
      [[fact.id, hit.id]],
    );
    expect(rows).toEqual(
      [stateStreamOf(connector.ref), hitsStreamOf(connector.ref)]
        .map(stream => ({ stream, forgettable: isForgettable(stream) }))
        .sort((a, b) => (a.stream < b.stream ? -1 : 1)),
    );
    await owner.end();
    await store.close();
  });

  it('keeps whole milliseconds', async () => {
    const { store } = harness.openWith();
    const connector = sampleConnector();
    await store.append([connector.fact()]);
    const owner = await harness.connect();

    const { rows } = await owner.query(
      `SELECT recorded_at = date_trunc('milliseconds', recorded_at) AS recorded,
              occurred_at = '2025-11-24T16:00:00.123Z' AS occurred
       FROM connector_event WHERE stream = $1`,
      [connector.stateStream],
    );

    expect(rows).toEqual([{ recorded: true, occurred: true }]);
    await owner.end();
    await store.close();
  });
});

const APPEND_FUNCTIONS = 'connector_event_append, connector_event_append_together';

describe("an application's role", () => {
  const role = `app_${Math.random().toString(36).slice(2)}`;
  let url: string;

  beforeAll(async () => {
    const owner = await harness.connect();
    await owner.query(`
      CREATE ROLE ${role} LOGIN PASSWORD 'app';
      GRANT SELECT ON connector_event, connector_stream TO ${role};
      GRANT EXECUTE ON FUNCTION ${APPEND_FUNCTIONS} TO ${role}`);
    await owner.end();
    const asRole = new URL(harness.url);
    asRole.username = role;
    asRole.password = 'app';
    url = asRole.href;
  });
  afterAll(async () => {
    const owner = await harness.connect();
    await owner.query(`DROP OWNED BY ${role}; DROP ROLE ${role}`);
    await owner.end();
  });

  it('can append, read and follow, and nothing else', async () => {
    const pool = new pg.Pool({ connectionString: url });
    const store = createPostgresEventStore({ pool });
    const connector = sampleConnector();
    const { events, position } = await store.append([connector.fact(), connector.hit()]);

    expect(idsOf(await store.readStream(connector.stateStream))).toEqual([events[0]?.id]);
    expect(await store.head()).toBe(position);
    for (const sql of [
      'INSERT INTO connector_event SELECT * FROM connector_event',
      'INSERT INTO connector_event_kept SELECT * FROM connector_event_kept',
      `UPDATE connector_event SET host = 'x'`,
      'DELETE FROM connector_event_hits',
      'TRUNCATE connector_event',
      'UPDATE connector_stream SET version = 99',
      `SELECT nextval('connector_event_position')`,
      'ALTER TABLE connector_event DISABLE TRIGGER ALL',
    ]) {
      await expect(pool.query(sql)).rejects.toMatchObject({ code: '42501' });
    }
    await store.close();
    await pool.end();
  });

  it('cannot lead the append function to tables of its own', async () => {
    const app = await harness.connect(url);
    await app.query(`
      CREATE TEMP TABLE connector_event (LIKE public.connector_event);
      CREATE TEMP TABLE connector_stream (stream text PRIMARY KEY, version bigint);
      SET search_path = pg_temp, public`);
    const connector = sampleConnector();

    await app.query(APPEND_SQL, [toSqlEvents([connector.fact()])]);

    expect((await app.query('SELECT FROM pg_temp.connector_event')).rowCount).toBe(0);
    expect(
      (await app.query('SELECT FROM public.connector_event WHERE stream = $1', [connector.stateStream]))
        .rowCount,
    ).toBe(1);
    await app.end();
  });

  it('is told what it lacks', async () => {
    const owner = await harness.connect();
    await owner.query(`REVOKE EXECUTE ON FUNCTION ${APPEND_FUNCTIONS} FROM ${role}`);
    const pool = new pg.Pool({ connectionString: url });
    const store = createPostgresEventStore({ pool });

    await expect(store.append([sampleConnector().fact()])).rejects.toMatchObject({
      code: 'EVENT_STORE_FAILED',
      message: expect.stringContaining('EXECUTE on connector_event_append'),
    });

    await store.close();
    await pool.end();
    await owner.query(`GRANT EXECUTE ON FUNCTION ${APPEND_FUNCTIONS} TO ${role}`);
    await owner.end();
  });
});
