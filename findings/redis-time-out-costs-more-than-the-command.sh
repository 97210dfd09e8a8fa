#!/usr/bin/env bash
# redis 6.3.1 (@redis/client): the default time-out of commands costs several times what the commands themselves do.
#
# Commands have 5 s unless `commandOptions.timeout` says otherwise, which reads like a limit on commands that hang. The
# client makes an `AbortSignal.timeout()` for every command and takes its listener away when the answer comes; the signal and
# its timer cannot be stopped. They outlive each young collection until a full one or five seconds have passed, so that
# what would have been thrown away at once is copied and promoted. With `commandOptions: { timeout: 0 }` no signal is made;
# a deadline around the call, or a `socketTimeout`, does for a server that is silent.
#
# Output seen (2026-11, Node 20.20, a busy machine; processor time of the client's process):
#   64 at once: 11.3 µs a command by default, 1.1 µs with timeout: 0 (9.9 ×)
set -euo pipefail
directory="$(mktemp -d)"
trap 'rm -rf "$directory"' EXIT
cd "$directory"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund redis@6.3.1
# Says yes to whatever it is asked. A process of its own: its time is not the client's.
cat >server.mjs <<'JS'
import { createServer } from 'node:net';

const wholeCommands = text => {
  let [count, at] = [0, 0];
  for (;;) {
    const head = /^\*(\d+)\r\n/.exec(text.slice(at, at + 20));
    if (!head) return { count, at };
    let end = at + head[0].length;
    for (let n = 0; n < Number(head[1]); n++) {
      const size = /^\$(\d+)\r\n/.exec(text.slice(end, end + 20));
      if (!size) return { count, at };
      end += size[0].length + Number(size[1]) + 2;
    }
    if (end > text.length) return { count, at };
    [count, at] = [count + 1, end];
  }
};
const server = createServer(socket => {
  let text = '';
  socket.setEncoding('latin1').on('error', () => {});
  socket.on('data', chunk => {
    text += chunk;
    const { count, at } = wholeCommands(text);
    text = text.slice(at);
    if (count > 0) socket.write('+OK\r\n'.repeat(count));
  });
});
server.listen(0, '127.0.0.1', () => process.send(server.address().port));
JS
cat >run.mjs <<'JS'
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { createClient } from 'redis';

const server = fork('./server.mjs');
const [port] = await once(server, 'message');
async function clientWith(commandOptions) {
  const client = createClient({
    RESP: 2, disableClientInfo: true, socket: { host: '127.0.0.1', port }, commandOptions,
  });
  client.on('error', error => { throw error; });
  return client.connect();
}
const AT_ONCE = 64;
async function microseconds(client, rounds = 1_500) {
  const before = process.cpuUsage();
  for (let n = 0; n < rounds; n++) await Promise.all(Array.from({ length: AT_ONCE }, () => client.get('key')));
  const { user, system } = process.cpuUsage(before);
  return (user + system) / (rounds * AT_ONCE);
}
const [byDefault, without] = [await clientWith(undefined), await clientWith({ timeout: 0 })];
const turns = [];
for (let n = 0; n < 6; n++) turns.push([await microseconds(byDefault), await microseconds(without)]);
// The first turn compiles the code.
const middle = of => turns.slice(1).map(of).sort((a, b) => a - b)[2];
const [a, b] = [middle(turn => turn[0]), middle(turn => turn[1])];
console.log(`${AT_ONCE} at once: ${a.toFixed(1)} µs a command by default, ${b.toFixed(1)} µs with timeout: 0 (${(a / b).toFixed(1)} ×)`);
server.kill();
process.exit(a > 2 * b ? 0 : 1);
JS
node run.mjs
