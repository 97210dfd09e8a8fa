/**
 * What Bybit V5 answers to who trades: instruments, orders, positions, balance, as far as ccxt's unified calls ask for it.
 * Linear perpetuals alone; the other categories are there and empty. Whether a request is authentic is looked at before.
 */
import { type Order, priceOf, START_BALANCE } from './book.js';
import { header, type ReceivedRequest, type World } from './dialect.js';
import { COINS, fundingOf } from './funding.js';

/** A code of the exchange's and its words, or what was asked for. */
export type Told =
  | { readonly result: object; readonly order?: Order | undefined }
  | { readonly code: number; readonly message: string };

const SYMBOLS: readonly string[] = COINS.map(coin => `${coin}USDT`);
const CATEGORIES: ReadonlySet<string | null> = new Set(['linear', 'inverse', 'spot', 'option']);
const bad = (message: string): Told => ({ code: 10001, message });
const queryOf = ({ rawQuery }: ReceivedRequest) => new URLSearchParams(rawQuery);
const keyOf = (request: ReceivedRequest) => header(request, 'x-bapi-api-key') ?? '';

export function instruments(request: ReceivedRequest, world: World): Told {
  const category = queryOf(request).get('category');
  if (!CATEGORIES.has(category)) return bad('params error: Category is invalid');
  const isListed = category === 'linear' && queryOf(request).get('status') !== 'PreLaunch';
  return {
    result: {
      category,
      list: isListed ? SYMBOLS.map(symbol => instrument(symbol, world)) : [],
      nextPageCursor: '',
    },
  };
}

const instrument = (symbol: string, world: World) => ({
  symbol,
  contractType: 'LinearPerpetual',
  status: 'Trading',
  baseCoin: symbol.slice(0, -4),
  quoteCoin: 'USDT',
  settleCoin: 'USDT',
  launchTime: '1585526400000',
  deliveryTime: '0',
  deliveryFeeRate: '',
  priceScale: '2',
  leverageFilter: { minLeverage: '1', maxLeverage: '100.00', leverageStep: '0.01' },
  priceFilter: { minPrice: '0.01', maxPrice: '1999999.98', tickSize: '0.01' },
  lotSizeFilter: { maxOrderQty: '100000.000', minOrderQty: '0.001', qtyStep: '0.001', minNotionalValue: '5' },
  fundingInterval: fundingOf('BYBIT', symbol, world).intervalHours * 60,
});

export function tickers(request: ReceivedRequest, world: World): Told {
  const query = queryOf(request);
  if (query.get('category') !== 'linear') return bad('params error: Category is invalid');
  const wanted = query.get('symbol');
  const symbols = wanted === null ? SYMBOLS : SYMBOLS.filter(symbol => symbol === wanted);
  if (symbols.length === 0) return bad('params error: symbol invalid');
  const list = symbols.map(symbol => {
    const funding = fundingOf('BYBIT', symbol, world);
    const price = String(priceOf(symbol, world.seed));
    return {
      symbol,
      lastPrice: price,
      markPrice: price,
      indexPrice: price,
      bid1Price: price,
      ask1Price: price,
      fundingRate: funding.rate,
      nextFundingTime: String(funding.nextFundingTimeMs),
      fundingIntervalHour: String(funding.intervalHours),
    };
  });
  return { result: { category: 'linear', list } };
}

export function walletBalance(request: ReceivedRequest): Told {
  const accountType = queryOf(request).get('accountType');
  if (accountType !== 'UNIFIED') return bad('accountType only support UNIFIED.');
  const total = String(START_BALANCE);
  const coin = [{ coin: 'USDT', equity: total, walletBalance: total, usdValue: total, locked: '0' }];
  return { result: { list: [{ accountType, totalEquity: total, totalWalletBalance: total, coin }] } };
}

export function createOrder(request: ReceivedRequest, world: World): Told {
  const order = bodyOf(request);
  if (!order) return bad('params error: the body is not JSON');
  const { category, symbol, side, orderType, qty, orderLinkId = '', price } = order;
  for (const [name, value] of Object.entries({ category, symbol, side, orderType, qty, orderLinkId })) {
    if (typeof value !== 'string') return bad(`params error: ${name} invalid`);
  }
  const quantity = Number(qty);
  if (!(quantity > 0)) return { code: 10001, message: 'The number of contracts is below the minimum' };
  if (side !== 'Buy' && side !== 'Sell') return bad('Side invalid');
  const isLimit = orderType === 'Limit';
  if (isLimit && !(Number(price) > 0)) return bad('params error: price invalid');
  const placed = world.book.place(
    keyOf(request),
    {
      symbol: String(symbol),
      isBuy: side === 'Buy',
      price: isLimit ? Number(price) : undefined,
      quantity,
      clientOrderId: String(orderLinkId),
    },
    world.serverTimeMs,
  );
  return { result: { orderId: placed.orderId, orderLinkId }, order: placed };
}

export function cancelOrder(request: ReceivedRequest, world: World): Told {
  const { orderId, orderLinkId } = bodyOf(request) ?? {};
  const which = {
    ...(typeof orderId === 'string' && { orderId }),
    ...(typeof orderLinkId === 'string' && { clientOrderId: orderLinkId }),
  };
  const cancelled = world.book.cancel(keyOf(request), which);
  if (!cancelled) return { code: 110001, message: 'order not exists or too late to cancel' };
  return { result: { orderId: cancelled.orderId, orderLinkId: cancelled.clientOrderId } };
}

/** Those that rest; a filled or cancelled one is looked for by its id, as in the exchange's last 500. */
export function openOrders(request: ReceivedRequest, world: World): Told {
  const query = queryOf(request);
  const symbol = query.get('symbol') ?? undefined;
  const id = query.get('orderId');
  const link = query.get('orderLinkId');
  const all = world.book.orders(keyOf(request), symbol);
  const found = all.filter(order =>
    id || link ? order.orderId === id || order.clientOrderId === link : order.status === 'open',
  );
  return { result: { category: query.get('category'), list: found.map(orderRow), nextPageCursor: '' } };
}

const STATUS = { open: 'New', filled: 'Filled', cancelled: 'Cancelled' } as const;

export const orderRow = (order: Order) => ({
  orderId: order.orderId,
  orderLinkId: order.clientOrderId,
  symbol: order.symbol,
  side: order.isBuy ? 'Buy' : 'Sell',
  orderType: order.price === undefined ? 'Market' : 'Limit',
  orderStatus: STATUS[order.status],
  price: order.price === undefined ? '0' : String(order.price),
  qty: String(order.quantity),
  avgPrice: order.filledAt === undefined ? '' : String(order.filledAt),
  cumExecQty: order.status === 'filled' ? String(order.quantity) : '0',
  leavesQty: order.status === 'open' ? String(order.quantity) : '0',
  cumExecFee: '0',
  timeInForce: order.price === undefined ? 'IOC' : 'GTC',
  createdTime: String(Math.floor(order.atMs)),
  updatedTime: String(Math.floor(order.atMs)),
});

export function positions(request: ReceivedRequest, world: World): Told {
  const query = queryOf(request);
  const held =
    query.get('category') === 'linear'
      ? world.book.positions(keyOf(request), query.get('symbol') ?? undefined)
      : [];
  const list = held.map(({ symbol, quantity, entryPrice }) => ({
    symbol,
    side: quantity > 0 ? 'Buy' : 'Sell',
    size: String(Math.abs(quantity)),
    avgPrice: String(entryPrice),
    markPrice: String(entryPrice),
    positionValue: String(Math.abs(quantity) * entryPrice),
    unrealisedPnl: '0',
    leverage: '1',
    positionIdx: 0,
    tradeMode: 0,
    createdTime: String(Math.floor(world.serverTimeMs)),
    updatedTime: String(Math.floor(world.serverTimeMs)),
  }));
  return { result: { category: query.get('category'), list, nextPageCursor: '' } };
}

export function executions(request: ReceivedRequest, world: World): Told {
  const filled = world.book
    .orders(keyOf(request), queryOf(request).get('symbol') ?? undefined)
    .filter(({ status }) => status === 'filled');
  return { result: { category: 'linear', list: filled.map(executionRow), nextPageCursor: '' } };
}

/** Of an order that was filled. */
export const executionRow = (order: Order) => ({
  symbol: order.symbol,
  orderId: order.orderId,
  orderLinkId: order.clientOrderId,
  execId: `exec-${order.orderId}`,
  side: order.isBuy ? 'Buy' : 'Sell',
  execPrice: String(order.filledAt),
  execQty: String(order.quantity),
  execFee: '0',
  execType: 'Trade',
  execTime: String(Math.floor(order.atMs)),
  isMaker: false,
});

function bodyOf({ body }: ReceivedRequest): Readonly<Record<string, unknown>> | undefined {
  try {
    return Object(JSON.parse(body));
  } catch {
    return undefined;
  }
}
