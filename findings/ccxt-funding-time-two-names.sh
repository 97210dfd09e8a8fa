#!/usr/bin/env bash
# ccxt 4.5.84, Node 20: one moment, the next funding, is `fundingTimestamp` of Bybit, `nextFundingTimestamp` of BingX, and
# of OKX `fundingTimestamp` again, with another one eight hours later in `nextFundingTimestamp`.
#
# The funding rate structure is one for all exchanges (https://docs.ccxt.com/?id=funding-rate-structure; `FundingRate` of
# js/src/base/types.d.ts, where both fields are optional), so that code written against one is expected to do for the next.
# What Bybit and BingX themselves both call `nextFundingTime` ends in different fields, and the other field is undefined.
# Who reads `nextFundingTimestamp` has no time of Bybit's, and for OKX the funding after the next: a process that is to be
# warm before the funding comes never, or eight hours late. Of these three `fundingTimestamp ?? nextFundingTimestamp`, in
# this order, is the next funding.
#
# Here: `nextFunding` and `warm` read the exchanges' own answers, by the field that a profile names
# (src/exchanges/funding-rate.ts); docs/exchanges.md says it to who asks ccxt.
#
# Output seen (2026-11):
#   bybit: the next funding of 16:00 is in fundingTimestamp; nextFundingTimestamp is undefined
#   bingx: the next funding of 16:00 is in nextFundingTimestamp; fundingTimestamp is undefined
#   okx: the next funding of 16:00 is in fundingTimestamp; nextFundingTimestamp is 00:00
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
const next = Date.UTC(2026, 10, 27, 16);
const now = next - HOUR_MS;
// As the exchanges document them, without the fields that do not matter here.
const answers = {
  '/v5/market/tickers': {
    retCode: 0, retMsg: 'OK', retExtInfo: {}, time: now,
    result: { category: 'linear', list: [{ symbol: 'BTCUSDT', fundingRate: '0.0001', nextFundingTime: String(next) }] },
  },
  '/openApi/swap/v2/quote/premiumIndex': {
    code: 0, msg: '', data: { symbol: 'BTC-USDT', lastFundingRate: '0.0001', nextFundingTime: next, updateTime: now },
  },
  '/api/v5/public/funding-rate': {
    code: '0', msg: '',
    data: [{
      instType: 'SWAP', instId: 'BTC-USDT-SWAP', fundingRate: '0.0001', ts: String(now),
      fundingTime: String(next), nextFundingTime: String(next + 8 * HOUR_MS),
    }],
  },
};
const server = createServer((request, reply) => {
  reply.setHeader('content-type', 'application/json').end(JSON.stringify(answers[request.url.split('?')[0]]));
});
await new Promise(done => server.listen(0, '127.0.0.1', done));
const here = `http://127.0.0.1:${server.address().port}`;

const symbol = 'BTC/USDT:USDT';
const market = { symbol, base: 'BTC', quote: 'USDT', settle: 'USDT', type: 'swap', swap: true, contract: true, linear: true };
const FIELDS = ['fundingTimestamp', 'nextFundingTimestamp'];
const hour = ms => (ms === undefined ? 'undefined' : new Date(ms).toISOString().slice(11, 16));
async function fieldOf(name, id) {
  const exchange = new ccxt[name]();
  for (const [kind, url] of Object.entries(exchange.urls.api)) exchange.urls.api[kind] = url.replace(/^https:\/\/[^/]+/, here);
  exchange.setMarkets([{ ...exchange.safeMarketStructure(), ...market, id }]);
  const rate = await exchange.fetchFundingRate(symbol);
  const field = FIELDS.find(each => rate[each] === next);
  const other = FIELDS.find(each => each !== field);
  console.log(`${name}: the next funding of ${hour(next)} is in ${field}; ${other} is ${hour(rate[other])}`);
  return `${field} ${hour(rate[other])}`;
}
const bybit = await fieldOf('bybit', 'BTCUSDT');
const bingx = await fieldOf('bingx', 'BTC-USDT');
const okx = await fieldOf('okx', 'BTC-USDT-SWAP');
server.close();
const isAsSeen =
  bybit === 'fundingTimestamp undefined' && bingx === 'nextFundingTimestamp undefined' && okx === 'fundingTimestamp 00:00';
process.exit(isAsSeen ? 0 : 1);
JS
node run.mjs
