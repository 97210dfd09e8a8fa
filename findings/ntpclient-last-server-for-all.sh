#!/usr/bin/env bash
# ntpclient 1.7.2, Node 20: of several clients that were told their server by arguments, all ask the last one's.
#
# Its README (https://www.npmjs.com/package/ntpclient) shows a client made with an object and one made with server, port
# and time-out in a row. The second way writes them into the package's own defaults, which all such clients hold: the server
# that was named last, and its port, are asked by each client made before, and by `new NTPClient()` after. Whoever asks two
# or three servers, so that one that is wrong shows beside the others, asks one of them three times; they agree, to the
# millisecond, on whatever it says. With an object each client has its own.
#
# Here: no NTP package is used; clocks that contradict each other are told apart by who measured (src/clock/quorum.ts), and
# docs/clock-accuracy.md says what not to judge a host by.
#
# Output seen (2026-11):
#   server and port as arguments: the right server says 60 min, the one an hour ahead 60 min
#   server and port in an object: the right server says 0 min, the one an hour ahead 60 min
set -euo pipefail
directory="$(mktemp -d)"
trap 'rm -rf "$directory"' EXIT
cd "$directory"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund ntpclient@1.7.2
cat >run.mjs <<'JS'
import { createSocket } from 'node:dgram';
import { NTPClient } from 'ntpclient';

const SECONDS_FROM_1900_TO_1970 = 2_208_988_800;
/** An NTP server whose clock is this far from this machine's. */
async function serve(aheadMs) {
  const server = createSocket('udp4');
  server.on('message', (_, { port, address }) => {
    const packet = Buffer.alloc(48);
    packet.set([0x1c, 2, 6, 0xec]); // version 3 as asked, a server of stratum 2, to the microsecond
    packet.set([127, 0, 0, 1], 12);
    const ms = Date.now() + aheadMs;
    for (const at of [16, 32, 40]) {
      packet.writeUInt32BE(Math.floor(ms / 1000) + SECONDS_FROM_1900_TO_1970, at);
      packet.writeUInt32BE(Math.floor(((ms % 1000) / 1000) * 2 ** 32), at + 4);
    }
    server.send(packet, port, address);
  });
  await new Promise(done => server.bind(0, '127.0.0.1', done));
  return server;
}
const hour = 3_600_000;
const servers = [await serve(0), await serve(hour)];
const clients = {
  'server and port as arguments': servers.map(each => new NTPClient('127.0.0.1', each.address().port)),
  'server and port in an object': servers.map(each => new NTPClient({ server: '127.0.0.1', port: each.address().port })),
};
const seen = [];
for (const [way, [right, fast]] of Object.entries(clients)) {
  const ahead = [];
  for (const client of [right, fast]) ahead.push(Math.round((await client.getNetworkTime() - Date.now()) / 60_000));
  console.log(`${way}: the right server says ${ahead[0]} min, the one an hour ahead ${ahead[1]} min`);
  seen.push(ahead.join(' '));
}
for (const server of servers) server.close();
process.exit(seen[0] === '60 60' && seen[1] === '0 60' ? 0 : 1);
JS
node run.mjs
