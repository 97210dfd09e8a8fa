/**
 * A database for each test file (or test): cloned in some 30 ms from a template that was migrated once, and
 * dropped at the end, when a connection that was left open fails the test that left it.
 */
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from 'pg';
import { pg } from '../../src/postgres/driver.js';

export interface TestDatabase {
  readonly url: string;
  /** @throws when clients other than this are still connected; the database is dropped all the same */
  drop(): Promise<void>;
}

const TEMPLATE = 'migrated_template';
/** One process at a time looks for the template, and makes it. */
const TEMPLATE_LOCK = 7_305_813;
/** A pool's `end()` resolves before the server has noticed. */
const LEAK_GRACE_MS = 2_000;

/**
 * @param options.migrated false: an empty database. Default true.
 * @param options.encoding of an empty database. Default UTF8
 */
export async function createTestDatabase(
  options: { migrated?: boolean; encoding?: string } = {},
): Promise<TestDatabase> {
  const { migrated = true, encoding } = options;
  const name = `test_${randomBytes(6).toString('hex')}`;
  await withAdmin(async admin => {
    if (migrated) await ensureTemplate(admin);
    await admin.query(
      encoding
        ? `CREATE DATABASE ${name} TEMPLATE template0 ENCODING '${encoding}' LOCALE_PROVIDER libc LOCALE 'C'`
        : `CREATE DATABASE ${name} TEMPLATE ${migrated ? TEMPLATE : 'template1'}`,
    );
  });
  return { url: urlOf(name), drop: () => withAdmin(admin => drop(admin, name)) };
}

async function drop(admin: Client, name: string): Promise<void> {
  const leaked = await waitForLeave(admin, name);
  await admin.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
  if (leaked.length === 0) return;
  const list = leaked
    .map(client => `\n  ${client.application_name || '(unnamed)'}: ${client.query}`)
    .join('');
  throw new Error(`${leaked.length} connection(s) to ${name} were left open:${list}`);
}

type LeakedClient = { application_name: string; query: string };

async function waitForLeave(admin: Client, name: string): Promise<LeakedClient[]> {
  const deadline = performance.now() + LEAK_GRACE_MS;
  for (;;) {
    const { rows } = await admin.query<LeakedClient>(
      `SELECT application_name, state || ': ' || query AS query FROM pg_stat_activity
       WHERE datname = $1 AND backend_type = 'client backend'`,
      [name],
    );
    if (rows.length === 0 || performance.now() > deadline) return rows;
    await sleep(20);
  }
}

/** Migrates by the sources under test, so that a stale build can never be what the tests see. */
async function ensureTemplate(admin: Client): Promise<void> {
  await admin.query('SELECT pg_advisory_lock($1)', [TEMPLATE_LOCK]);
  try {
    const { rowCount } = await admin.query('SELECT FROM pg_database WHERE datname = $1', [TEMPLATE]);
    if (rowCount) return;
    const draft = `${TEMPLATE}_draft`;
    await admin.query(`DROP DATABASE IF EXISTS ${draft} WITH (FORCE)`);
    await admin.query(`CREATE DATABASE ${draft}`);
    const { migrate } = await import('../../src/read-model/migrate.js');
    await migrate(urlOf(draft));
    // A database with a client connected cannot be renamed, and the server is slower to notice than we are.
    await waitForLeave(admin, draft);
    await admin.query(`ALTER DATABASE ${draft} RENAME TO ${TEMPLATE}`);
  } finally {
    await admin.query('SELECT pg_advisory_unlock($1)', [TEMPLATE_LOCK]);
  }
}

async function withAdmin<T>(work: (admin: Client) => Promise<T>): Promise<T> {
  const admin = new pg.Client({ connectionString: adminUrl(), application_name: 'test admin' });
  await admin.connect();
  try {
    return await work(admin);
  } finally {
    await admin.end();
  }
}

function urlOf(database: string): string {
  const url = new URL(adminUrl());
  url.pathname = `/${database}`;
  return url.href;
}

function adminUrl(): string {
  const url = process.env.TEST_ADMIN_URL;
  if (!url) throw new Error('TEST_ADMIN_URL is not set: test/support/global-setup.mjs did not run');
  return url;
}
