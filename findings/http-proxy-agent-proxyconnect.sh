#!/usr/bin/env bash
# http-proxy-agent 9.1.0 and https-proxy-agent 9.1.0, Node 20: both emit `proxyConnect` on the request, and only one of
# them says how the proxy answered.
#
# `https-proxy-agent` emits the proxy's answer to CONNECT: `{ statusCode, statusText, headers }`. `http-proxy-agent`,
# whose source says that it emits the event for parity, emits `{ socket }`: there is no CONNECT, and so no status. Code
# that serves both agents and takes "statusCode is not 200" for a refusal by the proxy refuses every plain-http request
# that goes through well.
#
# Output seen (2026-11):
#   https-proxy-agent proxyConnect: statusCode,statusText,headers statusCode=200
#   http-proxy-agent proxyConnect: socket statusCode=undefined, and the request was answered 204
set -euo pipefail
directory="$(mktemp -d)"
trap 'rm -rf "$directory"' EXIT
cd "$directory"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund http-proxy-agent@9.1.0 https-proxy-agent@9.1.0
cat >run.mjs <<'JS'
import http from 'node:http';
import net from 'node:net';
import { HttpProxyAgent } from 'http-proxy-agent';
import { HttpsProxyAgent } from 'https-proxy-agent';

const listen = server => new Promise(done => server.listen(0, '127.0.0.1', () => done(server.address().port)));
const origin = http.createServer((_, reply) => reply.writeHead(204).end());
const originPort = await listen(origin);
const proxy = http.createServer((request, reply) => {
  http.request(request.url, answer => reply.writeHead(answer.statusCode).end()).end();
});
proxy.on('connect', (_, socket) => {
  const onward = net.connect(originPort, '127.0.0.1', () => {
    socket.write('HTTP/1.1 200 OK\r\n\r\n');
    onward.pipe(socket).pipe(onward);
  });
});
const through = `http://127.0.0.1:${await listen(proxy)}`;

const seen = agent =>
  new Promise((done, fail) => {
    let told;
    const request = http.get({ host: '127.0.0.1', port: originPort, agent }, reply => {
      reply.resume();
      done({ told, status: reply.statusCode });
    });
    request.on('proxyConnect', event => (told = event)).on('error', fail);
  });
const tunnel = await seen(new HttpsProxyAgent(through));
const plain = await seen(new HttpProxyAgent(through));
console.log('https-proxy-agent proxyConnect:', Object.keys(tunnel.told).join(), `statusCode=${tunnel.told.statusCode}`);
console.log('http-proxy-agent proxyConnect:', Object.keys(plain.told).join(), `statusCode=${plain.told.statusCode}, and the request was answered ${plain.status}`);
const isAsSeen = tunnel.told.statusCode === 200 && !('statusCode' in plain.told) && plain.status === 204;
process.exit(isAsSeen ? 0 : 1);
JS
node run.mjs
