#!/usr/bin/env bash
# @castore/event-storage-adapter-postgres 2.4.2, Node 20: aggregates that began in the same millisecond are left out when
# they are listed by pages.
#
# `listAggregateIds({ limit })` gives a page and a `nextPageToken` for the rest
# (https://castore-dev.github.io/castore/docs/event-sourcing/fetching-events/), which is how all aggregates are gone through
# for a rebuild or a migration. The token holds the time of the last aggregate's first event, and the next page begins behind
# that time, so that all others of the same time are passed over. All events of one `EventStore.pushEventGroup()` have one
# time, for it is the transaction's, cut to milliseconds; so have imported events that bring their own. The first page still
# says that there is more; the next one is empty, and no error comes. Without a limit, and in the in-memory adapter that
# tests are written with, all are there.
#
# Here: a log is read by position, and that nothing is left out between two pages is one contract for all stores
# (test/contract/delivery.ts).
#
# Output seen (2026-11):
#   10 aggregates of one group: in memory 10 at once, 10 by pages of 4, 10 backwards; PostgreSQL 10 at once, 4 by pages of
#     4, 4 backwards
#   10 aggregates of the same timestamp: in memory 10 at once, 10 by pages of 4, 10 backwards; PostgreSQL 10 at once, 4 by
#     pages of 4, 4 backwards
#   10 aggregates of ten timestamps: in memory 10 at once, 10 by pages of 4, 10 backwards; PostgreSQL 10 at once, 10 by
#     pages of 4, 10 backwards
set -euo pipefail
directory="$(mktemp -d)"
trap 'rm -rf "$directory"' EXIT
# Run by root, the server is another user, who must get in.
chmod 755 "$directory"
cd "$directory"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund @castore/core@2.4.2 @castore/event-storage-adapter-postgres@2.4.2 @castore/event-storage-adapter-in-memory@2.4.2 embedded-postgres@18.4.0-beta.17
cat >run.mjs <<'JS'
import { randomUUID } from 'node:crypto';
import { createServer } from 'node:net';
import { EventStore, EventType } from '@castore/core';
import { InMemoryEventStorageAdapter } from '@castore/event-storage-adapter-in-memory';
import { PostgresEventStorageAdapter } from '@castore/event-storage-adapter-postgres';
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
const connectionString = `postgresql://finding:finding@localhost:${port}/postgres`;
const postgres = new PostgresEventStorageAdapter({ connectionString });
await PostgresEventStorageAdapter.createEventTable({ connectionString });

const NUMBER = 10;
const PAGE = 4;
function storeIn(eventStorageAdapter, eventStoreId) {
  return new EventStore({
    eventStoreId, eventTypes: [new EventType({ type: 'OPENED' })], reducer: aggregate => aggregate, eventStorageAdapter,
  });
}
const first = timestamp => ({ aggregateId: randomUUID(), version: 1, type: 'OPENED', ...(timestamp ? { timestamp } : {}) });
async function together(store) {
  const [one, ...more] = Array.from({ length: NUMBER }, () => store.groupEvent(first()));
  await EventStore.pushEventGroup(one, ...more);
}
async function each(store, apartMs) {
  for (let n = 0; n < NUMBER; n++) {
    await store.pushEvent(first(new Date(Date.UTC(2026, 10, 27, 16) + n * apartMs).toISOString()));
  }
}
async function listed(store, reverse) {
  const seen = [];
  let pageToken;
  do {
    const page = await store.listAggregateIds({ limit: PAGE, reverse, pageToken });
    seen.push(...page.aggregateIds.map(each => each.aggregateId));
    pageToken = page.nextPageToken;
  } while (pageToken !== undefined);
  return new Set(seen).size;
}
// The one in memory lists whatever it holds, of whichever store.
const adapters = { 'in memory': () => new InMemoryEventStorageAdapter(), PostgreSQL: () => postgres };
const ways = { 'one group': together, 'the same timestamp': store => each(store, 0), 'ten timestamps': store => each(store, 1) };
const seen = [];
for (const [way, push] of Object.entries(ways)) {
  const told = [];
  for (const [name, adapter] of Object.entries(adapters)) {
    const store = storeIn(adapter(), way);
    await push(store);
    const whole = (await store.listAggregateIds()).aggregateIds.length;
    const [pages, back] = [await listed(store, false), await listed(store, true)];
    seen.push(`${whole} ${pages} ${back}`);
    told.push(`${name} ${whole} at once, ${pages} by pages of ${PAGE}, ${back} backwards`);
  }
  console.log(`${NUMBER} aggregates of ${way}: ${told.join('; ')}`);
}
// Ends the server too.
process.exit(seen.join() === '10 10 10,10 4 4,10 10 10,10 4 4,10 10 10,10 10 10' ? 0 : 1);
JS
node run.mjs
