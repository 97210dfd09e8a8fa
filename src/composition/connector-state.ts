/**
 * The composition root: everything connector-state consists of, wired from settings.
 *
 * What a cold function needs to answer its first lookup is made at once: the pool, the guarded lookup, the
 * recorder. All else (event store, schemas, projector, migrations, the embedded server) is loaded at first
 * use, which for a function means after its response.
 *
 * Without a `DATABASE_URL` an embedded server is started in development; in production that is a warning, and what is known
 * stays in the process. A database that cannot be reached at the start is a warning, not an error. The tables are then checked (and
 * made, with `autoMigrate`) before the first facts are stored, whenever that becomes possible. An event store of
 * its own is not contacted at the start at all; while it cannot be reached facts wait in the outbox. With
 * `CACHE_MODE=off` neither is contacted ever.
 */

import { buildPhaseError, isBuildPhase } from '../base/build-phase.js';
import { noteCopy } from '../base/copies.js';
import { withDeadline } from '../base/deadline.js';
import { ConnectorStateError } from '../base/errors.js';
import { lazy } from '../base/lazy.js';
import { createLogger, type Logger } from '../base/logging.js';
import { runRehearsals } from '../base/rehearsals.js';
import { Telemetry, type TracerLike } from '../base/telemetry.js';
import { refuseUnknownOptions } from '../base/unknown-options.js';
import { ConnectorStateCacheService } from '../cache/connector-state-cache-service.js';
import { createGuardedLookup } from '../cache/guarded-lookup.js';
import type { ProjectAlong } from '../cache/owed-projection.js';
import { type FlushResult, Recorder } from '../cache/recorder.js';
import { type HostClock, systemClockOf } from '../clock/host-clock.js';
import type { Timers } from '../clock/timers.js';
import type { EventStore } from '../event-store/event-store.js';
import type { Relay } from '../event-store/outbox/index.js';

import type { NewEvent, Position, StoredEvent } from '../events/event.js';
import type { EventFeed } from '../feed/event-feed.js';
import { destroyPool, isAnswering } from '../postgres/bounded-pool.js';
import { createPool } from '../postgres/pool.js';
import type { AlongWithAppend } from '../projector/along-with-append.js';
import type { Projector } from '../projector/projector.js';
import type { SharedTier } from '../shared-tier/shared-tier.js';
import {
  goesWithout,
  isDataDirNamed,
  noDatabase,
  noPool,
  nowhere,
  openDatabase,
  tellOfNoDatabase,
} from './database.js';
import type { Registry } from './expose-metrics.js';
import { createForecasts, type Forecasts } from './forecasts.js';
import { checkHandedIn } from './handed-in.js';
import { Opening } from './opening.js';
import { createRemoteEvents } from './remote-events.js';
import { createReplicas, replicaDeadlineMs } from './replicas.js';
import { readSettings, SETTING_NAMES, type Settings, type SettingsInput } from './settings.js';
import { createSharedTier } from './shared-tier.js';
import { tellOfUnreadVariables } from './unread-variables.js';

export interface ConnectorStateOptions extends SettingsInput {
  /** Default: JSON lines (or text, see `logFormat`) to stderr. */
  readonly logger?: Logger | undefined;
  /** This process's clock, for tests that play another machine. */
  readonly clock?: HostClock | undefined;
  /** What refreshes a clock before its end; for tests. Default: this process's, which never keep it alive. */
  readonly timers?: Timers | undefined;
  /** 0 ≤ x < 1, decides which of many callers refreshes a state early; for tests. Default: `Math.random`. */
  readonly random?: (() => number) | undefined;
  /**
   * A registry of `prom-client`, in which lookups, inits, the recorder, the projector and the exchanges' clocks are counted
   * (docs/operations.md).
   * @example
   * import { register } from 'prom-client';
   * const state = await createConnectorState({ metrics: register });
   */
  readonly metrics?: Registry | undefined;
  /**
   * A tracer of `@opentelemetry/api`: spans of inits, lookups, syncs, appends and projections.
   * @example
   * import { trace } from '@opentelemetry/api';
   * const state = await createConnectorState({ tracer: trace.getTracer('my-service') });
   */
  readonly tracer?: TracerLike | undefined;
}

/** What {@link createConnectorState} gives; one a process is enough. */
export interface ConnectorState extends Forecasts {
  readonly cache: ConnectorStateCacheService;
  readonly settings: Settings;
  /**
   * The database in use; the embedded one's when none was configured, empty where there is none. Holds a password, and is
   * therefore not enumerable: what prints or serialises the whole does not show it. Nor does `settings` its URLs.
   */
  readonly databaseUrl: string;
  /**
   * Resolves when what the start left under way is done: the tables are there, or it was said why not. With
   * `AUTO_MIGRATE=true`, the default, the start has waited for that. Nothing here needs it; who reads the tables by other
   * means does.
   * @example
   * const state = await createConnectorState();
   * await state.ready();
   */
  ready(): Promise<void>;
  /** Stores what is pending; never throws. For `after()` in a serverless function. */
  flush(timeoutMs?: number): Promise<FlushResult>;
  /** The event store, connected and migrated. @throws ConnectorStateError */
  store(): Promise<EventStore>;
  /**
   * The live feed of every fact: one reader of the log for all followers of this process.
   * @example
   * const feed = await state.feed();
   * for await (const message of feed.follow({ from: 'end' })) …
   * @throws ConnectorStateError
   */
  feed(): Promise<EventFeed>;
  /**
   * Counts in this registry from now on, as the option `metrics` does.
   * @param pool what its connections are called there; default `lookups`
   * @throws ConnectorStateError `PACKAGE_MISSING` without the package `prom-client`
   */
  expose(registry: Registry, pool?: string): Promise<void>;
  /** The projector over that store. @throws ConnectorStateError */
  projector(): Promise<Projector>;
  /**
   * What takes events from the outbox to an event store of its own; `undefined` when the database is the store.
   * @throws ConnectorStateError
   */
  relay(): Promise<Relay | undefined>;
  /** A last flush, then every connection, timer and (if this process started it) the embedded server ends. */
  close(): Promise<void>;
}

/** Complete by its type. */
const NOT_SETTINGS: Readonly<Record<Exclude<keyof ConnectorStateOptions, keyof SettingsInput>, true>> = {
  logger: true,
  clock: true,
  random: true,
  timers: true,
  metrics: true,
  tracer: true,
};

/** How long the start waits for Redis before it goes on without. */
const START_DEADLINE_MS = 1_000;
/** How long whoever needs the tables waits for somebody else who has them locked. */
const LOCK_WAIT_MS = 5_000;
const PROJECT_TIMEOUT_MS = 2_000;
/** Half a minute's work after an upgrade, on a small machine. */
const MAX_EVENTS_OF_A_FUNCTION = 500_000;
const notCaughtUp = (holders: string | undefined) =>
  `another session projects or has the read tables locked${holders ? ` (${holders})` : ''}, and nothing moved for ${PROJECT_TIMEOUT_MS} ms`;
const DISCONNECT_DEADLINE_MS = 2_000;
/** The same, once it is known that nobody answers. */
const SILENT_DEADLINE_MS = 300;
const ANSWER_DEADLINE_MS = 700;

/**
 * Opens connector-state by the environment and `options`, which win.
 *
 * @example
 * ```ts
 * const { cache, flush, close } = await createConnectorState({ poolSize: 2 });
 * const connector = new BybitConnectorWithCache({ cache, userId, credentialId, environment: 'MAINNET', credentials });
 * const { cacheHit, offsetMs } = await connector.initialize();
 * await flush();
 * await close();
 * ```
 * @throws InvalidSettingsError that lists every bad setting; ConnectorStateError `EMBEDDED_DATABASE_FAILED` when
 *   no database is configured and the embedded one cannot run. An unreachable database does not throw.
 */
export async function createConnectorState(options: ConnectorStateOptions = {}): Promise<ConnectorState> {
  refuseUnknownOptions(options, [...Object.keys(NOT_SETTINGS), ...SETTING_NAMES], 'createConnectorState');
  checkHandedIn(options);
  if (isBuildPhase()) throw buildPhaseError();
  const settings = readSettings(options);
  noteCopy(import.meta.url);
  if (settings.eventStoreUrl !== undefined) {
    const { checkEventStoreUrl } = await import('./event-stores.js');
    await checkEventStoreUrl(settings.eventStoreUrl);
  }
  const log = options.logger ?? (await createLogger(settings.logLevel, settings.logFormat));
  tellOfUnreadVariables(log);
  const clock = options.clock ?? systemClockOf(settings.machineName);
  const telemetry = new Telemetry(options.tracer);
  const isAsked = options.dataDir !== undefined || isDataDirNamed();
  const isUnset = settings.cacheMode !== 'off' && goesWithout(settings, isAsked);
  if (isUnset) tellOfNoDatabase(log);
  const isOff = settings.cacheMode === 'off' || isUnset;
  const database = isOff ? noDatabase(settings) : await openDatabase(settings, log);
  const databaseUrl = database.url;
  const eventsUrl = settings.eventStoreUrl ?? databaseUrl;

  const pool = isOff
    ? noPool(settings)
    : createPool({ connectionString: databaseUrl, max: settings.poolSize, log });
  const shared = await openSharedTier();
  async function openSharedTier(): Promise<SharedTier | undefined> {
    if (isOff) return undefined;
    try {
      return await createSharedTier(settings, { pool, clock, log });
    } catch (error) {
      await pool.end();
      await database.release();
      throw error;
    }
  }
  const replicas = isOff
    ? undefined
    : createReplicas(settings, { pool, clock, log, random: options.random ?? Math.random });
  const opening = new Opening({
    pool,
    clock,
    log,
    namedStatements: settings.namedStatements,
    makeTables: () => makeTables(databaseUrl, settings, log),
  });
  const closing = new AbortController();
  const project = async (until: Position, expecting: readonly NewEvent[] = [], along?: AlongWithAppend) => {
    const { catchUp, holders } = await projector.get();
    const { caughtUp } = await catchUp({
      until,
      expecting,
      along,
      timeoutMs: PROJECT_TIMEOUT_MS,
      makesCurrent: { maxEvents: MAX_EVENTS_OF_A_FUNCTION },
      signal: closing.signal,
    });
    if (!caughtUp) throw new Error(notCaughtUp(await holders()));
  };
  const along = async (events: readonly NewEvent[]): Promise<ProjectAlong | undefined> => {
    // Whoever stored them meets the failure when he projects.
    const sent = (await projector.get().catch(() => undefined))?.along(events);
    return sent && { send: sent.send, project: (until, stored) => project(until, stored, sent) };
  };
  const remote =
    isOff || eventsUrl === databaseUrl
      ? undefined
      : createRemoteEvents({
          url: eventsUrl,
          settings,
          pool,
          log,
          migrated: opening.migrated,
          migrateRemote: () => makeTables(eventsUrl, settings, log),
          project,
        });
  const store = lazy(async () => {
    if (remote) return remote.store();
    await opening.migrated();
    const { openPostgresEventStore } = await import('./event-stores.js');
    return openPostgresEventStore(databaseUrl, pool, { ...settings, log });
  });
  const feed = lazy(async () => {
    const { createEventFeed } = await import('../feed/event-feed.js');
    return createEventFeed({ store: await store.get() });
  });
  const projector = lazy(async () => {
    const { createProjector } = await import('../projector/projector.js');
    await opening.migrated();
    return createProjector({
      store: await store.get(),
      pool,
      namedStatements: settings.namedStatements,
      log,
      telemetry,
      ...(shared && {
        onApplied: events => publishTouched(shared, events),
        onRebuilt: rows => shared.forget(rows),
      }),
    });
  });

  let isSilent = false;
  const disconnect = async () => {
    closing.abort(new ConnectorStateError('CLOSED', 'the cache is being closed'));
    await feed.started()?.then(
      opened => opened.close(),
      () => undefined,
    );
    await remote?.close();
    await store.started()?.then(
      opened => opened.close(),
      () => undefined,
    );
    // Tables that are being made need the pool.
    await opening.over();
    await Promise.all([pool.end(), replicas?.close()]);
  };

  const {
    batcher,
    breaker,
    close: closeLookup,
  } = createGuardedLookup(pool, {
    // What is asked before may take its share of it.
    deadlineMs: Math.max(
      1,
      settings.lookupDeadlineMs -
        (shared ? settings.redisDeadlineMs : 0) -
        (replicas ? replicaDeadlineMs(settings) : 0),
    ),
    breakerResetMs: settings.breakerResetMs,
    maxInFlight: settings.poolSize,
    namedStatements: settings.namedStatements,
    now: () => clock.now(),
    wall: () => clock.wall(),
    ride: opening.ride,
  });
  const recorder = new Recorder({
    store: isUnset ? async () => nowhere : store.get,
    newId: async () => (await import('../events/ids.js')).newEventId,
    ...(settings.projection === 'inline' && { project, along }),
    maxPending: settings.maxPendingEvents,
    flushIntervalMs: settings.flushIntervalMs,
    host: clock.id,
    wall: () => clock.wall(),
    log,
    telemetry,
  });
  const outbox = async () => {
    const { createOutboxTable } = await import('../event-store/outbox/index.js');
    return createOutboxTable(pool, settings.namedStatements).status();
  };
  const cache = new ConnectorStateCacheService({
    pool,
    batcher: opening.patient(batcher),
    ready: () => opening.over(),
    shared,
    replicas,
    recorder,
    store: store.get,
    outbox,
    ...(remote && { logAt: (position: Position) => logAt(store.get, position) }),
    comparePositions: async () => (await import('./event-stores.js')).comparePositionsOf(eventsUrl),
    lookupDeadlineMs: settings.lookupDeadlineMs,
    hasDatabase: !isUnset,
    clock,
    log,
    memoryEntries: settings.memoryEntries,
    memoryTtlMs: settings.memoryTtlMs,
    cacheMode: settings.cacheMode,
    firstContact: settings.firstContact,
    clockPolicy: settings.clockPolicy,
    ttlMs: settings.ttlMs,
    random: options.random,
    timers: options.timers,
    telemetry,
    async answers() {
      // It is not the database that takes the facts.
      if (remote || isUnset) return true;
      isSilent = !(await isAnswering(pool, ANSWER_DEADLINE_MS));
      return !isSilent;
    },
    async release() {
      closeLookup();
      shared?.close();
      // A connection into the void ends when its query runs out of time; nobody waits that long to close.
      await withDeadline(disconnect(), isSilent ? SILENT_DEADLINE_MS : DISCONNECT_DEADLINE_MS, () => {
        log.warn({}, 'closing without waiting for a database that does not answer');
        destroyPool(pool);
      });
      await database.release();
    },
  });

  const expose = async (registry: Registry, name?: string) => {
    const { exposeMetrics } = await import('./expose-metrics.js');
    const end = await exposeMetrics(registry, telemetry, {
      pool,
      name,
      recorder: () => recorder.stats(),
      breaker,
      projector: isOff ? undefined : projector.get,
      outbox: remote && outbox,
      feed: feed.started,
    });
    cache.onClose(end);
  };

  try {
    if (options.metrics) await expose(options.metrics);
    if (!isOff) {
      await Promise.all([
        opening.begin(database.isEmbedded ? 'success' : settings.autoMigrate ? 'tables' : 'connection'),
        runRehearsals(),
        shared && withDeadline(shared.open(), START_DEADLINE_MS, () => undefined),
      ]);
    }
  } catch (error) {
    await cache.close();
    throw error;
  }
  const state = {
    cache,
    settings: hiding(settings, ['databaseUrl', 'databaseReplicaUrl', 'eventStoreUrl', 'redisUrl']),
    databaseUrl,
    ready: () => opening.over(),
    flush: (timeoutMs?: number) => cache.flush(timeoutMs),
    store: () => cache.whileOpen(store.get),
    feed: () => cache.whileOpen(feed.get),
    ...createForecasts(
      pool,
      () => clock.now(),
      () => cache.whileOpen(opening.migrated),
    ),
    expose,
    projector: () => cache.whileOpen(projector.get),
    relay: () => cache.whileOpen(async () => remote?.relay()),
    close: () => cache.close(),
  };
  return hiding(state, ['databaseUrl']);
}

/** A copy whose `keys` are there for who asks, and not for who prints, spreads or serialises it: they hold passwords. */
function hiding<T extends object>(value: T, keys: readonly (keyof T)[]): T {
  const copy = { ...value };
  for (const key of keys) Object.defineProperty(copy, key, { value: value[key], enumerable: false });
  return copy;
}

async function publishTouched(shared: SharedTier, events: readonly StoredEvent[]): Promise<void> {
  const { keysTouchedBy } = await import('../shared-tier/touched.js');
  const keys = keysTouchedBy(events);
  if (keys.length > 0) await shared.publish(keys);
}

/** What an event store of its own has at a place, as far as it can be asked. */
async function logAt(store: () => Promise<EventStore>, position: Position) {
  try {
    const { readFrom, head } = await store();
    const [{ at }, last] = await Promise.all([readFrom({ after: position, limit: 1 }), head()]);
    return { eventId: at?.id, head: last };
  } catch {
    return {};
  }
}

async function makeTables(url: string, settings: Settings, log: Logger): Promise<void> {
  if (!settings.autoMigrate) {
    throw new ConnectorStateError(
      'DATABASE_NOT_MIGRATED',
      'the database lacks tables of this version and AUTO_MIGRATE is off: run `connector-state migrate`',
    );
  }
  const { migrate } = await import('../read-model/migrate.js');
  const { applied } = await migrate(url, {
    waitMs: LOCK_WAIT_MS,
    log: message => log.info({}, message),
  });
  log.info({ applied }, 'the database was migrated');
}
