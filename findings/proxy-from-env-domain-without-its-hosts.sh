#!/usr/bin/env bash
# proxy-from-env 2.1.0, Node 20: NO_PROXY=example.test does not hold for api.example.test, nor 10.0.0.0/8 for 10.1.2.3.
#
# curl, Go and Python's requests take a domain in NO_PROXY for all that ends with it, and a range of addresses (10.0.0.0/8) for
# the addresses in it. This package, and axios that asks it, take the first for that one host, and the second for nothing at
# all: two programs of one container, with the same variables, leave by different addresses, and an API key that is bound to
# one of them is refused. A domain with a dot before it, `.example.test`, is read alike by all of them, but for the domain
# itself.
#
# Here: src/exchanges/proxy.ts goes by it, so that a request leaves as one of axios does; docs/operations.md says which
# spelling to take.
#
# Output seen (2026-11):
#   NO_PROXY=example.test: curl goes directly, proxy-from-env by the proxy
#   NO_PROXY=.example.test: curl goes directly, proxy-from-env directly
#   NO_PROXY=127.0.0.0/8: curl goes directly, proxy-from-env by the proxy
set -euo pipefail
directory="$(mktemp -d)"
trap 'rm -rf "$directory"' EXIT
cd "$directory"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund proxy-from-env@2.1.0
cat >run.mjs <<'JS'
import { execFile } from 'node:child_process';
import { createServer } from 'node:http';
import { getProxyForUrl } from 'proxy-from-env';

const answering = async word => {
  const server = createServer((_, response) => response.end(word));
  await new Promise(done => server.listen(0, '127.0.0.1', done));
  return { server, port: server.address().port };
};
const [target, proxy] = [await answering('directly'), await answering('by the proxy')];
for (const name of Object.keys(process.env)) if (/_proxy$/i.test(name)) delete process.env[name];
process.env.http_proxy = `http://127.0.0.1:${proxy.port}`;
const curl = url =>
  new Promise((resolve, reject) => {
    const named = ['--resolve', `api.example.test:${target.port}:127.0.0.1`];
    execFile('curl', ['--silent', ...named, url], (error, answer) => (error ? reject(error) : resolve(answer)));
  });

const seen = [];
for (const [exception, host] of [
  ['example.test', 'api.example.test'],
  ['.example.test', 'api.example.test'],
  ['127.0.0.0/8', '127.0.0.1'],
]) {
  process.env.no_proxy = exception;
  const url = `http://${host}:${target.port}/`;
  const ways = [await curl(url), getProxyForUrl(url) === '' ? 'directly' : 'by the proxy'];
  console.log(`NO_PROXY=${exception}: curl goes ${ways[0]}, proxy-from-env ${ways[1]}`);
  seen.push(ways.join(', '));
}
for (const { server } of [target, proxy]) server.close();
const expected = ['directly, by the proxy', 'directly, directly', 'directly, by the proxy'];
process.exit(seen.join('; ') === expected.join('; ') ? 0 : 1);
JS
node run.mjs
