#!/usr/bin/env bash
# bybit-api 4.7.7, Node 20: a connection for WebSocket orders is logged in twice when it is opened.
#
# Opening it logs in by itself; what opened it (`connectWSAPI()`, or the first `sendWSAPIRequest()`) waits for the connection,
# finds no login finished, and sends a second one within milliseconds. Both are answered, so nothing fails; but two logins
# are signed, each with a time of its own, and whoever judges a clock or counts by logins sees two for one. Later requests
# on the same connection send none.
#
# Output seen (2026-11):
#   opened by an order: auth auth order.create order.create
#   opened by connectWSAPI(): auth auth order.create order.create
set -euo pipefail
directory="$(mktemp -d)"
trap 'rm -rf "$directory"' EXIT
cd "$directory"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund bybit-api@4.7.7 ws@8.18.3
cat >run.mjs <<'JS'
import { WebsocketClient, WS_KEY_MAP } from 'bybit-api';
import { WebSocketServer } from 'ws';

const server = new WebSocketServer({ host: '127.0.0.1', port: 0 });
let seen = [];
server.on('connection', socket =>
  socket.on('message', text => {
    const { op, req_id, reqId } = JSON.parse(text);
    seen.push(op);
    if (op === 'auth') socket.send(JSON.stringify({ op, reqId: req_id, retCode: 0, retMsg: 'OK', connId: 'c' }));
    else socket.send(JSON.stringify({ op, reqId, retCode: 0, retMsg: 'OK', data: {}, header: {}, connId: 'c' }));
  }),
);
await new Promise(resolve => server.once('listening', resolve));
const quiet = { trace() {}, info() {}, error() {} };
const order = { category: 'linear', symbol: 'BTCUSDT', side: 'Buy', orderType: 'Market', qty: '1' };

async function place(isConnectedFirst) {
  seen = [];
  const wsUrl = `ws://127.0.0.1:${server.address().port}`;
  const client = new WebsocketClient({ key: 'key', secret: 'secret', wsUrl }, quiet);
  client.on('exception', () => undefined);
  if (isConnectedFirst) {
    await client.connectWSAPI();
    await new Promise(resolve => setTimeout(resolve, 300));
  }
  for (let n = 0; n < 2; n++) await client.sendWSAPIRequest(WS_KEY_MAP.v5PrivateTrade, 'order.create', order);
  await new Promise(resolve => setTimeout(resolve, 300));
  client.closeAll(true);
  return seen.join(' ');
}
const opened = await place(false);
const connected = await place(true);
const twice = 'auth auth order.create order.create';
console.log(`opened by an order: ${opened}`);
console.log(`opened by connectWSAPI(): ${connected}`);
process.exit(opened === twice && connected === twice ? 0 : 1);
JS
node run.mjs
