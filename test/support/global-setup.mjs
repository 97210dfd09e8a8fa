/**
 * One embedded PostgreSQL for the whole run, in a directory of its own that is gone afterwards. Tests get
 * databases of their own in it, see database.ts. Jest does not compile this file, so it uses the build.
 */
import { existsSync } from 'node:fs';
import { chmod, mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export default async function setUp() {
  const built = new URL('../../dist/src/postgres/embedded/index.js', import.meta.url);
  if (!existsSync(built)) {
    throw new Error(
      'dist/ is missing: run the tests with "npm test", which builds first, or "npm run build".',
    );
  }
  const { startEmbeddedPostgres } = await import(built.href);
  const directory = await mkdtemp(join(tmpdir(), 'connector-state-test-'));
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
