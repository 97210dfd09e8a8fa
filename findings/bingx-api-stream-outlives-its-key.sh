#!/usr/bin/env bash
# bingx-api 1.21.0, Node 20: the account stream lets its listen key run out after an hour, and then looks as alive as
# before.
#
# BingX's listen key lasts an hour and is to be extended by a PUT in time (https://bingx-api.github.io/docs/, swap V2,
# account and position push). The SDK's README shows the stream alone as all there is to do (`new
# BingxAccountSocketStream(account)`), and the SDK has a class for that PUT. Nothing sends it: in two hours the stream makes
# one request, the POST for its first key. When the exchange says `listenKeyExpired`, that is passed on as an event and no
# new key is fetched; the connection stays open, pings go on being answered (`heartbeat$`), no disconnect is told. What
# comes no more are orders and positions. The service for listen keys has no method to extend one either (the README's list
# of what is done leaves it open), and the stream does not say which key it has.
#
# Here: `attach()` of a connector makes a stream whose `keepAlive()` extends the key by a signed request
# (src/exchanges/bingx/attached-stream.ts, docs/guide.md).
#
# Output seen (2026-11):
#   requests in two hours: POST /openApi/user/auth/userDataStream
#   told listenKeyExpired 1 time, disconnected 0 times; pings answered after it: 10 of 10
set -euo pipefail
directory="$(mktemp -d)"
trap 'rm -rf "$directory"' EXIT
cd "$directory"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund bingx-api@1.21.0 ws@8.18.3
cat >run.mjs <<'JS'
import { once } from 'node:events';
import { mock } from 'node:test';
import { gzipSync } from 'node:zlib';
import bingx from 'bingx-api';
import { WebSocketServer } from 'ws';

const MINUTE_MS = 60_000;
const PINGS = 10;
// What the SDK would do by a timer it may do at once: hours pass by the minute, and answers in between.
mock.timers.enable({ apis: ['setTimeout', 'setInterval', 'Date'] });
async function pass(minutes) {
  for (let n = 0; n < minutes; n++) {
    mock.timers.tick(MINUTE_MS);
    await new Promise(setImmediate);
  }
}

const server = new WebSocketServer({ host: '127.0.0.1', port: 0 });
await once(server, 'listening');
const requests = [];
const requestExecutor = {
  execute: async endpoint => {
    requests.push(`${endpoint.method().toUpperCase()} ${endpoint.path()}`);
    return { listenKey: 'key-of-an-hour' };
  },
};
const url = new URL(`ws://127.0.0.1:${server.address().port}/swap-market`);
const stream = new bingx.BingxAccountSocketStream(new bingx.ApiAccount('key', 'secret'), { requestExecutor, url });
const seen = { expired: 0, disconnected: 0 };
stream.listenKeyExpired$.subscribe(() => seen.expired++);
stream.onDisconnect$.subscribe(() => seen.disconnected++);
const [socket] = await once(server, 'connection');
const say = text => socket.send(gzipSync(text));

await pass(60);
const told = new Promise(done => stream.listenKeyExpired$.subscribe(done));
say(JSON.stringify({ e: 'listenKeyExpired', E: Date.now(), listenKey: 'key-of-an-hour' }));
await told;
await pass(60);
let answered = 0;
for (let n = 0; n < PINGS; n++) {
  say('Ping');
  const [reply] = await once(socket, 'message');
  if (String(reply) === 'Pong') answered++;
}
console.log(`requests in two hours: ${requests.join(', ')}`);
console.log(
  `told listenKeyExpired ${seen.expired} time, disconnected ${seen.disconnected} times; pings answered after it: ${answered} of ${PINGS}`,
);
const isAsSeen = requests.length === 1 && seen.expired === 1 && seen.disconnected === 0 && answered === PINGS;
process.exit(isAsSeen ? 0 : 1);
JS
node --no-warnings run.mjs
