/**
 * `connector-state/typeorm`: the tables as TypeORM entities, for analytics and administration, and the migrations that
 * made them. Needs `typeorm`, which nothing else here loads: `connector-state migrate` and AUTO_MIGRATE run the same
 * migrations over `pg`.
 *
 * @example
 * ```ts
 * import { ConnectorStateCache, entities } from 'connector-state/typeorm';
 * import { DataSource } from 'typeorm';
 *
 * const source = await new DataSource({ type: 'postgres', url, entities: [...entities] }).initialize();
 * const states = await source.getRepository(ConnectorStateCache).findBy({ userId: 'alice' });
 * ```
 */
export * from './read-model/entities/index.js';
export { migrations } from './read-model/migrations/index.js';
