#!/usr/bin/env bash
# redis 6.3.1 (@redis/client): a client made by createCluster() never leaves a node that takes connections and answers nothing.
#
# Who has the slots of a lost node the client asks when it tries to reach that node for the second time in a row
# (topologyRefreshOnReconnectionAttemptStrategy says how soon, 1 ms here). A node that is frozen (its process stopped, its
# machine out of memory) goes on taking connections, for the system does that: each attempt is the first, and succeeds. So
# the client goes from one socket time-out to the next, and the other nodes, which have elected a successor long since,
# are never asked. Nor does the socket time-out come at all while commands are sent, for Node counts what is written as
# activity. The remedy is to make another client when a command is unanswered for seconds.
#
# Output seen (2026-11, Node 20.20):
#   before: answered by the first node
#   the first node falls silent; the second has its slots, and says so to whoever asks
#   after 12 s, with a command every 3 s: 9 time-outs, 9 connections to the silent node, the second asked 0 times
#   another client: answered by the second node
set -euo pipefail
directory="$(mktemp -d)"
trap 'rm -rf "$directory"' EXIT
cd "$directory"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund redis@6.3.1
cat >run.mjs <<'JS'
import { createServer } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { createCluster } from 'redis';

const bulk = text => `$${Buffer.byteLength(text)}\r\n${text}\r\n`;
const owners = [];
/** All slots are the current owner's; both nodes know it. */
const slots = () => `*1\r\n*3\r\n:0\r\n:16383\r\n*3\r\n${bulk('127.0.0.1')}:${owners.at(-1)}\r\n${bulk(`node${owners.at(-1)}`)}`;

const node = name =>
  new Promise(resolve => {
    const it = { name, isSilent: false, connections: 0, topologies: 0 };
    const server = createServer(socket => {
      it.connections++;
      socket.setEncoding('utf8').on('error', () => {});
      socket.on('data', text => {
        if (it.isSilent) return;
        for (const [, word] of text.matchAll(/\r\n(PING|CLUSTER|GET|READONLY)\r\n/gi)) {
          if (/cluster/i.test(word)) it.topologies++;
          socket.write(/cluster/i.test(word) ? slots() : /get/i.test(word) ? bulk(name) : '+OK\r\n');
        }
      });
    });
    server.listen(0, '127.0.0.1', () => resolve(Object.assign(it, { port: server.address().port })));
  });

const [first, second] = [await node('the first node'), await node('the second node')];
owners.push(first.port);
const connect = async () => {
  const client = createCluster({
    RESP: 2,
    rootNodes: [first, second].map(({ port }) => ({ socket: { host: '127.0.0.1', port } })),
    defaults: { disableClientInfo: true, socket: { socketTimeout: 1_000, reconnectStrategy: 50 } },
    topologyRefreshOnReconnectionAttemptStrategy: 1,
  });
  client.on('error', () => {});
  await client.connect();
  return client;
};

const client = await connect();
let timeouts = 0;
client.on('node-error', error => {
  if (/socket timeout/i.test(error.message)) timeouts++;
});
console.log('before: answered by', await client.get('key'));
first.isSilent = true;
owners.push(second.port);
console.log('the first node falls silent; the second has its slots, and says so to whoever asks');
const [connectionsBefore, askedBefore] = [first.connections, second.topologies];
for (let n = 0; n < 4; n++) {
  client.get('key').catch(() => {});
  await pause(3_000);
}
const again = first.connections - connectionsBefore;
const asked = second.topologies - askedBefore;
console.log(`after 12 s, with a command every 3 s: ${timeouts} time-outs, ${again} connections to the silent node, the second asked ${asked} times`);
const other = await connect();
const answer = await other.get('key');
console.log('another client: answered by', answer);
const isSame = timeouts > 1 && again > 1 && asked === 0 && answer === 'the second node';
if (!isSame) console.error('this has changed');
process.exit(isSame ? 0 : 1);
JS
node run.mjs
