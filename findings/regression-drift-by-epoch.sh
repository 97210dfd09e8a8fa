#!/usr/bin/env bash
# ml-regression-simple-linear 3.0.1 and regression 2.0.1, Node 20: the drift of a clock, fitted over timestamps of
# milliseconds, comes out as half or twice what it is.
#
# Samples of a clock's offset over `Date.now()` are the plainest input there is to a straight line: a perfect one here, of
# 20 ppm. Both packages sum up the squares of x as they come, and a timestamp of 13 digits squared has 25, of which a double
# keeps 16; the slope is the small difference of two such sums. The shorter the time that is looked at, the less is right: of
# a day nothing is lost, of a minute nothing is left, and no error tells. (`regression` rounds to two decimals on top of it
# unless `precision` says otherwise, as its README has it; twelve are asked for here.) simple-statistics, which takes the
# means off before it sums, has it right; so have all three, when the first timestamp is taken off.
#
# Here: a drift is summed up over times relative to the latest sample (src/clock/drift.ts).
#
# Output seen (2026-11), a clock that drifts by 20 ppm:
#   100 samples, one a second: ml-regression-simple-linear 37.89, regression 37.89, simple-statistics 20.00
#   60 samples, one a second: ml-regression-simple-linear 9.82, regression 9.82, simple-statistics 20.00
#   10 samples, one a minute: ml-regression-simple-linear 20.10, regression 20.10, simple-statistics 20.00
#   60 samples, one a second, from 0: ml-regression-simple-linear 20.00, regression 20.00, simple-statistics 20.00
set -euo pipefail
directory="$(mktemp -d)"
trap 'rm -rf "$directory"' EXIT
cd "$directory"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund ml-regression-simple-linear@3.0.1 regression@2.0.1 simple-statistics@7.12.1
cat >run.mjs <<'JS'
import { SimpleLinearRegression } from 'ml-regression-simple-linear';
import regression from 'regression';
import { linearRegression } from 'simple-statistics';

const DRIFT = 20e-6;
const start = Date.UTC(2026, 10, 28);
function fitted(samples, everyMs, from) {
  const x = Array.from({ length: samples }, (_, n) => from + n * everyMs);
  const y = x.map(at => 120 + DRIFT * (at - from));
  const points = x.map((at, n) => [at, y[n]]);
  const ppm = {
    'ml-regression-simple-linear': new SimpleLinearRegression(x, y).slope * 1e6,
    regression: regression.linear(points, { precision: 12 }).equation[0] * 1e6,
    'simple-statistics': linearRegression(points).m * 1e6,
  };
  const every = everyMs === 1_000 ? 'second' : 'minute';
  const told = Object.entries(ppm).map(([name, value]) => `${name} ${value.toFixed(2)}`);
  console.log(`${samples} samples, one a ${every}${from === 0 ? ', from 0' : ''}: ${told.join(', ')}`);
  return Object.values(ppm).map(value => value.toFixed(2)).join(' ');
}
const isAsSeen =
  fitted(100, 1_000, start) === '37.89 37.89 20.00' &&
  fitted(60, 1_000, start) === '9.82 9.82 20.00' &&
  fitted(10, 60_000, start) === '20.10 20.10 20.00' &&
  fitted(60, 1_000, 0) === '20.00 20.00 20.00';
process.exit(isAsSeen ? 0 : 1);
JS
node run.mjs
