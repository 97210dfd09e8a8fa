/**
 * The database every benchmark runs against: an embedded PostgreSQL in a temporary directory, durable like one
 * in production (every commit waits for the disk), gone when the run ends however it ends. Each benchmark has
 * a database of its own in it.
 */
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pg } from '../src/postgres/driver.js';
import { startEmbeddedPostgres } from '../src/postgres/embedded/index.js';
import { migrate } from '../src/read-model/migrate.js';

export interface BenchServer {
  /** Removed at the end: for whatever else a benchmark leaves on disk. */
  readonly directory: string;
  /** e.g. `18.4` */
  readonly version: string;
  /** Runs `work` with a migrated database of its own, which is dropped afterwards. */
  withDatabase<T>(name: string, work: (databaseUrl: string) => Promise<T>): Promise<T>;
  /** The same without tables. */
  withEmptyDatabase<T>(name: string, work: (databaseUrl: string) => Promise<T>): Promise<T>;
  stop(): Promise<void>;
}

export async function startBenchServer(): Promise<BenchServer> {
  const directory = await mkdtemp(join(tmpdir(), 'connector-state-bench-'));
  // Under root the server runs as another user, who must get in.
  await chmod(directory, 0o711);
  const removeDirectory = () => rm(directory, { recursive: true, force: true });
  const server = await startEmbeddedPostgres({ dataDir: join(directory, 'postgres') }).catch(async error => {
    await removeDirectory();
    throw error;
  });
  const admin = async (statement: string) => {
    const client = new pg.Client({ connectionString: server.url });
    await client.connect();
    try {
      return (await client.query(statement)).rows as Record<string, string>[];
    } finally {
      await client.end();
    }
  };
  const [answer] = await admin('SHOW server_version');
  const withEmptyDatabase: BenchServer['withEmptyDatabase'] = async (name, work) => {
    const database = `bench_${name}`;
    await admin(`CREATE DATABASE ${database}`);
    try {
      const url = new URL(server.url);
      url.pathname = `/${database}`;
      return await work(url.href);
    } finally {
      await admin(`DROP DATABASE ${database} WITH (FORCE)`);
    }
  };
  return {
    directory,
    version: String(answer?.server_version).split(' ')[0] as string,
    withEmptyDatabase,
    withDatabase: (name, work) =>
      withEmptyDatabase(name, async url => {
        await migrate(url);
        return work(url);
      }),
    async stop() {
      await server.stop();
      await removeDirectory();
    },
  };
}
