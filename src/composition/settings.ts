/**
 * Settings: from the options a program passes, else from the environment, else the default, each checked,
 * and everything that is wrong reported at once.
 *
 * Written by hand because it runs at every cold start and a schema library costs as much as all the rest of
 * the hot path. Connection strings hold passwords: a problem names the setting, never repeats its value.
 */

import { InvalidSettingsError } from '../base/errors.js';
import { LOG_FORMATS, LOG_LEVELS, type LogFormat, type LogLevel } from '../base/logging.js';
import { shown } from '../base/shown.js';
import { CACHE_MODES, type CacheMode, FIRST_CONTACTS, type FirstContact } from '../cache/modes.js';
import { CLOCK_POLICIES, type ClockPolicy, DEFAULT_TTL_MS, MAX_TTL_MS, MIN_TTL_MS } from '../clock/ttl.js';
import { type ParsedUrl, POSTGRES_EXAMPLE, parsePostgresUrl } from '../postgres/database-url.js';
import { parseRedisUrl, REDIS_EXAMPLE } from '../shared-tier/redis-url.js';

export const PROJECTION_MODES = ['inline', 'worker'] as const;
export type ProjectionMode = (typeof PROJECTION_MODES)[number];

/** Long enough for a burst of inits, short enough that few are refused after a step: decision 23. */
export const DEFAULT_MEMORY_TTL_MS = 10_000;

export interface Settings {
  /** `DATABASE_URL`. Undefined: an embedded PostgreSQL under {@link Settings.dataDir}. */
  readonly databaseUrl: string | undefined;
  /** `EVENT_STORE_URL`: `postgres://…` or `esdb://…`. Undefined: the events are kept in the database. */
  readonly eventStoreUrl: string | undefined;
  /** `CONNECTOR_STATE_DATA_DIR`: where the embedded PostgreSQL keeps its data. Default `.data`. */
  readonly dataDir: string;
  /**
   * `MACHINE_NAME`. What this machine is called in facts, where its word on an exchange's clock counts once: 1 to 100 letters,
   * digits, `.`, `_` and `-`. Containers of one machine have host names of their own and one clock. Undefined: the host name.
   */
  readonly machineName: string | undefined;
  /**
   * `DATABASE_REPLICA_URL`: streaming replicas of `DATABASE_URL` that lookups ask first, one or several between commas. Each
   * is a clock of its own, linked to the primary's. Undefined: none.
   */
  readonly databaseReplicaUrl: string | undefined;
  /** `AUTO_MIGRATE`: create or upgrade the tables at start when they are missing or old. Default true. */
  readonly autoMigrate: boolean;
  /** `PROJECTION`: `inline` (who flushes also projects) or `worker` (`connector-state project` runs). */
  readonly projection: ProjectionMode;
  /** `POOL_SIZE`: connections to the database, 1–100. Default 4. */
  readonly poolSize: number;
  /** `NAMED_STATEMENTS`: off for poolers that lack prepared statements (Supavisor). Default true. */
  readonly namedStatements: boolean;
  /** `LOOKUP_DEADLINE_MS`: a lookup that takes longer is a miss, 1–60 000. Default 100. */
  readonly lookupDeadlineMs: number;
  /** `BREAKER_RESET_MS`: how long a failing database is left alone, 10–600 000. Default 5 000. */
  readonly breakerResetMs: number;
  /**
   * `REDIS_URL`: the tier that all processes share, between memory and PostgreSQL: `redis://…`, `rediss://…` (TLS), several
   * hosts or `?cluster=true` for a cluster, `redis+sentinel://…/master`. Needs the package `redis`. Undefined: none.
   */
  readonly redisUrl: string | undefined;
  /** `REDIS_PREFIX`: what every key and channel begins with, 1 to 40 letters, digits, `.`, `_`, `:` and `-`. Default `cs`. */
  readonly redisPrefix: string;
  /**
   * `REDIS_DEADLINE_MS`: so much of a lookup's deadline Redis may take, 1–60 000 and below it. Default a quarter of it.
   */
  readonly redisDeadlineMs: number;
  /** `REDIS_TTL_MS`: a value there is asked for anew in PostgreSQL after this, 1 000–86 400 000. Default 15 minutes. */
  readonly redisTtlMs: number;
  /** `MEMORY_ENTRIES`: states kept in this process, 0 (none) – 10 000 000. Default 10 000. */
  readonly memoryEntries: number;
  /** `MEMORY_TTL_MS`: how long one is used before the database is asked again, 1–86 400 000. Default 10 000. */
  readonly memoryTtlMs: number;
  /** `CACHE_MODE`: `on`, `shadow` (as without it, but recording what it would have done) or `off`. Default `on`. */
  readonly cacheMode: CacheMode;
  /**
   * `FIRST_CONTACT`: `verify-first` (sign by the best clock at hand, learn from the answer) or `sync-first` (measure
   * the exchange's clock before). Default `verify-first`.
   */
  readonly firstContact: FirstContact;
  /**
   * `CLOCK_POLICY`: how long a measured offset is kept. `adaptive`: as long as it is provably good enough, 1 minute to
   * 24 hours. `fixed`: for {@link ttlMs}. Default `adaptive`, or `fixed` where a TTL is set.
   */
  readonly clockPolicy: ClockPolicy;
  /** `STATE_TTL_MS`: the TTL of the fixed policy, 1 000–86 400 000. Default 15 minutes. */
  readonly ttlMs: number;
  /** `FLUSH_INTERVAL_MS`: how long a recorded fact may wait for its batch, 1–600 000. Default 1 000. */
  readonly flushIntervalMs: number;
  /** `MAX_PENDING_EVENTS`: facts kept while the store cannot be reached, 1–10 000 000. Default 10 000. */
  readonly maxPendingEvents: number;
  /**
   * `HITS_MAX_AGE_MS`: how long the events that count lookups are kept at least, 0 (for good) – ten years. A worker
   * forgets older ones, `forget-hits` does when it is run. Syncs, failures and invalidations are kept for good. Default 0.
   */
  readonly hitsMaxAgeMs: number;
  /** `LOG_LEVEL`. Default `info`. */
  readonly logLevel: LogLevel;
  /** `LOG_FORMAT`. Default `json`. */
  readonly logFormat: LogFormat;
}

/** Complete by its type. */
const NAMES: Readonly<Record<keyof Settings, true>> = {
  databaseUrl: true,
  databaseReplicaUrl: true,
  eventStoreUrl: true,
  dataDir: true,
  machineName: true,
  autoMigrate: true,
  projection: true,
  poolSize: true,
  namedStatements: true,
  lookupDeadlineMs: true,
  breakerResetMs: true,
  redisUrl: true,
  redisPrefix: true,
  redisDeadlineMs: true,
  redisTtlMs: true,
  memoryEntries: true,
  memoryTtlMs: true,
  cacheMode: true,
  firstContact: true,
  clockPolicy: true,
  ttlMs: true,
  flushIntervalMs: true,
  maxPendingEvents: true,
  hitsMaxAgeMs: true,
  logLevel: true,
  logFormat: true,
};
export const SETTING_NAMES: readonly string[] = Object.keys(NAMES);

export type SettingsInput = { readonly [K in keyof Settings]?: Settings[K] | undefined };

const EVENT_STORE_EXAMPLE = `${POSTGRES_EXAMPLE} or esdb://user:password@host:2113`;

/** KurrentDB is EventStoreDB's name of today. Its hosts may be several, which a URL cannot have, hence no parsing here. */
export const isEventStoreDbUrl = (text: string): boolean =>
  /^(esdb|kurrentdb)(\+discover)?:\/\/[^/?]/.test(text);

/** For the store that keeps the events; its own adapter looks at the rest of an `esdb://` URL. */
export function parseEventStoreUrl(raw: string): ParsedUrl {
  const text = raw.trim();
  return isEventStoreDbUrl(text) ? { url: text } : parsePostgresUrl(text);
}

/** What is understood of it is taken apart where it is used. */
function checkRedisUrl(raw: string): ParsedUrl {
  const parsed = parseRedisUrl(raw);
  return 'place' in parsed ? { url: raw.trim() } : parsed;
}

/** Not empty where there are any; each is a PostgreSQL URL. */
export const replicaUrls = (text: string | undefined): readonly string[] =>
  text === undefined ? [] : text.split(',').map(url => url.trim());

function checkReplicaUrls(raw: string): ParsedUrl {
  for (const text of replicaUrls(raw)) {
    const parsed = parsePostgresUrl(text);
    if (!('url' in parsed)) return parsed;
  }
  return { url: raw.trim() };
}

type Environment = Readonly<Record<string, string | undefined>>;

/** @throws InvalidSettingsError that lists every problem */
export function readSettings(input: SettingsInput = {}, env: Environment = process.env): Settings {
  const problems: string[] = [];
  // An empty variable is how shells and compose files say "not set".
  const pick = (key: keyof Settings, variable: string): unknown =>
    input[key] ?? (env[variable]?.trim() || undefined);
  const name = (key: keyof Settings, variable: string) => (input[key] === undefined ? variable : key);

  function integer(
    key: keyof Settings,
    variable: string,
    fallback: number,
    min: number,
    max: number,
  ): number {
    const raw = pick(key, variable);
    if (raw === undefined) return fallback;
    const value = typeof raw === 'string' && /^\d+$/.test(raw) ? Number(raw) : raw;
    if (Number.isInteger(value) && (value as number) >= min && (value as number) <= max)
      return value as number;
    problems.push(`${name(key, variable)} must be a whole number from ${min} to ${max}, got ${shown(raw)}`);
    return fallback;
  }

  function choice<T extends string>(
    key: keyof Settings,
    variable: string,
    fallback: T,
    allowed: readonly T[],
  ): T {
    const raw = pick(key, variable);
    if (raw === undefined) return fallback;
    if (allowed.includes(raw as T)) return raw as T;
    problems.push(`${name(key, variable)} must be one of ${allowed.join(', ')}, got ${shown(raw)}`);
    return fallback;
  }

  function flag(key: keyof Settings, variable: string, fallback: boolean): boolean {
    const raw = pick(key, variable);
    if (raw === undefined) return fallback;
    if (raw === true || raw === 'true' || raw === '1') return true;
    if (raw === false || raw === 'false' || raw === '0') return false;
    problems.push(`${name(key, variable)} must be true or false, got ${shown(raw)}`);
    return fallback;
  }

  function url(
    key: 'databaseUrl' | 'databaseReplicaUrl' | 'eventStoreUrl' | 'redisUrl',
    variable: string,
    parse: (text: string) => ParsedUrl,
    example: string,
  ): string | undefined {
    const raw = pick(key, variable);
    if (raw === undefined) return undefined;
    const parsed = typeof raw === 'string' ? parse(raw) : { problem: 'something that is not a URL' };
    if ('url' in parsed) return parsed.url;
    problems.push(`${name(key, variable)} must be a URL like ${example}, got ${parsed.problem}`);
    return undefined;
  }

  function word(key: 'machineName', variable: string): string | undefined {
    const raw = pick(key, variable);
    if (raw === undefined || (typeof raw === 'string' && /^[A-Za-z0-9._-]{1,100}$/.test(raw))) return raw;
    problems.push(
      `${name(key, variable)} must be 1 to 100 letters, digits, ".", "_" or "-", got ${shown(raw)}`,
    );
    return undefined;
  }

  function prefix(key: 'redisPrefix', variable: string, fallback: string): string {
    const raw = pick(key, variable) ?? fallback;
    if (typeof raw === 'string' && /^[A-Za-z0-9._:-]{1,40}$/.test(raw)) return raw;
    problems.push(
      `${name(key, variable)} must be 1 to 40 letters, digits, ".", "_", ":" or "-", got ${shown(raw)}`,
    );
    return fallback;
  }

  function path(key: 'dataDir', variable: string, fallback: string): string {
    const raw = pick(key, variable);
    if (raw === undefined) return fallback;
    if (typeof raw === 'string' && !raw.includes('\0')) return raw;
    problems.push(`${name(key, variable)} must be a path`);
    return fallback;
  }

  const settings: Omit<Settings, 'redisDeadlineMs'> = {
    databaseUrl: url('databaseUrl', 'DATABASE_URL', parsePostgresUrl, POSTGRES_EXAMPLE),
    databaseReplicaUrl: url('databaseReplicaUrl', 'DATABASE_REPLICA_URL', checkReplicaUrls, POSTGRES_EXAMPLE),
    eventStoreUrl: url('eventStoreUrl', 'EVENT_STORE_URL', parseEventStoreUrl, EVENT_STORE_EXAMPLE),
    machineName: word('machineName', 'MACHINE_NAME'),
    dataDir: path('dataDir', 'CONNECTOR_STATE_DATA_DIR', '.data'),
    autoMigrate: flag('autoMigrate', 'AUTO_MIGRATE', true),
    projection: choice('projection', 'PROJECTION', 'inline', PROJECTION_MODES),
    poolSize: integer('poolSize', 'POOL_SIZE', 4, 1, 100),
    namedStatements: flag('namedStatements', 'NAMED_STATEMENTS', true),
    lookupDeadlineMs: integer('lookupDeadlineMs', 'LOOKUP_DEADLINE_MS', 100, 1, 60_000),
    breakerResetMs: integer('breakerResetMs', 'BREAKER_RESET_MS', 5_000, 10, 600_000),
    redisUrl: url('redisUrl', 'REDIS_URL', checkRedisUrl, REDIS_EXAMPLE),
    redisPrefix: prefix('redisPrefix', 'REDIS_PREFIX', 'cs'),
    redisTtlMs: integer('redisTtlMs', 'REDIS_TTL_MS', 900_000, 1_000, 86_400_000),
    memoryEntries: integer('memoryEntries', 'MEMORY_ENTRIES', 10_000, 0, 10_000_000),
    memoryTtlMs: integer('memoryTtlMs', 'MEMORY_TTL_MS', DEFAULT_MEMORY_TTL_MS, 1, 86_400_000),
    cacheMode: choice('cacheMode', 'CACHE_MODE', 'on', CACHE_MODES),
    firstContact: choice('firstContact', 'FIRST_CONTACT', 'verify-first', FIRST_CONTACTS),
    clockPolicy: choice(
      'clockPolicy',
      'CLOCK_POLICY',
      pick('ttlMs', 'STATE_TTL_MS') === undefined ? 'adaptive' : 'fixed',
      CLOCK_POLICIES,
    ),
    ttlMs: integer('ttlMs', 'STATE_TTL_MS', DEFAULT_TTL_MS, MIN_TTL_MS, MAX_TTL_MS),
    flushIntervalMs: integer('flushIntervalMs', 'FLUSH_INTERVAL_MS', 1_000, 1, 600_000),
    maxPendingEvents: integer('maxPendingEvents', 'MAX_PENDING_EVENTS', 10_000, 1, 10_000_000),
    hitsMaxAgeMs: integer('hitsMaxAgeMs', 'HITS_MAX_AGE_MS', 0, 0, 315_360_000_000),
    logLevel: choice('logLevel', 'LOG_LEVEL', 'info', LOG_LEVELS),
    logFormat: choice('logFormat', 'LOG_FORMAT', 'json', LOG_FORMATS),
  };
  const { redisUrl, lookupDeadlineMs } = settings;
  const aQuarter = Math.max(1, Math.floor(lookupDeadlineMs / 4));
  const redisDeadlineMs = integer('redisDeadlineMs', 'REDIS_DEADLINE_MS', aQuarter, 1, 60_000);
  if (redisUrl !== undefined && redisDeadlineMs >= lookupDeadlineMs) {
    problems.push(
      `${name('redisDeadlineMs', 'REDIS_DEADLINE_MS')} must be below ${name('lookupDeadlineMs', 'LOOKUP_DEADLINE_MS')} (${lookupDeadlineMs}), so that PostgreSQL can still be asked, got ${redisDeadlineMs}`,
    );
  }
  if (settings.databaseReplicaUrl !== undefined && settings.databaseUrl === undefined) {
    problems.push(
      `${name('databaseReplicaUrl', 'DATABASE_REPLICA_URL')} needs DATABASE_URL, the primary that its servers are replicas of`,
    );
  }
  if (problems.length > 0) throw new InvalidSettingsError(problems);
  return { ...settings, redisDeadlineMs };
}
