import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { DataSource } from 'typeorm';
import { projections } from '../../projections/index.js';
import { createPostgresEventStore } from '../../src/event-store/postgres/index.js';
import { pg } from '../../src/postgres/driver.js';
import { createProjector } from '../../src/projector/index.js';
import { tableColumns } from '../../src/projector/table-sql.js';
import { ConnectorStateCache, DriftSample, entities } from '../../src/read-model/entities/index.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { hit, synced, T0 } from '../support/facts.js';

let database: TestDatabase;
let dataSource: DataSource;
beforeAll(async () => {
  database = await createTestDatabase();
  dataSource = await new DataSource({
    type: 'postgres',
    url: database.url,
    driver: pg,
    entities: [...entities],
    poolSize: 1,
  }).initialize();
});
afterAll(async () => {
  await dataSource.destroy();
  await database.drop();
});

describe('the entities', () => {
  it('say what the migrations made: TypeORM would change nothing', async () => {
    const { upQueries } = await dataSource.driver.createSchemaBuilder().log();

    expect(upQueries.map(({ query }) => query)).toEqual([]);
  });

  it('read what the projector wrote', async () => {
    const pool = new pg.Pool({ connectionString: database.url });
    const store = createPostgresEventStore({ pool });
    try {
      await store.append([synced({ offsetMs: -12.5 }), hit({ count: 2 })]);
      await createProjector({ store, pool }).catchUp();
    } finally {
      await store.close();
      await pool.end();
    }

    const [state] = await dataSource.getRepository(ConnectorStateCache).findBy({ userId: 'user123' });
    const [sample] = await dataSource.getRepository(DriftSample).find();

    expect(state).toMatchObject({ timeOffset: -12.5, hitCount: '2', lastSyncTime: new Date(T0) });
    expect(sample).toMatchObject({ offsetMs: -12.5, sampledAt: new Date(T0) });
  });
});

describe('the projections', () => {
  const SQL_TYPES: Readonly<Record<string, string>> = {
    timestamptz: 'timestamp with time zone',
    // Made when the row is stored.
    json: 'text',
  };

  it.each(projections)('write every column of their table: $name', async projection => {
    const columns: { column_name: string; data_type: string }[] = await dataSource.query(
      `SELECT column_name, data_type FROM information_schema.columns WHERE table_name = $1 ORDER BY ordinal_position`,
      [projection.table.name],
    );

    const written = tableColumns(projection).map(({ name, type }) => ({
      column_name: name,
      data_type: SQL_TYPES[type] ?? type,
    }));
    expect(written).toEqual(columns);
  });
});

describe('the partitions of drift_sample', () => {
  const ensure = (month: string) =>
    dataSource.query(`SELECT connector_state_ensure_drift_partition($1)`, [month]);
  const partitions = async (): Promise<string[]> =>
    (
      await dataSource.query(
        `SELECT inhrelid::regclass::text AS name FROM pg_inherits WHERE inhparent = 'drift_sample'::regclass ORDER BY 1`,
      )
    ).map(({ name }: { name: string }) => name);

  it('are one a month, made once, whoever asks and however many at once', async () => {
    const clients = Array.from({ length: 4 }, () => new pg.Client({ connectionString: database.url }));
    await Promise.all(clients.map(client => client.connect()));
    try {
      await Promise.all(
        clients.map(client =>
          client.query(`SET timezone = 'Pacific/Auckland';
            SELECT connector_state_ensure_drift_partition('2031-01-31T23:59:59Z')`),
        ),
      );
    } finally {
      await Promise.all(clients.map(client => client.end()));
    }
    await ensure('2031-02-01T00:00:00Z');

    expect(await partitions()).toEqual(
      expect.arrayContaining(['drift_sample_2031_01', 'drift_sample_2031_02']),
    );
    await expect(ensure('1970-01-01T00:00:00Z')).rejects.toThrow('between 2000 and 2100');
  });

  it('may be made by whoever may insert samples, without any right on the schema', async () => {
    const role = `projector_${Date.now()}`;
    await dataSource.query(`CREATE ROLE ${role} LOGIN PASSWORD 'test'`);
    const url = new URL(database.url);
    url.username = role;
    url.password = 'test';
    const client = new pg.Client({ connectionString: url.href });
    try {
      await client.connect();
      const ask = () => client.query(`SELECT connector_state_ensure_drift_partition('2032-05-01T00:00:00Z')`);

      await expect(ask()).rejects.toThrow('may not insert into drift_sample');
      await dataSource.query(`GRANT INSERT ON drift_sample TO ${role}`);
      await ask();
      expect(await partitions()).toContain('drift_sample_2032_05');
    } finally {
      await client.end();
      await dataSource.query(`DROP OWNED BY ${role}; DROP ROLE ${role}`);
    }
  });
});
