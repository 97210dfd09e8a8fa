/** Who appended is what the database knows, whatever the event claims. */
import { randomBytes, randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { exchangeClock } from '../../projections/index.js';
import { createPostgresEventStore } from '../../src/event-store/postgres/index.js';
import { copyLog } from '../../src/event-store/transfer/copy.js';
import type { KnownEvent, NewEvent } from '../../src/events/event.js';
import { stateStreamOf } from '../../src/events/streams.js';
import { pg } from '../../src/postgres/driver.js';
import { grantPrivileges } from '../../src/read-model/grants.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { connector, synced } from '../support/facts.js';
import { plainFold } from '../support/plain-fold.js';
import { APPEND_SQL, toSqlEvents } from './postgres-harness.js';

const suffix = randomBytes(4).toString('hex');
// A name with the slash that stands between login and machine.
const ROLE = `functions/${suffix}`;
let database: TestDatabase;
let other: TestDatabase;

beforeAll(async () => {
  [database, other] = await Promise.all([createTestDatabase(), createTestDatabase()]);
  await asOwner(`CREATE ROLE ${pg.escapeIdentifier(ROLE)} LOGIN PASSWORD 'test'`);
  await grantPrivileges(database.url, { functionsRole: ROLE });
});
afterAll(async () => {
  await asOwner(`DROP OWNED BY ${pg.escapeIdentifier(ROLE)}`);
  await asOwner(`DROP ROLE ${pg.escapeIdentifier(ROLE)}`);
  await Promise.all([database.drop(), other.drop()]);
});

const urlOf = (role: string) => {
  const url = new URL(database.url);
  url.username = encodeURIComponent(role);
  url.password = 'test';
  return url.href;
};

async function connected<T>(url: string, use: (client: InstanceType<typeof pg.Client>) => Promise<T>) {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return await use(client);
  } finally {
    await client.end();
  }
}
const asOwner = (text: string) => connected(database.url, client => client.query(text));

async function withStore<T>(
  url: string,
  use: (store: ReturnType<typeof createPostgresEventStore>) => Promise<T>,
): Promise<T> {
  const pool = new pg.Pool({ connectionString: url, max: 2 });
  const store = createPostgresEventStore({ pool });
  try {
    return await use(store);
  } finally {
    await store.close();
    await pool.end();
  }
}

const claiming = (login: string): NewEvent =>
  ({ ...synced(), host: 'host:claimed/1', login }) as unknown as NewEvent;
const readBack = (event: NewEvent) =>
  withStore(database.url, async store =>
    (await store.readStream(event.stream)).find(({ id }) => id === event.id),
  );

describe('the login of an event', () => {
  it('is the session’s, by either function, whatever the event or SET ROLE says', async () => {
    const [quick, byHand] = [claiming('postgres'), claiming('postgres')];
    await withStore(urlOf(ROLE), store => store.append([quick]));
    await connected(urlOf(ROLE), async client => {
      await client.query('SET ROLE NONE');
      await client.query(APPEND_SQL, [toSqlEvents([byHand])]);
    });

    expect(await readBack(quick)).toMatchObject({ login: ROLE, host: 'host:claimed/1' });
    expect(await readBack(byHand)).toMatchObject({ login: ROLE });
    await expect(
      connected(urlOf(ROLE), client =>
        client.query(`INSERT INTO connector_event (login) VALUES ('postgres')`),
      ),
    ).rejects.toMatchObject({ code: '42501' });
  });

  it('is the witness that the shared clock remembers', async () => {
    const event = claiming('postgres');
    await withStore(urlOf(ROLE), store => store.append([event]));
    const [row] = plainFold(exchangeClock, [(await readBack(event)) as KnownEvent]);

    expect(JSON.parse(row?.memory as string)).toMatchObject({
      supporters: [{ host: `${ROLE}/host:claimed` }],
    });
  });

  it('goes along in a copy, and is nobody where nobody was known', async () => {
    await asOwner(
      `INSERT INTO connector_event (position, stream, version, event_id, type, schema_version, data, occurred_at,
         host, forgettable, login)
       VALUES (nextval('connector_event_position'), '${stateStreamOf({ ...connector, userId: 'old' })}', 1,
         '${randomUUID()}', 'Old', 1, '{}', now(), 'host:old/1', false, NULL)`,
    );
    await withStore(database.url, from =>
      withStore(other.url, async to => {
        expect(await copyLog({ from, to, pageSize: 7 })).toMatchObject({ equal: true });
        expect(await to.readRaw({ limit: 100 })).toEqual(await from.readRaw({ limit: 100 }));
        expect((await to.lastRaw())?.login).toBeUndefined();
      }),
    );
  });
});
