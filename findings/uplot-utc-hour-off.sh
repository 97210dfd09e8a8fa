#!/usr/bin/env bash
# uplot 1.6.32, Node 20: `uPlot.tzDate(date, 'Etc/UTC')` is an hour off twice a year, where the reader has daylight saving.
#
# The project gives this function for an axis in another zone than the reader's
# (https://leeoniya.github.io/uPlot/demos/timezones-dst.html, https://github.com/leeoniya/uPlot/issues/106), and in UTC,
# which has no daylight saving, no hour should be missing. But UTC's wall clock is put into a Date of the *reader's* zone,
# moved by the difference that holds before it is moved: between a change of the reader's clocks and the same hour in UTC
# every hour is told as its neighbour. uPlot places its own marks of a time axis by it too. Reported
# (https://github.com/leeoniya/uPlot/issues/1068) and mended behind 1.6.32; no release has it. Who sets refusals against the
# steps of a clock on such a day reads another hour than a colleague elsewhere.
#
# Here: the dashboard takes no tzDate, and places and words its marks by arithmetic in UTC
# (src/dashboard/app/charts/ticks.ts; test/dashboard/clock-plots.unit.test.ts).
#
# Output seen (2026-11):
#   read in Europe/Berlin: 3 of 8760 hours wrong: 03-29 01:00 told as 00:00, 03-29 02:00 told as 01:00, 10-25 01:00 told
#     as 02:00
#   read in America/New_York: 9 of 8760 hours wrong: 03-08 02:00 told as 03:00, [...] 11-01 05:00 told as 04:00
#   read in Asia/Kolkata: 0 of 8760 hours wrong
set -euo pipefail
directory="$(mktemp -d)"
trap 'rm -rf "$directory"' EXIT
cd "$directory"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund uplot@1.6.32
cat >run.mjs <<'JS'
import uPlot from 'uplot';

const HOUR_MS = 3_600_000;
const HOURS = 8_760;
const told = uPlot.fmtDate('{MM}-{DD} {HH}:{mm}');
const wrong = [];
for (let hour = 0; hour < HOURS; hour++) {
  const time = new Date(Date.UTC(2026, 0, 1) + hour * HOUR_MS);
  const right = time.toISOString().slice(5, 16).replace('T', ' ');
  const seen = told(uPlot.tzDate(time, 'Etc/UTC'));
  if (seen !== right) wrong.push(`${right} told as ${seen.slice(6)}`);
}
console.log(`read in ${process.env.TZ}: ${wrong.length} of ${HOURS} hours wrong${wrong.length > 0 ? `: ${wrong.join(', ')}` : ''}`);
process.exit((wrong.length > 0) === (process.env.TZ !== 'Asia/Kolkata') ? 0 : 1);
JS
for zone in Europe/Berlin America/New_York Asia/Kolkata; do TZ="$zone" node run.mjs; done
