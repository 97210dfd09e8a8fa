/**
 * `npm run test:esdb -- <url>`: what must hold with any EventStoreDB, held with the one at the URL. It may be in use and
 * secured: every stream written has a prefix of this run before its name (`test/support/esdb-gateway/`), nothing else
 * is touched, and the user needs the right to read `$all` and to write streams.
 */
import { spawnSync } from 'node:child_process';

const FILES = [
  'test/event-store/eventstoredb-contract.integration.test.ts',
  'test/event-store/eventstoredb-model.property.test.ts',
  'test/event-store/eventstoredb-whole.e2e.test.ts',
  'test/faults/kill.e2e.test.ts',
];

const [url, ...options] = process.argv.slice(2);
if (!/^esdb(\+discover)?:\/\//.test(url ?? '')) {
  process.stderr.write(
    "usage: npm run test:esdb -- 'esdb://user:password@host:2113?tlsCAFile=ca.pem' [jest options]\n",
  );
  process.exit(2);
}
const { status } = spawnSync(
  process.execPath,
  [
    '--experimental-vm-modules',
    '--no-warnings=ExperimentalWarning',
    'node_modules/jest/bin/jest.js',
    ...FILES,
    ...options,
  ],
  { stdio: 'inherit', env: { ...process.env, ESDB_TEST_URL: url } },
);
process.exit(status ?? 1);
