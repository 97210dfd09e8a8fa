/** Settings: every problem at once, and never a secret in one. */
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { InvalidSettingsError } from '../src/base/errors.js';
import { readSettings, type SettingsInput } from '../src/composition/settings.js';

function problemsOf(input: SettingsInput, env: Record<string, string | undefined> = {}): readonly string[] {
  try {
    readSettings(input, env);
    return [];
  } catch (error) {
    expect((error as InvalidSettingsError).code).toBe('INVALID_SETTINGS');
    return (error as InvalidSettingsError).problems;
  }
}

const URL_WITH_PASSWORD = 'postgres://app:hunter2@db.internal:5432/app';

describe('readSettings', () => {
  it('has a default for everything', () => {
    expect(readSettings({}, {})).toEqual({
      databaseUrl: undefined,
      eventStoreUrl: undefined,
      dataDir: '.data',
      autoMigrate: true,
      projection: 'inline',
      poolSize: 4,
      namedStatements: true,
      lookupDeadlineMs: 100,
      breakerResetMs: 5_000,
      redisUrl: undefined,
      redisPrefix: 'cs',
      redisDeadlineMs: 25,
      redisTtlMs: 900_000,
      memoryEntries: 10_000,
      memoryTtlMs: 10_000,
      cacheMode: 'on',
      firstContact: 'verify-first',
      clockPolicy: 'adaptive',
      ttlMs: 900_000,
      hitsMaxAgeMs: 0,
      flushIntervalMs: 1_000,
      maxPendingEvents: 10_000,
      logLevel: 'info',
      logFormat: 'json',
    });
  });

  it('reads every setting from the environment', () => {
    const env = {
      DATABASE_URL: URL_WITH_PASSWORD,
      DATABASE_REPLICA_URL: ' postgres://r1/db, postgres://r2/db ',
      EVENT_STORE_URL: 'postgresql://other/db',
      CONNECTOR_STATE_DATA_DIR: '/var/lib/cs',
      MACHINE_NAME: 'node-7.eu',
      AUTO_MIGRATE: 'false',
      PROJECTION: 'worker',
      POOL_SIZE: '10',
      NAMED_STATEMENTS: '0',
      LOOKUP_DEADLINE_MS: '50',
      BREAKER_RESET_MS: '1000',
      REDIS_URL: 'rediss://user:password@redis:6379',
      REDIS_PREFIX: 'app:cs',
      REDIS_DEADLINE_MS: '20',
      REDIS_TTL_MS: '60000',
      MEMORY_ENTRIES: '0',
      MEMORY_TTL_MS: '1',
      CACHE_MODE: 'shadow',
      FIRST_CONTACT: 'sync-first',
      CLOCK_POLICY: 'adaptive',
      STATE_TTL_MS: '60000',
      FLUSH_INTERVAL_MS: '250',
      MAX_PENDING_EVENTS: '5',
      LOG_LEVEL: 'debug',
      HITS_MAX_AGE_MS: '86400000',
      LOG_FORMAT: 'pretty',
    };
    expect(readSettings({}, env)).toEqual({
      databaseUrl: URL_WITH_PASSWORD,
      databaseReplicaUrl: 'postgres://r1/db, postgres://r2/db',
      eventStoreUrl: 'postgresql://other/db',
      dataDir: '/var/lib/cs',
      machineName: 'node-7.eu',
      autoMigrate: false,
      projection: 'worker',
      poolSize: 10,
      namedStatements: false,
      lookupDeadlineMs: 50,
      breakerResetMs: 1_000,
      redisUrl: 'rediss://user:password@redis:6379',
      redisPrefix: 'app:cs',
      redisDeadlineMs: 20,
      redisTtlMs: 60_000,
      memoryEntries: 0,
      memoryTtlMs: 1,
      cacheMode: 'shadow',
      firstContact: 'sync-first',
      clockPolicy: 'adaptive',
      ttlMs: 60_000,
      hitsMaxAgeMs: 86_400_000,
      flushIntervalMs: 250,
      maxPendingEvents: 5,
      logLevel: 'debug',
      logFormat: 'pretty',
    });
  });

  it.each(['a b', 'a/b', 'x'.repeat(101), 'ü'])('refuses the machine name %p', machineName => {
    expect(() => readSettings({ machineName }, {})).toThrow(/machineName must be 1 to 100 letters/);
  });

  it('takes a TTL that is set for the wish to have it fixed', () => {
    expect(readSettings({ ttlMs: 60_000 }, {}).clockPolicy).toBe('fixed');
    expect(readSettings({}, { STATE_TTL_MS: '60000' }).clockPolicy).toBe('fixed');
    expect(readSettings({ ttlMs: 60_000, clockPolicy: 'adaptive' }, {}).clockPolicy).toBe('adaptive');
  });

  it('prefers options to the environment, also when they say no', () => {
    const env = { POOL_SIZE: '10', AUTO_MIGRATE: 'true', MEMORY_ENTRIES: '7', LOG_LEVEL: 'debug' };
    expect(readSettings({ poolSize: 3, autoMigrate: false, memoryEntries: 0 }, env)).toMatchObject({
      poolSize: 3,
      autoMigrate: false,
      memoryEntries: 0,
      logLevel: 'debug',
    });
  });

  it('takes an option that is undefined and a variable that is empty for not set', () => {
    expect(readSettings({ poolSize: undefined }, { POOL_SIZE: '9' }).poolSize).toBe(9);
    expect(
      readSettings({}, { DATABASE_URL: '', POOL_SIZE: '', AUTO_MIGRATE: '', LOG_LEVEL: '', PROJECTION: '' }),
    ).toEqual(readSettings({}, {}));
  });

  it('does not look at a bad variable that an option overrides', () => {
    expect(problemsOf({ poolSize: 2 }, { POOL_SIZE: 'many' })).toEqual([]);
  });

  it('wants of replicas that each is a URL, and a primary', () => {
    expect(problemsOf({ databaseReplicaUrl: 'postgres://r1/db' }, {})).toEqual([
      'databaseReplicaUrl needs DATABASE_URL, the primary that its servers are replicas of',
    ]);
    const env = {
      DATABASE_URL: 'postgres://p/db',
      DATABASE_REPLICA_URL: 'postgres://r1/db,http://u:hunter2@r2/db',
    };
    const problems = problemsOf({}, env);
    expect(problems).toEqual([expect.stringMatching(/^DATABASE_REPLICA_URL must be a URL like/)]);
    expect(problems.join()).not.toContain('hunter2');
  });

  it('wants of Redis a URL, a prefix without braces, and time left for PostgreSQL', () => {
    expect(
      problemsOf({ redisUrl: 'http://user:hunter2@h', redisPrefix: '{x}' }, { REDIS_DEADLINE_MS: '100' }),
    ).toEqual([
      'redisUrl must be a URL like redis://user:password@host:6379, got one that starts with http:',
      'redisPrefix must be 1 to 40 letters, digits, ".", "_", ":" or "-", got "{x}"',
    ]);
    expect(problemsOf({ redisUrl: 'redis://h' }, { REDIS_DEADLINE_MS: '100' })).toEqual([
      'REDIS_DEADLINE_MS must be below LOOKUP_DEADLINE_MS (100), so that PostgreSQL can still be asked, got 100',
    ]);
  });

  it('lists every problem at once, by the name the user knows, with value and remedy', () => {
    const problems = problemsOf(
      { lookupDeadlineMs: 0 },
      {
        DATABASE_URL: 'mysql://root:hunter2@db/app',
        EVENT_STORE_URL: 'not a url',
        AUTO_MIGRATE: 'maybe',
        PROJECTION: 'later',
        POOL_SIZE: '101',
        MEMORY_ENTRIES: '-1',
        STATE_TTL_MS: '1.5',
        FLUSH_INTERVAL_MS: '1e3',
        LOG_LEVEL: 'loud',
      },
    );
    expect(problems).toEqual([
      expect.stringMatching(/^DATABASE_URL must be a URL like postgres:.*one that starts with mysql:$/),
      expect.stringMatching(/^EVENT_STORE_URL must be a URL like postgres:.*something that is not a URL$/),
      'AUTO_MIGRATE must be true or false, got "maybe"',
      'PROJECTION must be one of inline, worker, got "later"',
      'POOL_SIZE must be a whole number from 1 to 100, got "101"',
      'lookupDeadlineMs must be a whole number from 1 to 60000, got 0',
      'MEMORY_ENTRIES must be a whole number from 0 to 10000000, got "-1"',
      'STATE_TTL_MS must be a whole number from 1000 to 86400000, got "1.5"',
      'FLUSH_INTERVAL_MS must be a whole number from 1 to 600000, got "1e3"',
      'LOG_LEVEL must be one of silent, error, warn, info, debug, got "loud"',
    ]);
  });

  it.each([
    'mysql://app:hunter2@db/app',
    'postgres//app:hunter2@db/app',
    'app:hunter2@db/app',
    'hunter2:5432',
    'postgres://app:hunter2@db:99999999/app',
    'postgres://app:hunter2@[nonsense/app',
  ])('never repeats a connection string (%s)', url => {
    for (const problems of [problemsOf({ databaseUrl: url }), problemsOf({}, { EVENT_STORE_URL: url })]) {
      expect(problems).toHaveLength(1);
      expect(problems.join()).not.toContain('hunter2');
      expect(problems.join()).not.toContain('app:');
    }
  });

  it.each(['POOL_SIZE', 'MACHINE_NAME', 'PROJECTION', 'AUTO_MIGRATE', 'REDIS_PREFIX', 'LOG_LEVEL'])(
    'tells no password of a URL that was set as %s',
    variable => {
      for (const password of ['hunter2', 'hun/ter2@x', `hunter2${'x'.repeat(100)}`]) {
        const read = () => readSettings({}, { [variable]: `postgres://me:${password}@db.example:5432/app` });

        expect(read).toThrow(`${variable} must be`);
        expect(read).not.toThrow(/hun/);
        expect(read).toThrow('"postgres://me:…@db.example:5432/app"');
      }
    },
  );

  it('accepts the limits and refuses what lies beyond, for whatever number', () => {
    fc.assert(
      fc.property(fc.oneof(fc.integer(), fc.double(), fc.constantFrom(0, 1, 100, 101)), value => {
        const isValid = Number.isInteger(value) && value >= 1 && value <= 100;
        expect(problemsOf({ poolSize: value })).toHaveLength(isValid ? 0 : 1);
      }),
    );
  });
});
