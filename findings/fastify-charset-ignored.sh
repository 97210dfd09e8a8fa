#!/usr/bin/env bash
# fastify 5.12.8 (Node 20): a JSON body is decoded as UTF-8 whatever charset its Content-Type names, and leniently.
#
# A client that sends Latin-1, and says so (`application/json; charset=iso-8859-1`), is answered 200: each byte that is no UTF-8
# becomes U+FFFD, so `Zoë` and `Zoé` arrive as one and the same name. Two users whose ids come in bodies are one to the service
# then, and nobody is told. body-parser 2.2.1 (Express) answers such a request 415, `unsupported charset "ISO-8859-1"`; of a
# body that names no charset, and is no UTF-8, both take the same mangled name.
#
# Output seen (2026-11):
#   fastify, charset=iso-8859-1:     200 "Zo\ufffd" for Zoë, 200 "Zo\ufffd" for Zoé
#   fastify, no charset:             200 "Zo\ufffd" for Zoë, 200 "Zo\ufffd" for Zoé
#   body-parser, charset=iso-8859-1: 415 for Zoë, 415 for Zoé
#   body-parser, no charset:         200 "Zo\ufffd" for Zoë, 200 "Zo\ufffd" for Zoé
set -euo pipefail
directory="$(mktemp -d)"
trap 'rm -rf "$directory"' EXIT
cd "$directory"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund fastify@5.12.8 body-parser@2.2.1
cat >run.mjs <<'JS'
import http from 'node:http';
import bodyParser from 'body-parser';
import fastify from 'fastify';

const escaped = text => JSON.stringify(text).replace(/[^ -~]/g, it => `\\u${it.charCodeAt(0).toString(16).padStart(4, '0')}`);

const app = fastify();
app.post('/', async request => escaped(request.body.name));
const json = bodyParser.json();
const bare = http.createServer((request, reply) =>
  json(request, reply, error => {
    if (error) reply.writeHead(error.status).end();
    else reply.end(escaped(request.body.name));
  }),
);
const urls = {
  fastify: await app.listen({ host: '127.0.0.1', port: 0 }),
  'body-parser': await new Promise(done =>
    bare.listen(0, '127.0.0.1', () => done(`http://127.0.0.1:${bare.address().port}`)),
  ),
};
const sent = async (url, type, name) => {
  const body = Buffer.from(JSON.stringify({ name }), 'latin1');
  const answer = await fetch(url, { method: 'POST', headers: { 'content-type': type }, body });
  return `${answer.status} ${answer.ok ? await answer.text() : ''}`.trim();
};
const seen = [];
for (const [name, url] of Object.entries(urls)) {
  for (const charset of ['charset=iso-8859-1', '']) {
    const type = `application/json${charset && `; ${charset}`}`;
    const [first, second] = [await sent(url, type, 'Zoë'), await sent(url, type, 'Zoé')];
    console.log(`${name}, ${charset || 'no charset'}:`.padEnd(32), `${first} for Zoë, ${second} for Zoé`);
    seen.push(first, second);
  }
}
await app.close();
bare.close();
const mangled = '200 "Zo\\ufffd"';
const asSeen = [mangled, mangled, mangled, mangled, '415', '415', mangled, mangled];
process.exitCode = seen.join() === asSeen.join() ? 0 : 1;
JS
node run.mjs
