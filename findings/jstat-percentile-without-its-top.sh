#!/usr/bin/env bash
# jstat 1.9.6, Node 20: every percentile between the two largest values is the second largest.
#
# `jStat.percentile()` goes between two neighbours in proportion, as Excel's PERCENTILE does and as its own examples show
# (https://jstat.github.io/all.html). In the last of the gaps it does not: of 20 round trips everything from the 95th
# percentile to just below the 100th is the 19th value, whatever the largest one was, and of 8 everything from the 86th. The
# few slow ones, which a percentile that high is asked for, are taken out of it. `jStat.quantiles()` of the same package,
# told to go by the same rule (`alphap` and `betap` 1), gives what it should.
#
# Here: percentiles of round trips are PostgreSQL's `percentile_disc`, a value that was measured
# (src/read-model/sample-queries.ts); no statistics package is used.
#
# Output seen (2026-11), 20 round trips, 19 of 10 … 28 ms and one of 900:
#   p94: jStat.percentile 27.86, jStat.quantiles 27.86
#   p96: jStat.percentile 28, jStat.quantiles 237.28
#   p99: jStat.percentile 28, jStat.quantiles 734.32
#   p100: jStat.percentile 900, jStat.quantiles 900
set -euo pipefail
directory="$(mktemp -d)"
trap 'rm -rf "$directory"' EXIT
cd "$directory"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund jstat@1.9.6
cat >run.mjs <<'JS'
import jstat from 'jstat';

const { jStat } = jstat;
const roundTripsMs = [...Array.from({ length: 19 }, (_, n) => 10 + n), 900];
const seen = {};
for (const p of [0.94, 0.96, 0.99, 1]) {
  const percentile = jStat.percentile(roundTripsMs, p);
  const [quantile] = jStat.quantiles(roundTripsMs, [p], 1, 1);
  seen[p] = { percentile, quantile };
  const shown = value => Number(value.toFixed(2));
  console.log(`p${p * 100}: jStat.percentile ${shown(percentile)}, jStat.quantiles ${shown(quantile)}`);
}
const isNear = (value, expected) => Math.abs(value - expected) < 0.01;
const isAsSeen =
  isNear(seen[0.94].percentile, seen[0.94].quantile) && seen[0.96].percentile === 28 && isNear(seen[0.96].quantile, 237.28) &&
  seen[0.99].percentile === 28 && isNear(seen[0.99].quantile, 734.32) && seen[1].percentile === 900;
process.exit(isAsSeen ? 0 : 1);
JS
node run.mjs
