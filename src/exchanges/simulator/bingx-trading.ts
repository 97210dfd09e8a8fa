/**
 * What BingX swap V2 answers to who trades, as far as ccxt's unified calls ask for it. USDT perpetuals alone; spot and
 * coin-margined markets are there and empty. Whether a request is authentic is looked at before.
 */
import { type Order, priceOf, START_BALANCE } from './book.js';
import { header, type ReceivedRequest, type World } from './dialect.js';
import { COINS, fundingOf } from './funding.js';

/** A code of the exchange's and its words, or what was asked for. */
export type Told =
  | { readonly data: unknown; readonly order?: Order | undefined }
  | { readonly code: number; readonly message: string };

const SYMBOLS: readonly string[] = COINS.map(coin => `${coin}-USDT`);
const queryOf = ({ rawQuery }: ReceivedRequest) => new URLSearchParams(rawQuery);
const keyOf = (request: ReceivedRequest) => header(request, 'x-bx-apikey') ?? '';

export const contracts = (): Told => ({
  data: SYMBOLS.map(symbol => ({
    contractId: symbol,
    symbol,
    displayName: symbol,
    currency: 'USDT',
    asset: symbol.split('-')[0],
    status: 1,
    size: '0.001',
    quantityPrecision: 3,
    pricePrecision: 2,
    feeRate: '0.0005',
    makerFeeRate: '0.0002',
    takerFeeRate: '0.0005',
    tradeMinQuantity: '0.001',
    tradeMinUSDT: '2',
    maxLongLeverage: 125,
    maxShortLeverage: 125,
    apiStateOpen: 'true',
    apiStateClose: 'true',
    launchTime: 0,
  })),
});

function listed(request: ReceivedRequest, entryOf: (symbol: string) => object): Told {
  const wanted = queryOf(request).get('symbol');
  if (wanted === null) return { data: SYMBOLS.map(entryOf) };
  if (SYMBOLS.includes(wanted)) return { data: entryOf(wanted) };
  return { code: 109425, message: `this symbol is not exist: ${wanted.slice(0, 40)}` };
}

export const premiumIndex = (request: ReceivedRequest, world: World): Told =>
  listed(request, symbol => {
    const funding = fundingOf('BINGX', symbol, world);
    const price = String(priceOf(symbol, world.seed));
    return {
      symbol,
      markPrice: price,
      indexPrice: price,
      lastFundingRate: funding.rate,
      nextFundingTime: funding.nextFundingTimeMs,
      time: Math.floor(world.toldTimeMs),
    };
  });

export const ticker = (request: ReceivedRequest, world: World): Told =>
  listed(request, symbol => {
    const price = String(priceOf(symbol, world.seed));
    return {
      symbol,
      lastPrice: price,
      openPrice: price,
      highPrice: price,
      lowPrice: price,
      bidPrice: price,
      askPrice: price,
      closeTime: Math.floor(world.serverTimeMs),
    };
  });

const BALANCE = {
  userId: '1234567890123456789',
  asset: 'USDT',
  balance: `${START_BALANCE}.0000`,
  equity: `${START_BALANCE}.0000`,
  unrealizedProfit: '0.0000',
  realisedProfit: '0.0000',
  availableMargin: `${START_BALANCE}.0000`,
  usedMargin: '0.0000',
  freezedMargin: '0.0000',
};

export const balanceV2 = (): Told => ({ data: { balance: BALANCE } });
export const balanceV3 = (): Told => ({ data: [BALANCE] });

export function createOrder(request: ReceivedRequest, world: World): Told {
  const query = queryOf(request);
  for (const name of ['symbol', 'side', 'type']) {
    if (!query.get(name)) return { code: 109400, message: `Invalid parameters, ${name} is required` };
  }
  const isLimit = query.get('type') === 'LIMIT';
  if (isLimit && !(Number(query.get('price')) > 0)) {
    return { code: 109400, message: 'Invalid parameters, price is required' };
  }
  const order = world.book.place(
    keyOf(request),
    {
      symbol: String(query.get('symbol')),
      isBuy: query.get('side') === 'BUY',
      price: isLimit ? Number(query.get('price')) : undefined,
      quantity: Number(query.get('quantity') ?? 0),
      clientOrderId: query.get('clientOrderID') ?? query.get('clientOrderId') ?? '',
    },
    world.serverTimeMs,
  );
  return { data: { order: orderRow(order) }, order };
}

export function cancelOrder(request: ReceivedRequest, world: World): Told {
  const query = queryOf(request);
  const orderId = query.get('orderId');
  const clientOrderId = query.get('clientOrderID') ?? query.get('clientOrderId');
  const cancelled = world.book.cancel(keyOf(request), {
    ...(orderId !== null && { orderId }),
    ...(clientOrderId !== null && { clientOrderId }),
  });
  if (!cancelled) return { code: 109414, message: 'order not exist' };
  return { data: { order: orderRow(cancelled) } };
}

export function queryOrder(request: ReceivedRequest, world: World): Told {
  const query = queryOf(request);
  const found = world.book
    .orders(keyOf(request))
    .find(({ orderId, clientOrderId }) =>
      query.get('orderId') ? orderId === query.get('orderId') : clientOrderId === query.get('clientOrderId'),
    );
  return found ? { data: { order: orderRow(found) } } : { code: 109414, message: 'order not exist' };
}

export const openOrders = (request: ReceivedRequest, world: World): Told => ({
  data: {
    orders: world.book.openOrders(keyOf(request), queryOf(request).get('symbol') ?? undefined).map(orderRow),
  },
});

const STATUS = { open: 'NEW', filled: 'FILLED', cancelled: 'CANCELLED' } as const;

const orderRow = (order: Order) => ({
  symbol: order.symbol,
  // A number, of more digits than some parsers keep.
  orderId: Number(order.orderId),
  side: order.isBuy ? 'BUY' : 'SELL',
  positionSide: 'BOTH',
  type: order.price === undefined ? 'MARKET' : 'LIMIT',
  origQty: String(order.quantity),
  executedQty: order.status === 'filled' ? String(order.quantity) : '0',
  price: String(order.price ?? 0),
  avgPrice: String(order.filledAt ?? 0),
  status: STATUS[order.status],
  clientOrderID: order.clientOrderId,
  clientOrderId: order.clientOrderId,
  time: Math.floor(order.atMs),
  updateTime: Math.floor(order.atMs),
});

export const positions = (request: ReceivedRequest, world: World): Told => ({
  data: world.book
    .positions(keyOf(request), queryOf(request).get('symbol') ?? undefined)
    .map(({ symbol, quantity, entryPrice }) => ({
      symbol,
      positionId: symbol,
      positionSide: quantity > 0 ? 'LONG' : 'SHORT',
      isolated: false,
      positionAmt: String(Math.abs(quantity)),
      availableAmt: String(Math.abs(quantity)),
      avgPrice: String(entryPrice),
      markPrice: String(entryPrice),
      positionValue: String(Math.abs(quantity) * entryPrice),
      unrealizedProfit: '0.0',
      realisedProfit: '0.0',
      leverage: 1,
      onlyOnePosition: true,
      updateTime: Math.floor(world.serverTimeMs),
    })),
});
