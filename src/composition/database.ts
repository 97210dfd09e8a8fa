/** The database that settings mean: the configured one, an embedded server that is started for them, or none at all. */
import { join } from 'node:path';
import type { Pool } from 'pg';
import { ConnectorStateError } from '../base/errors.js';
import type { Logger } from '../base/logging.js';
import type { Settings } from './settings.js';

export interface OpenDatabase {
  /** Holds a password: never log it. */
  readonly url: string;
  readonly isEmbedded: boolean;
  /** Gives an embedded server back; nothing for a configured one. */
  release(): Promise<void>;
}

/** @throws ConnectorStateError `EMBEDDED_DATABASE_FAILED`; a configured database is not contacted */
export async function openDatabase(settings: Settings, log: Logger): Promise<OpenDatabase> {
  if (settings.databaseUrl) return { url: settings.databaseUrl, isEmbedded: false, release: async () => {} };
  const { startEmbeddedPostgres } = await import('../postgres/embedded/index.js');
  const { url, stop } = await startEmbeddedPostgres({
    dataDir: join(settings.dataDir, 'postgres'),
    log: message => log.info({}, message),
  });
  return { url, isEmbedded: true, release: stop };
}

/** With `CACHE_MODE=off` there is none, be it configured or not. */
export const noDatabase = ({ databaseUrl = '' }: Settings): OpenDatabase => ({
  url: databaseUrl,
  isEmbedded: false,
  release: async () => {},
});

/** In its place: whatever needs the database is told why there is none. */
export function noPool(): Pool {
  const refuse = () =>
    Promise.reject(
      new ConnectorStateError(
        'DATABASE_UNAVAILABLE',
        'CACHE_MODE is off, so that no database is used: set it to shadow or on for what needs one',
      ),
    );
  const pool: Pick<Pool, 'connect' | 'query' | 'end'> = {
    connect: refuse,
    query: refuse,
    end: () => Promise.resolve(),
  };
  return pool as Pool;
}
