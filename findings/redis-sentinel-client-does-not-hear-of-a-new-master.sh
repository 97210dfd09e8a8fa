#!/usr/bin/env bash
# redis 6.3.1 (@redis/client): a client made by createSentinel() is not told of a failover by `+switch-master`.
#
# Sentinel says on the channel `+switch-master` that a master is another node now. The client subscribes by patterns, and the
# one that is meant for it is `switch-master`, without the plus, which no channel of Sentinel matches. A master that is
# replaced while it still answers (SENTINEL FAILOVER, a network that is cut) is therefore used on, unless one of the other
# channels (`-sdown`, `+slave`, …) happens to speak of it, or until `scanInterval` (0 by default: never) looks.
# A `scanInterval` of a second or so is the remedy; or asking GET-MASTER-ADDR-BY-NAME oneself.
#
# Output seen (2026-11, Node 20.20):
#   subscribed to: switch-master [-+]sdown +slave +sentinel [-+]odown +slave-reconf-done
#   3 s after +switch-master the master is: the old one
#   with scanInterval: the new one
set -euo pipefail
directory="$(mktemp -d)"
trap 'rm -rf "$directory"' EXIT
cd "$directory"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund redis@6.3.1
cat >run.mjs <<'JS'
import { createServer } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { createSentinel } from 'redis';

const bulk = text => `$${Buffer.byteLength(text)}\r\n${text}\r\n`;
const list = items => `*${items.length}\r\n${items.join('')}`;

/** Takes commands apart, and answers each. */
const serve = answer =>
  new Promise(resolve => {
    const server = createServer(socket => {
      let text = '';
      socket.setEncoding('utf8').on('error', () => {});
      socket.on('data', chunk => {
        text += chunk;
        for (;;) {
          const [head, count] = /^\*(\d+)\r\n/.exec(text) ?? [];
          if (!head) return;
          let at = head.length;
          const words = [];
          for (let n = 0; n < Number(count); n++) {
            const [line, size] = /^\$(\d+)\r\n/.exec(text.slice(at)) ?? [];
            if (!line || text.length < at + line.length + Number(size) + 2) return;
            words.push(text.slice(at + line.length, at + line.length + Number(size)));
            at += line.length + Number(size) + 2;
          }
          text = text.slice(at);
          socket.write(answer(words, socket));
        }
      });
    });
    server.listen(0, '127.0.0.1', () => resolve(server.address().port));
  });

const node = () => serve(() => '+OK\r\n');
const [oldPort, newPort] = [await node(), await node()];
let masterPort = oldPort;
let patterns = [];
const listeners = new Map();
/** As redis-server --sentinel answers and speaks. */
const sentinelPort = await serve(([command, ...words], socket) => {
  if (command === 'SENTINEL' && /^master$/i.test(words[0])) {
    const fields = { name: 'mymaster', ip: '127.0.0.1', port: String(masterPort), flags: 'master' };
    return list(Object.entries(fields).flat().map(bulk));
  }
  if (command === 'SENTINEL') return list([]);
  if (!/^psubscribe$/i.test(command)) return '+OK\r\n';
  patterns = words;
  listeners.set(socket, words);
  return words.map((word, n) => list([bulk('psubscribe'), bulk(word), `:${n + 1}\r\n`])).join('');
});
const matches = (pattern, channel) =>
  new RegExp(`^${pattern.replaceAll('+', '\\+').replace('[-\\+]', '[-+]')}$`).test(channel);
const say = (channel, message) => {
  for (const [socket, words] of listeners)
    for (const word of words)
      if (matches(word, channel)) socket.write(list(['pmessage', word, channel, message].map(bulk)));
};

const masterSeen = async options => {
  masterPort = oldPort;
  listeners.clear();
  const client = createSentinel({
    name: 'mymaster', RESP: 2, sentinelRootNodes: [{ host: '127.0.0.1', port: sentinelPort }],
    nodeClientOptions: { disableClientInfo: true }, sentinelClientOptions: { disableClientInfo: true }, ...options,
  });
  client.on('error', () => {});
  await client.connect();
  if (client.getMasterNode()?.port !== oldPort) throw new Error('not connected to the master');
  masterPort = newPort;
  say('+switch-master', `mymaster 127.0.0.1 ${oldPort} 127.0.0.1 ${newPort}`);
  await pause(3_000);
  return client.getMasterNode()?.port === newPort ? 'the new one' : 'the old one';
};

const heard = await masterSeen({});
console.log('subscribed to:', patterns.join(' '));
console.log('3 s after +switch-master the master is:', heard);
const scanned = await masterSeen({ scanInterval: 500 });
console.log('with scanInterval:', scanned);
const isSame = heard === 'the old one' && scanned === 'the new one' && patterns.includes('switch-master');
if (!isSame) console.error('this has changed');
process.exit(isSame ? 0 : 1);
JS
node run.mjs
