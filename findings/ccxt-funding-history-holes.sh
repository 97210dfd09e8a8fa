#!/usr/bin/env bash
# ccxt 4.5.84, Node 20: a funding rate history with `paginate: true` has holes wherever funding is paid more often than every
# eight hours.
#
# The option is to make as many requests as the history needs (https://docs.ccxt.com/?id=pagination). For Binance, BingX,
# OKX, Gate and ten more the start of each page is reckoned beforehand, on the assumption that funding comes every eight
# hours: 1000 rates (OKX: 100) are 333 days. Of a contract that pays every four hours an answer of 1000 is full after 166
# days, of one that pays every hour after 41, and the next page begins on day 333 all the same. What lies between is asked
# for by nobody. The pages are put together, sorted and returned, without error or mark; a sum of what funding has cost, a
# mean, a back-test is of the rest. Bybit's history is walked from page to page.
#
# Here: `nextFunding` and `warm` read the next funding alone, and assume no interval (src/exchanges/funding-rate.ts);
# docs/exchanges.md says it to who asks ccxt.
#
# Output seen (2026-11), binanceusdm before a server that answers as Binance documents it (from `startTime` on, ascending,
# 1000 at most: https://developers.binance.com/docs/derivatives/usds-margined-futures/market-data/rest-api):
#   paid every 8 h, 400 days: 1200 of 1200 rates, longest gap 8 h
#   paid every 4 h, 400 days: 1400 of 2400 rates, longest gap 4004 h
#   paid every 1 h, 400 days: 2000 of 9600 rates, longest gap 7001 h
set -euo pipefail
directory="$(mktemp -d)"
trap 'rm -rf "$directory"' EXIT
cd "$directory"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund ccxt@4.5.84
cat >run.mjs <<'JS'
import { createServer } from 'node:http';
import ccxt from 'ccxt';

const HOUR_MS = 3_600_000;
const DAYS = 400;
const until = Math.floor(Date.now() / (8 * HOUR_MS)) * 8 * HOUR_MS;
const since = until - DAYS * 24 * HOUR_MS;

let everyMs = 0;
const server = createServer((request, reply) => {
  const { pathname, searchParams } = new URL(request.url, 'http://local');
  if (pathname !== '/fapi/v1/fundingRate') throw new Error(`asked for ${pathname}`);
  const startTime = Number(searchParams.get('startTime'));
  const endTime = Number(searchParams.get('endTime') ?? until);
  const limit = Math.min(Number(searchParams.get('limit') ?? 100), 1_000);
  const rates = [];
  for (let at = Math.ceil(startTime / everyMs) * everyMs; at < Math.min(endTime + 1, until) && rates.length < limit; at += everyMs) {
    rates.push({ symbol: 'BTCUSDT', fundingRate: '0.00010000', fundingTime: at, markPrice: '90000.00000000' });
  }
  reply.setHeader('content-type', 'application/json').end(JSON.stringify(rates));
});
await new Promise(done => server.listen(0, '127.0.0.1', done));
const here = `http://127.0.0.1:${server.address().port}`;

const symbol = 'BTC/USDT:USDT';
const exchange = new ccxt.binanceusdm();
for (const [kind, url] of Object.entries(exchange.urls.api)) exchange.urls.api[kind] = url.replace(/^https:\/\/[^/]+/, here);
exchange.setMarkets([{
  ...exchange.safeMarketStructure(), symbol, id: 'BTCUSDT', base: 'BTC', quote: 'USDT', settle: 'USDT', type: 'swap', swap: true,
  contract: true, linear: true, inverse: false,
}]);
const seen = [];
for (const hours of [8, 4, 1]) {
  everyMs = hours * HOUR_MS;
  const history = await exchange.fetchFundingRateHistory(symbol, since, undefined, { paginate: true });
  const times = [...history.map(each => each.timestamp), until];
  const gap = Math.max(...times.slice(1).map((time, n) => time - times[n])) / HOUR_MS;
  const all = (DAYS * 24) / hours;
  console.log(`paid every ${hours} h, ${DAYS} days: ${history.length} of ${all} rates, longest gap ${gap} h`);
  seen.push({ hours, missing: all - history.length, gap });
}
server.close();
const [eight, four, one] = seen;
const isAsSeen = eight.missing === 0 && eight.gap === 8 && four.gap > 3_000 && one.gap > 6_000;
process.exit(isAsSeen ? 0 : 1);
JS
node run.mjs
