#!/usr/bin/env bash
# timesync 1.0.11, Node 20: five answers that took equally long are no measurement, and the offset stays as it was, in
# silence.
#
# The README (https://github.com/enmasseio/timesync#algorithm) says that what lies more than a standard deviation above the
# median of the round trips is dropped and the rest is averaged. What is kept is what took *less than* the median plus the
# standard deviation: when all took the same, that is zero, and no answer is less than the median. With whole milliseconds
# and a near server that is an everyday case, and with the option `repeat: 1` it is always so. Only the very first answer of
# an instance is applied at once, so that a test of one sync sees nothing wrong: a step of the clock afterwards is never
# corrected, `sync` tells start and end, and neither `change` nor `error` comes. The steadier the way, the less it measures.
#
# Here: samples are intervals, and equal ones confirm each other (src/clock/evidence.ts); docs/clock-accuracy.md says what
# else not to judge a clock by.
#
# Output seen (2026-11):
#   5 round trips of 4, 4, 4, 4, 4 ms: the offset after a step of 2000 ms is 0 ms; events: sync sync
#   5 round trips of 4, 4, 4, 4, 5 ms: the offset after a step of 2000 ms is 2000 ms; events: sync change sync
#   1 round trip of 4 ms: the offset after a step of 2000 ms is 0 ms; events: sync sync
set -euo pipefail
directory="$(mktemp -d)"
trap 'rm -rf "$directory"' EXIT
cd "$directory"
npm init -y >/dev/null
# In Node timesync loads `promise` too, which its package.json does not name.
npm install --silent --no-audit --no-fund timesync@1.0.11 promise@8.3.0
cat >run.mjs <<'JS'
import timesync from 'timesync';

const STEP_MS = 2_000;
async function afterStep(roundTripsMs) {
  let nowMs = 1_764_000_000_000;
  let serverAheadMs = 0;
  let asked = 0;
  const sync = timesync.create({
    server: 'server', now: () => nowMs, repeat: roundTripsMs.length, delay: 0, interval: null,
  });
  sync.send = async (_, { id }) => {
    const roundTripMs = roundTripsMs[asked++ % roundTripsMs.length];
    const result = nowMs + roundTripMs / 2 + serverAheadMs;
    nowMs += roundTripMs;
    sync.receive('server', { jsonrpc: '2.0', id, result });
  };
  await sync.sync();
  serverAheadMs = STEP_MS;
  const events = [];
  sync.on('sync', () => events.push('sync')).on('change', () => events.push('change')).on('error', () => events.push('error'));
  await sync.sync();
  const trips = roundTripsMs.length > 1 ? 'round trips' : 'round trip';
  console.log(
    `${roundTripsMs.length} ${trips} of ${roundTripsMs.join(', ')} ms: the offset after a step of ${STEP_MS} ms is ${sync.offset} ms; events: ${events.join(' ')}`,
  );
  return sync.offset;
}
const equal = await afterStep([4, 4, 4, 4, 4]);
const unequal = await afterStep([4, 4, 4, 4, 5]);
const single = await afterStep([4]);
process.exit(equal === 0 && unequal === STEP_MS && single === 0 ? 0 : 1);
JS
node run.mjs
