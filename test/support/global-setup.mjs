/**
 * One embedded PostgreSQL for the whole run, in a directory of its own that is gone afterwards. Tests get
 * databases of their own in it, see database.ts. Jest does not compile this file, so it uses the build.
 */
import { existsSync } from 'node:fs';
import { chmod, mkdtemp, statfs } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Linux's memory file system. A database is some 300 files: made there in 10 ms, on many disks in 200 ms. */
const IN_MEMORY = { path: '/dev/shm', type: 0x01021994 };
/** A whole run has needed a third of it. A container often has 64 MB there. */
const ROOM_BYTES = 1e9;

export default async function setUp() {
  const built = new URL('../../dist/src/postgres/embedded/index.js', import.meta.url);
  if (!existsSync(built)) {
    throw new Error(
      'dist/ is missing: run the tests with "npm test", which builds first, or "npm run build".',
    );
  }
  const { startEmbeddedPostgres } = await import(built.href);
  const directory = await mkdtemp(join(await placeForDatabases(), 'connector-state-test-'));
  // Under root the server runs as another user, who must get in.
  await chmod(directory, 0o711);
  const server = await startEmbeddedPostgres({
    dataDir: join(directory, 'postgres'),
    databaseName: 'admin',
    durable: false,
  });
  process.env.TEST_ADMIN_URL = server.url;
  globalThis.testDatabaseServer = { server, directory };
}

async function placeForDatabases() {
  try {
    const { type, bavail, bsize } = await statfs(IN_MEMORY.path);
    if (type === IN_MEMORY.type && bavail * bsize >= ROOM_BYTES) return IN_MEMORY.path;
  } catch (error) {
    if (error.code !== 'ENOENT') throw error;
  }
  return tmpdir();
}
