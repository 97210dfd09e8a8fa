#!/usr/bin/env bash
# okx-api 3.2.3, bitget-api 3.2.3, gateio-api 1.6.4, Node 20: `setTimeOffsetMs()` of their WebSocket clients is kept, and no
# login is signed by it.
#
# The method is public, in the types, and the same in all SDKs of the family (https://github.com/sieblyio): in bybit-api it
# moves the time that a login carries. In these three `getTimeOffsetMs()` gives back what was set, and the logins go by the
# host's clock as before. Nothing says so: where the clock is off by more than the exchange allows, the offset is learned,
# set, and the login refused, again and again. OKX and Bitget allow 30 s, so that it does not show on a host that is off by
# less, nor in a test with a small offset.
#
# Here: sockets are attached for bybit-api and ccxt, and sign each login with the exchange's time
# (src/exchanges/bybit/attached-socket.ts, src/exchanges/attached-ccxt.ts); docs/exchanges.md says what to do with these.
#
# Output seen (2026-11), an offset of 300 s:
#   bybit-api: the login's time moves by 300 s
#   okx-api: the login's time moves by 0 s; getTimeOffsetMs() says 300000
#   bitget-api: the login's time moves by 0 s; getTimeOffsetMs() says 300000
#   gateio-api: the login's time moves by 0 s; getTimeOffsetMs() says 300000
set -euo pipefail
directory="$(mktemp -d)"
trap 'rm -rf "$directory"' EXIT
cd "$directory"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund bybit-api@4.7.7 okx-api@3.2.3 bitget-api@3.2.3 gateio-api@1.6.4 ws@8.18.3
cat >run.mjs <<'JS'
import { once } from 'node:events';
import * as bitget from 'bitget-api';
import * as bybit from 'bybit-api';
import * as gate from 'gateio-api';
import * as okx from 'okx-api';
import { WebSocketServer } from 'ws';

const OFFSET_MS = 300_000;
// The SDKs greet each connection on the console.
const tell = console.log;
console.log = () => {};
const quiet = { trace() {}, info() {}, error() {} };
const account = { apiKey: 'key', apiSecret: 'secret', apiPass: 'pass' };
const SDKS = {
  'bybit-api': {
    client: wsUrl => new bybit.WebsocketAPIClient({ key: 'key', secret: 'secret', wsUrl }, quiet),
    seconds: ({ args }) => args[1] / 1000,
  },
  'okx-api': {
    client: wsUrl => new okx.WebsocketAPIClient({ accounts: [account], wsUrl }, quiet),
    seconds: ({ args }) => Number(args[0].timestamp),
  },
  'bitget-api': {
    client: wsUrl => new bitget.WebsocketAPIClient({ ...account, wsUrl }, quiet),
    seconds: ({ args }) => Number(args[0].timestamp),
  },
  'gateio-api': {
    client: wsUrl => new gate.WebsocketAPIClient({ ...account, wsUrl }, quiet),
    seconds: ({ payload }) => Number(payload.timestamp),
    key: 'spotV4',
  },
};
/** How far the time of a login is ahead of this host's, in seconds. */
async function login({ client: make, seconds, key }, offsetMs) {
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0 });
  await once(server, 'listening');
  const client = make(`ws://127.0.0.1:${server.address().port}`);
  client.setTimeOffsetMs(offsetMs);
  client.getWSClient().connectWSAPI(key).catch(() => undefined);
  const [socket] = await once(server, 'connection');
  const [message] = await once(socket, 'message');
  return { aheadS: seconds(JSON.parse(message)) - Date.now() / 1000, kept: client.getWSClient().getTimeOffsetMs() };
}
const moved = {};
for (const [name, sdk] of Object.entries(SDKS)) {
  const before = await login(sdk, 0);
  const after = await login(sdk, OFFSET_MS);
  // Whole seconds, some of them rounded: to the nearest ten.
  moved[name] = Math.round((after.aheadS - before.aheadS) / 10) * 10;
  const kept = moved[name] === 0 ? `; getTimeOffsetMs() says ${after.kept}` : '';
  tell(`${name}: the login's time moves by ${moved[name]} s${kept}`);
}
const isAsSeen =
  moved['bybit-api'] === 300 && moved['okx-api'] === 0 && moved['bitget-api'] === 0 && moved['gateio-api'] === 0;
process.exit(isAsSeen ? 0 : 1);
JS
node run.mjs
