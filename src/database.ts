/** The database that settings mean: the configured one, or an embedded server that is started for them. */
import { join } from 'node:path';
import type { Logger } from './logging.js';
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
  const { startEmbeddedPostgres } = await import('./postgres/embedded/index.js');
  const { url, stop } = await startEmbeddedPostgres({
    dataDir: join(settings.dataDir, 'postgres'),
    log: message => log.info({}, message),
  });
  return { url, isEmbedded: true, release: stop };
}
