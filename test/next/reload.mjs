/** What `next dev` does to a program: the same module is evaluated again and again, beside the one of another bundle. */
import { createRequire } from 'node:module';

const shared = '../../dist/src/next/shared-connector-state.js';
const require = createRequire(import.meta.url);
const logger = { debug() {}, info() {}, warn() {}, error() {} };
logger.itself = logger;
const options = { databaseUrl: process.env.URL_OF_OPTIONS, poolSize: 1, logger };

const caches = new Set();
const opened = [];
let ofThisModule;
for (let edit = 0; edit < 4; edit++) {
  const { sharedConnectorState } = await import(`${shared}?edit=${edit}`);
  const states = await Promise.all([sharedConnectorState(options), sharedConnectorState()]);
  for (const { cache } of states) caches.add(cache);
  opened.push(states[0]);
  ofThisModule = sharedConnectorState;
}
const { sharedConnectorState } = require('../../dist/cjs/lib/next.js');
caches.add((await sharedConnectorState()).cache);

const { default: pg } = await import('pg');
const client = new pg.Client({ connectionString: process.env.URL_OF_OPTIONS });
await client.connect();
const { rows } = await client.query(
  `SELECT count(*)::integer AS n FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()`,
);
await client.end();
const { inspect } = await import('node:util');
const printed = inspect(globalThis, { depth: 9 }).includes(new URL(process.env.URL_OF_OPTIONS).password);

const warnings = [];
process.on('warning', warning => warnings.push(warning.code));
await sharedConnectorState({ poolSize: 7 });
await new Promise(setImmediate);

await opened[0].close();
const again = await ofThisModule(options);
const isNew = !caches.has(again.cache);
await again.close();

process.env.NEXT_PHASE = 'phase-production-build';
const building = await sharedConnectorState(options).catch(error => error.code);
process.stdout.write(
  JSON.stringify({ instances: caches.size, connections: rows[0].n, printed, warnings, isNew, building }),
);
