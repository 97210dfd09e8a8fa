#!/usr/bin/env bash
# orderbooks 1.1.14, Node 20: a book that is longer than `maxDepth` keeps its worst bid and loses better ones.
#
# `maxDepth` is to hold a book at its best levels, half of them on each side (https://github.com/tiagosiebler/orderbooks).
# Asks are cut at their far end. Of the bids the last level, the one farthest from the market, is spared, and those in front
# of it are cut: the book has a hole, and behind it a level that no later trim will ever take. As the exchange goes on
# telling deltas of the levels that were dropped and the market moves away, it stays there as it was when it was put in.
# Best bid and ask are right, so nothing is seen by them; the depth of the bids and `getEstimatedSlippage()` of a sale, which
# walks them, are not. No error, no warning; the default of 250 levels is passed by an ordinary snapshot of Bybit's
# (200 levels a side, https://bybit-exchange.github.io/docs/v5/websocket/public/orderbook).
#
# Here: no order book is kept, and none of the peers is this package; who keeps one beside an attached socket may set
# `maxDepth` above what the exchange sends.
#
# Output seen (2026-11), five levels a side, then three better bids one after the other:
#   maxDepth 6: asks 101 102 103; bids 99 98 95
#   after bids of 99.2, 99.4, 99.6: bids 99.6 99.4 95
#   a sale of 3: 98 a unit by the trimmed book, 99.4 by the whole one
set -euo pipefail
directory="$(mktemp -d)"
trap 'rm -rf "$directory"' EXIT
cd "$directory"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund orderbooks@1.1.14
cat >run.mjs <<'JS'
import { OrderBook, OrderBookLevel } from 'orderbooks';

const SYMBOL = 'BTCUSDT';
const level = (price, side) => OrderBookLevel(SYMBOL, price, side, 1);
const near = [1, 2, 3, 4, 5];
function bookOf(maxDepth) {
  const book = new OrderBook(SYMBOL, { maxDepth });
  book.handleSnapshot([...near.map(n => level(100 + n, 'Sell')), ...near.map(n => level(100 - n, 'Buy'))]);
  return book;
}
const SIDE = 2;
const PRICE = 1;
const told = (book, side) => book.getBookState().filter(each => each[SIDE] === side).map(each => each[PRICE]);
const short = bookOf(6);
const whole = bookOf(100);
const asks = told(short, 'Sell').reverse().join(' ');
const bids = told(short, 'Buy').join(' ');
console.log(`maxDepth 6: asks ${asks}; bids ${bids}`);
const better = [99.2, 99.4, 99.6];
for (const book of [short, whole]) for (const price of better) book.handleDelta([], [level(price, 'Buy')]);
const later = told(short, 'Buy').join(' ');
console.log(`after bids of ${better.join(', ')}: bids ${later}`);
const [bySeen, byAll] = [short, whole].map(book => book.getEstimatedSlippage(3, 'Sell').executionPrice);
console.log(`a sale of 3: ${Number(bySeen.toFixed(2))} a unit by the trimmed book, ${Number(byAll.toFixed(2))} by the whole one`);
const isAsSeen = asks === '101 102 103' && bids === '99 98 95' && later === '99.6 99.4 95' && bySeen < byAll - 1;
process.exit(isAsSeen ? 0 : 1);
JS
node run.mjs
