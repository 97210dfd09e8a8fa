#!/usr/bin/env bash
# @destinationstransfers/ntp 2.0.0, Node 20: of the server's time only the whole seconds are read; the milliseconds are made
# of another field, and stay the same for weeks.
#
# `getNetworkTime()` is documented to give the time of the server as a Date, and shown with milliseconds
# (https://github.com/destinationstransfers/ntp), for machines whose own time is not good enough. A timestamp of NTP is 32
# bits of seconds and 32 bits of a fraction (https://www.rfc-editor.org/rfc/rfc5905#section-6). The package takes the
# seconds of the time of receipt and, as their fraction, the *seconds* of the time of sending, which moves by a millisecond
# in 50 days. Whatever the server says behind the second, the answer is the same, in these years 0.93: a clock compared with
# it shows an offset anywhere within one second, by the moment of asking, and one that is right looks as if it were off.
#
# Here: no NTP package is used; docs/clock-accuracy.md says what not to judge a host by.
#
# Output seen (2026-11):
#   the server says .000: told .932, 932 ms off
#   the server says .250: told .932, 682 ms off
#   the server says .500: told .932, 432 ms off
#   the server says .750: told .932, 182 ms off
set -euo pipefail
directory="$(mktemp -d)"
trap 'rm -rf "$directory"' EXIT
cd "$directory"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund @destinationstransfers/ntp@2.0.0
cat >run.mjs <<'JS'
import { createSocket } from 'node:dgram';
import ntp from '@destinationstransfers/ntp';

const SECONDS_FROM_1900_TO_1970 = 2_208_988_800;
const second = Date.UTC(2026, 10, 27, 16) / 1000;
let saidMs = 0;
const server = createSocket('udp4');
server.on('message', (_, { port, address }) => {
  const packet = Buffer.alloc(48);
  packet.set([0x1c, 2, 6, 0xec]); // version 3 as asked, a server of stratum 2, to the microsecond
  packet.set([127, 0, 0, 1], 12);
  for (const at of [16, 32, 40]) {
    packet.writeUInt32BE(second + SECONDS_FROM_1900_TO_1970, at);
    packet.writeUInt32BE((saidMs / 1000) * 2 ** 32, at + 4);
  }
  server.send(packet, port, address);
});
await new Promise(done => server.bind(0, '127.0.0.1', done));
const behindTheSecond = ms => `.${String(ms).padStart(3, '0')}`;
const told = new Set();
for (saidMs of [0, 250, 500, 750]) {
  const date = await ntp.getNetworkTime({ server: '127.0.0.1', port: server.address().port });
  const toldMs = date.getTime() - second * 1000;
  told.add(toldMs);
  console.log(`the server says ${behindTheSecond(saidMs)}: told ${behindTheSecond(toldMs)}, ${toldMs - saidMs} ms off`);
}
server.close();
process.exit(told.size === 1 ? 0 : 1);
JS
node run.mjs
