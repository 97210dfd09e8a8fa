/**
 * Event stores by their URL's scheme, for the composition root and for commands that name a store themselves. A
 * store's own code is loaded when its scheme is met.
 */
import type { Pool } from 'pg';
import { withDeadline } from '../base/deadline.js';
import { InvalidSettingsError } from '../base/errors.js';
import type { Logger } from '../base/logging.js';
import { loadOptional, requireInstalled } from '../base/optional-package.js';
import type { EventStore, TransferableEventStore } from '../event-store/event-store.js';
import type { EventStoreFailure } from '../event-store/eventstoredb/failure.js';
import type { Rehearsal } from '../event-store/eventstoredb/index.js';
import { reasonOf } from '../postgres/database-error.js';
import { isPostgresUrl } from '../postgres/database-url.js';
import { createPool, describeDatabaseError } from '../postgres/pool.js';
import { describeDatabase, describeFaultOfUrl } from '../read-model/connection.js';
import { isMigrated } from '../read-model/schema-version.js';

/** How long a server may take to close its connections before they are cut. */
const GOODBYE_MS = 1_000;

export interface EventStoreUse {
  /** Of the pool, where the store has one. */
  readonly poolSize: number;
  readonly namedStatements: boolean;
  readonly log: Logger;
  /** How long hits are kept; 0: for good. */
  readonly hitsMaxAgeMs: number;
}

export interface OpenedEventStore {
  readonly store: TransferableEventStore;
  /**
   * What tells this store from others, also when their URLs are written differently; the first contact with it.
   * @throws ConnectorStateError, with `transient: false` where only another URL can help
   */
  identify(): Promise<string>;
  /** Whether its tables are those of this release; always true where there are none. @throws what `pg` throws */
  isMigrated(): Promise<boolean>;
  /** Tries reading and writing and leaves nothing behind, where a store can. */
  rehearse?(): Promise<Rehearsal>;
  close(): Promise<void>;
}

/**
 * Contacts nothing: the first call does.
 * @throws InvalidSettingsError when an EventStoreDB URL is at fault
 */
export async function openEventStore(url: string, use: EventStoreUse): Promise<OpenedEventStore> {
  const { log, hitsMaxAgeMs } = use;
  if (!isPostgresUrl(url)) {
    const { createEventStoreDbStore, parseConnectionString } = await loadOptional(
      'an EVENT_STORE_URL of EventStoreDB or KurrentDB',
      () => import('../event-store/eventstoredb/index.js'),
    );
    const store = createEventStoreDbStore({
      url: withItsOldName(url),
      log,
      dropsHits: hitsMaxAgeMs > 0,
    });
    const { seeds } = parseConnectionString(withItsOldName(url));
    return {
      store,
      isMigrated: async () => true,
      rehearse: () => store.rehearse(),
      async identify() {
        await store.head().catch(async error => {
          throw (await missingHosts(seeds)) ?? error;
        });
        return seeds
          .map(({ host, port }) => `${host.toLowerCase()}:${port}`)
          .sort()
          .join(',');
      },
      close: () => store.close(),
    };
  }
  const pool = createPool({ connectionString: url, max: use.poolSize, log });
  const store = await openPostgresEventStore(url, pool, use);
  return {
    store,
    isMigrated: () => isMigrated(pool),
    identify: () => identifyDatabase(pool, url),
    async close() {
      await store.close();
      await withDeadline(pool.end(), GOODBYE_MS, () => pool.destroy());
    },
  };
}

/**
 * gRPC says only that a name was not resolved; whether there is none of that name or nobody to ask is the resolver's to
 * say. One host of several that exists is enough to go on trying.
 */
async function missingHosts(
  seeds: readonly { readonly host: string }[],
): Promise<EventStoreFailure | undefined> {
  const { lookup } = await import('node:dns/promises');
  const answers = await Promise.all(
    seeds.map(({ host }) =>
      lookup(host).then(
        () => undefined,
        (error: NodeJS.ErrnoException) => error.code,
      ),
    ),
  );
  if (answers.some(code => code !== 'ENOTFOUND')) return undefined;
  const { EventStoreFailure } = await import('../event-store/eventstoredb/failure.js');
  const hosts = seeds.map(({ host }) => host).join(', ');
  return new EventStoreFailure(
    `the event store cannot be found (no such host: ${hosts}): correct the host in its URL`,
    false,
  );
}

async function identifyDatabase(pool: Pool, url: string): Promise<string> {
  try {
    // Where a managed service refuses the first, the moment the server started is its own as well.
    const ask = (server: string) =>
      pool.query<{ id: string }>(
        `SELECT concat_ws('/', ${server}, current_database(), current_schema()) AS id`,
      );
    const { rows } = await ask('(SELECT system_identifier FROM pg_control_system())').catch(error => {
      if (reasonOf(error) === 'unreachable') throw error;
      return ask(`extract(epoch FROM pg_postmaster_start_time())`);
    });
    return rows[0]?.id ?? '';
  } catch (error) {
    const { code, message } = describeDatabaseError(error);
    const fault = describeFaultOfUrl(error, url, 'its URL');
    const { EventStoreFailure } = await import('../event-store/postgres/failure.js');
    throw new EventStoreFailure(
      fault ?? `${describeDatabase(url)} cannot be used (${code ?? message}): check that the server runs`,
      fault === undefined,
    );
  }
}

/** Over a pool that others use too, and that the caller ends. */
export async function openPostgresEventStore(
  url: string,
  pool: Pool,
  { log, namedStatements }: Pick<EventStoreUse, 'log' | 'namedStatements'>,
): Promise<TransferableEventStore> {
  const { createPostgresEventStore } = await import('../event-store/postgres/index.js');
  return createPostgresEventStore({
    pool,
    listen: { connectionString: url },
    useNamedStatements: namedStatements,
    onRetry: error => log.warn({ error: error.message }, 'reading events failed and is tried again'),
  });
}

/** The order of positions of the store that a URL names, without opening it. */
export async function comparePositionsOf(url: string): Promise<EventStore['compare']> {
  const { comparePositions } = isPostgresUrl(url)
    ? await import('../event-store/postgres/position.js')
    : await import('../event-store/eventstoredb/position.js');
  return comparePositions;
}

/**
 * What can be said of a URL without contacting anyone.
 * @throws InvalidSettingsError that names every problem and repeats no secret; ConnectorStateError `PACKAGE_MISSING`
 */
export async function checkEventStoreUrl(url: string): Promise<void> {
  if (isPostgresUrl(url)) return;
  requireInstalled('an EVENT_STORE_URL of EventStoreDB or KurrentDB');
  const { parseConnectionString } = await import('../event-store/eventstoredb/connection-string.js');
  try {
    parseConnectionString(withItsOldName(url));
  } catch (error) {
    if (!(error instanceof InvalidSettingsError)) throw error;
    throw new InvalidSettingsError(
      error.problems.map(problem => problem.replace("the event store's URL", 'EVENT_STORE_URL')),
    );
  }
}

/** The client and its protocol speak of `esdb`; KurrentDB's own tools write `kurrentdb`. */
const withItsOldName = (url: string): string => url.replace(/^kurrentdb/, 'esdb');
