/** The database that settings mean: the configured one, an embedded server that is started for them, or none at all. */
import { join } from 'node:path';
import type { Pool } from 'pg';
import { ConnectorStateError } from '../base/errors.js';
import type { Logger } from '../base/logging.js';
import type { EventStore } from '../event-store/event-store.js';
import type { Settings } from './settings.js';

export interface OpenDatabase {
  /** Holds a password: never log it. */
  readonly url: string;
  readonly isEmbedded: boolean;
  /** Gives an embedded server back; nothing for a configured one. */
  release(): Promise<void>;
}

const UNSET_SENTENCE =
  'DATABASE_URL is not set: nothing is remembered, connectors sign by the best clock at hand. Set it; an embedded PostgreSQL runs in production only where CONNECTOR_STATE_DATA_DIR asks for it';

/** Platforms that run functions and do not all say NODE_ENV. */
const PLATFORMS = ['AWS_LAMBDA_FUNCTION_NAME', 'K_SERVICE', 'FUNCTIONS_WORKER_RUNTIME', 'NETLIFY', 'VERCEL'];

/** Whether the environment asks for an embedded one. */
export const isDataDirNamed = (): boolean => Boolean(process.env.CONNECTOR_STATE_DATA_DIR?.trim());

/**
 * Whether to go without any: in production, where no database is configured and none was asked for. An embedded one there
 * would be a private one for each container, gone with it.
 * @param isAsked whether a directory for an embedded one was named
 */
export function goesWithout(
  { databaseUrl }: Settings,
  isAsked: boolean,
  env: Readonly<Record<string, string | undefined>> = process.env,
): boolean {
  if (databaseUrl !== undefined || isAsked) return false;
  return env.NODE_ENV === 'production' || (!env.NODE_ENV && PLATFORMS.some(name => env[name]));
}

let isTold = false;

/** Once a process: it is the deployment's, whatever opens it how often. */
export function tellOfNoDatabase(log: Logger): void {
  if (isTold) return;
  isTold = true;
  log.warn({}, UNSET_SENTENCE);
}

/** Takes facts where there is nowhere to keep them. */
export const nowhere: Pick<EventStore, 'append'> = {
  append: async () => ({ events: [], position: undefined }),
};

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

/** With `CACHE_MODE=off` there is none, be it configured or not; nor where {@link goesWithout} says so. */
export const noDatabase = ({ databaseUrl = '' }: Settings): OpenDatabase => ({
  url: databaseUrl,
  isEmbedded: false,
  release: async () => {},
});

/** In its place: whatever needs the database is told why there is none. */
export function noPool({ cacheMode }: Settings): Pool {
  const sentence =
    cacheMode === 'off'
      ? 'CACHE_MODE is off, so that no database is used: set it to shadow or on for what needs one'
      : UNSET_SENTENCE;
  const refuse = () => Promise.reject(new ConnectorStateError('DATABASE_UNAVAILABLE', sentence));
  const pool: Pick<Pool, 'connect' | 'query' | 'end'> = {
    connect: refuse,
    query: refuse,
    end: () => Promise.resolve(),
  };
  return pool as Pool;
}
