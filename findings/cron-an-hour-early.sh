#!/usr/bin/env bash
# cron 4.4.0 (the package under @nestjs/schedule), Node 20: on the night when the clocks go back, a daily job also runs an
# hour before its time.
#
# With `timeZone` a job is to run by that zone's clock (https://github.com/kelektiv/node-cron). On the day of the change a
# job whose hour follows the repeated one runs twice: where 03:00 is meant, at 02:00, which the expression does not name,
# and again at 03:00. The same schedule in versions up to 4.1.0 runs once, as it does in croner. The time reached by adding
# hours to the zone's clock is taken for the right one without a look at what that clock then says. A rollover, a payment
# or a warm-up that must come once a day comes twice, one of them early.
#
# Here: schedules are UTC unless told otherwise, and kept by croner (`connector-state warm --at`, docs/cli.md); warming
# twice is harmless.
#
# Output seen (2026-11), cron 4.1.0 | cron 4.4.0 | croner 11.0.1:
#   0 3 * * * in Europe/Berlin, 2026-10-25: 03:00 | 02:00 03:00 | 03:00
#   30 2 * * * in America/New_York, 2026-11-01: 02:30 | 01:30 02:30 | 02:30
#   0 3 * * * in UTC, 2026-10-25: 03:00 | 03:00 | 03:00
set -euo pipefail
directory="$(mktemp -d)"
trap 'rm -rf "$directory"' EXIT
cd "$directory"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund cron@4.4.0 before@npm:cron@4.1.0 croner@11.0.1
cat >run.mjs <<'JS'
import { mock } from 'node:test';
// Before the packages are loaded: they may keep the timers they find.
mock.timers.enable({ apis: ['setTimeout', 'setInterval', 'Date'] });
const { CronJob } = await import('cron');
const { CronJob: Before } = await import('before');
const { Cron } = await import('croner');

const MINUTE_MS = 60_000;
/** The runs on this day, by the zone's own clock, of a job that has been running since the day before. */
function runs(start, zone, day) {
  const clock = new Intl.DateTimeFormat('sv', { timeZone: zone, dateStyle: 'short', timeStyle: 'short' });
  const told = [];
  mock.timers.setTime(Date.parse(`${day}T00:00Z`) - 24 * 60 * MINUTE_MS);
  const job = start(() => told.push(clock.format(new Date())));
  for (let n = 0; n < 3 * 24 * 60; n++) mock.timers.tick(MINUTE_MS);
  job.stop();
  return told.filter(each => each.startsWith(day)).map(each => each.slice(-5)).join(' ');
}
const DAYS = [
  ['0 3 * * *', 'Europe/Berlin', '2026-10-25'],
  ['30 2 * * *', 'America/New_York', '2026-11-01'],
  ['0 3 * * *', 'UTC', '2026-10-25'],
];
const seen = DAYS.map(([cronTime, timeZone, day]) => {
  const by = Class => onTick => Class.from({ cronTime, timeZone, onTick, start: true });
  const [before, now, other] = [by(Before), by(CronJob), onTick => new Cron(cronTime, { timezone: timeZone }, onTick)].map(start =>
    runs(start, timeZone, day),
  );
  console.log(`${cronTime} in ${timeZone}, ${day}: ${before} | ${now} | ${other}`);
  return `${before} | ${now} | ${other}`;
});
const isAsSeen =
  seen[0] === '03:00 | 02:00 03:00 | 03:00' && seen[1] === '02:30 | 01:30 02:30 | 02:30' && seen[2] === '03:00 | 03:00 | 03:00';
process.exit(isAsSeen ? 0 : 1);
JS
node --no-warnings run.mjs
