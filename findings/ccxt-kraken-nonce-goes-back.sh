#!/usr/bin/env bash
# ccxt 4.5.84, Node 20: `loadTimeDifference()` on Kraken, on a host whose clock is right, makes later nonces lower than earlier
# ones.
#
# Kraken takes no timestamp but a nonce, which has to rise from one request of a key to the next
# (https://docs.kraken.com/api/docs/guides/spot-rest-auth). ccxt has the correction for clocks there too (the option
# `adjustForTimeDifference`, or `loadTimeDifference()` called every so often as for other exchanges) and takes the difference
# off the nonce. Kraken tells its time in whole seconds, so that the difference of a clock that is right is whatever the
# second has run for: from 0 to 999 ms, another one each time. After a load late in a second the nonces begin again where the
# second began, below those that were sent; the requests are refused with `EAPI:Invalid nonce` until the clock has made up
# for it. A host that is fast loses as much at once: 7 s of refusals for 7 s. ccxt calls it InvalidNonce, which elsewhere means
# that the clock has to be loaded, and so makes the next one. Without any correction none is refused.
#
# Here: Kraken has no profile, for it has no window to sign into (docs/exchanges.md).
#
# Output seen (2026-11), one request every 100 ms for two seconds:
#   a right clock, never loaded: 0 of 20 refused
#   a right clock, loaded every half second: 10 of 20 refused
#   a clock 7 s fast, loaded once after the first: 19 of 20 refused
set -euo pipefail
directory="$(mktemp -d)"
trap 'rm -rf "$directory"' EXIT
cd "$directory"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund ccxt@4.5.84
cat >run.mjs <<'JS'
import { createServer } from 'node:http';
import { mock } from 'node:test';

const start = Date.UTC(2026, 10, 27, 16) + 50;
let aheadMs = 0;
// Before ccxt is loaded, which keeps the clock that it finds.
mock.timers.enable({ apis: ['Date'], now: start });
const { default: ccxt } = await import('ccxt');

let serverMs = start;
let highest = 0;
const server = createServer(async (request, reply) => {
  let body = '';
  for await (const chunk of request) body += chunk;
  const answer = { error: [], result: { unixtime: Math.floor(serverMs / 1000), rfc1123: '' } };
  if (request.method === 'POST') {
    const nonce = Number(new URLSearchParams(body).get('nonce'));
    if (nonce <= highest) answer.error = ['EAPI:Invalid nonce'];
    highest = Math.max(highest, nonce);
    answer.result = {};
  }
  reply.setHeader('content-type', 'application/json').end(JSON.stringify(answer));
});
await new Promise(done => server.listen(0, '127.0.0.1', done));
const here = `http://127.0.0.1:${server.address().port}`;

const REQUESTS = 20;
async function refusals(what, { fastMs = 0, loadedBefore }) {
  aheadMs = fastMs;
  highest = 0;
  const exchange = new ccxt.kraken({ apiKey: 'key', secret: 'c2VjcmV0', enableRateLimit: false });
  for (const kind of ['public', 'private']) exchange.urls.api[kind] = here;
  let refused = 0;
  for (let n = 0; n < REQUESTS; n++) {
    serverMs = start + n * 100;
    mock.timers.setTime(serverMs + aheadMs);
    if (loadedBefore(n)) await exchange.loadTimeDifference();
    await exchange.privatePostBalance().catch(error => {
      if (!(error instanceof ccxt.InvalidNonce)) throw error;
      refused++;
    });
  }
  console.log(`${what}: ${refused} of ${REQUESTS} refused`);
  return refused;
}
const never = await refusals('a right clock, never loaded', { loadedBefore: () => false });
const often = await refusals('a right clock, loaded every half second', { loadedBefore: n => n % 5 === 0 });
const fast = await refusals('a clock 7 s fast, loaded once after the first', { fastMs: 7_000, loadedBefore: n => n === 1 });
server.close();
process.exit(never === 0 && often === 10 && fast === REQUESTS - 1 ? 0 : 1);
JS
node --no-warnings run.mjs
