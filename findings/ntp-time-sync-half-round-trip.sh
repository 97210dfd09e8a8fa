#!/usr/bin/env bash
# ntp-time-sync 0.5.0, Node 20: of a clock that is right it says that it is fast by half a round trip.
#
# `offset` is documented as the difference between this system's time and that of NTP
# (https://github.com/buffcode/ntp-time-sync), and the source names RFC 5905 for its figures: there the offset is ((T2 - T1)
# + (T3 - T4)) / 2, two differences with signs, in which equal ways there and back cancel
# (https://www.rfc-editor.org/rfc/rfc5905#section-8). The package adds their absolute values and guesses the sign from the
# way back. As long as the clock is off by more than one way takes, that is the same; below, where a clock under NTP always
# is, the result is half the round trip whatever the clock, and never 0. `now` and `now()` are moved by it: asking makes a
# good clock worse, by 100 ms on a path of 200. `precision`, how far the samples are apart, is small all the same. Who
# judges by it whether his host or the exchange is off judges the length of the line.
#
# Here: no NTP package is used; docs/clock-accuracy.md says what not to judge a host by.
#
# Output seen (2026-11; the last digits differ), 100 ms each way:
#   off by 0 ms: ntp-time-sync says -101, @hapi/sntp 0
#   off by 40 ms: ntp-time-sync says -101, @hapi/sntp 40
#   off by 500 ms: ntp-time-sync says 500, @hapi/sntp 500
set -euo pipefail
directory="$(mktemp -d)"
trap 'rm -rf "$directory"' EXIT
cd "$directory"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund ntp-time-sync@0.5.0 @hapi/sntp@4.0.0
cat >run.mjs <<'JS'
import { createSocket } from 'node:dgram';
import { time } from '@hapi/sntp';
import { NtpTimeSync } from 'ntp-time-sync';

const ONE_WAY_MS = 100;
const SECONDS_FROM_1900_TO_1970 = 2_208_988_800;

/** An NTP server whose clock is `aheadMs` ahead of this machine's, at the end of a line of ONE_WAY_MS. */
async function serve(aheadMs) {
  const server = createSocket('udp4');
  const write = (packet, at, ms) => {
    packet.writeUInt32BE(Math.floor(ms / 1000) + SECONDS_FROM_1900_TO_1970, at);
    packet.writeUInt32BE(Math.floor(((ms % 1000) / 1000) * 2 ** 32), at + 4);
  };
  server.on('message', (asked, { port, address }) => {
    setTimeout(() => {
      const packet = Buffer.alloc(48);
      packet.set([0x24, 2, 6, 0xec]); // version 4, a server of stratum 2, to the microsecond
      packet.set([127, 0, 0, 1], 12);
      const now = Date.now() + aheadMs;
      write(packet, 16, now - 1000);
      asked.copy(packet, 24, 40, 48);
      write(packet, 32, now);
      write(packet, 40, now);
      setTimeout(() => server.send(packet, port, address), ONE_WAY_MS);
    }, ONE_WAY_MS);
  });
  await new Promise(done => server.bind(0, '127.0.0.1', done));
  return server;
}

/** Both by the median of five, for the machine may be busy. */
const median = values => values.sort((a, b) => a - b)[values.length >> 1];
async function told(aheadMs) {
  const server = await serve(aheadMs);
  const { port } = server.address();
  const theirs = [];
  const right = [];
  for (let n = 0; n < 5; n++) {
    const sync = new NtpTimeSync({ servers: [`127.0.0.1:${port}`], sampleCount: 1 });
    theirs.push((await sync.getTime(true)).offset);
    right.push((await time({ host: '127.0.0.1', port, resolveReference: false })).t);
  }
  server.close();
  const seen = { theirs: median(theirs), right: median(right) };
  console.log(`off by ${aheadMs} ms: ntp-time-sync says ${Math.round(seen.theirs)}, @hapi/sntp ${Math.round(seen.right)}`);
  return seen;
}
const isNear = (value, expected) => Math.abs(value - expected) < 50;
const good = await told(0);
const little = await told(40);
const much = await told(500);
const isAsSeen =
  good.theirs < -0.9 * ONE_WAY_MS && isNear(good.right, 0) && little.theirs < -0.9 * ONE_WAY_MS && isNear(little.right, 40) &&
  isNear(much.theirs, 500) && isNear(much.right, 500);
process.exit(isAsSeen ? 0 : 1);
JS
node run.mjs
