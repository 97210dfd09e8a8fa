/**
 * TypeORM over one database: for migrations and for analytics. Loading TypeORM costs about 140 ms, so only
 * what is itself loaded lazily may import this; lookups go over `pg`.
 *
 * `synchronize` stays off for good: tables change by migrations only.
 */
import { DataSource, type Logger } from 'typeorm';
import { pg } from '../postgres/driver.js';
import { migrations } from './migrations/index.js';

/** Where TypeORM keeps the names of the migrations applied. */
export const MIGRATIONS_TABLE = 'connector_state_migration';

/** TypeORM's own logger prints to stdout, which is for data, even with logging off. Its errors are thrown as well. */
const silent: Logger = {
  log() {},
  logMigration() {},
  logQuery() {},
  logQueryError() {},
  logQuerySlow() {},
  logSchemaBuild() {},
};

/** A data source that is not yet connected; call `initialize()`, and `destroy()` at the end. */
export function createDataSource(databaseUrl: string, applicationName = 'connector-state'): DataSource {
  return new DataSource({
    type: 'postgres',
    url: databaseUrl,
    driver: pg,
    applicationName,
    poolSize: 1,
    migrations: [...migrations],
    migrationsTableName: MIGRATIONS_TABLE,
    migrationsTransactionMode: 'each',
    synchronize: false,
    logger: silent,
  });
}
