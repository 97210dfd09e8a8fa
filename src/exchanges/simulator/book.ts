/**
 * What accounts hold on a simulated exchange: orders, positions, a balance. Enough to rehearse a strategy's calls, not its
 * profit: a price never moves, so nothing is won or lost, and no fees are taken.
 *
 * A market order, and a limit order that crosses the price, is executed at once and whole, at the price. Any other limit
 * order rests until it is cancelled. A client's own id is not looked at twice, as exchanges do for a while only: whoever sends an
 * order twice is to be found out.
 */
import { hashOf } from './random.js';

export const START_BALANCE = 100_000;

export interface OrderWish {
  readonly symbol: string;
  readonly isBuy: boolean;
  /** Undefined: at the market. */
  readonly price: number | undefined;
  readonly quantity: number;
  readonly clientOrderId: string;
}

export interface Order extends OrderWish {
  readonly orderId: string;
  readonly status: 'open' | 'filled' | 'cancelled';
  readonly atMs: number;
  /** What it was executed at; undefined while it was not. */
  readonly filledAt: number | undefined;
}

export interface Position {
  readonly symbol: string;
  /** Negative: short. Never 0. */
  readonly quantity: number;
  readonly entryPrice: number;
}

/** The same for the same seed, between 1 and 100 000, of two digits behind the point. */
export const priceOf = (symbol: string, seed: number): number =>
  Math.round(10 ** ((hashOf(`price/${symbol.replace('-', '')}/${seed}`) / 2 ** 32) * 5) * 100) / 100;

class Account {
  readonly orders: Order[] = [];
  readonly positions = new Map<string, Position>();
}

/** The oldest go when there are more: a simulator may run for days. */
const MAX_ORDERS = 1_000;

export class Book {
  readonly #seed: number;
  readonly #accounts = new Map<string, Account>();
  #orders = 0;

  readonly #told: (apiKey: string, order: Order) => void;

  /** @param told is told of each order that is placed or cancelled */
  constructor(seed: number, told: (apiKey: string, order: Order) => void = () => undefined) {
    this.#seed = seed;
    this.#told = told;
  }

  place(apiKey: string, wish: OrderWish, atMs: number): Order {
    const account = this.#accountOf(apiKey);
    const market = priceOf(wish.symbol, this.#seed);
    const { price, isBuy, symbol, quantity } = wish;
    const isFilled = price === undefined || (isBuy ? price >= market : price <= market);
    // Digits alone, for there are exchanges that send it as a number; in order, and never the same twice.
    const orderId = String(Math.floor(atMs) * 1000 + (this.#orders++ % 1000));
    const order: Order = {
      ...wish,
      orderId,
      status: isFilled ? 'filled' : 'open',
      atMs,
      filledAt: isFilled ? market : undefined,
    };
    account.orders.push(order);
    if (account.orders.length > MAX_ORDERS) account.orders.shift();
    if (isFilled) this.#move(account, symbol, isBuy ? quantity : -quantity, market);
    this.#told(apiKey, order);
    return order;
  }

  /** @returns undefined when there is no such open order */
  cancel(apiKey: string, which: { orderId?: string; clientOrderId?: string }): Order | undefined {
    const { orders } = this.#accountOf(apiKey);
    const index = orders.findIndex(order => order.status === 'open' && isWhich(order, which));
    const found = orders[index];
    if (!found) return undefined;
    const cancelled: Order = { ...found, status: 'cancelled' };
    orders[index] = cancelled;
    this.#told(apiKey, cancelled);
    return cancelled;
  }

  orders(apiKey: string, symbol?: string): readonly Order[] {
    return this.#accountOf(apiKey).orders.filter(order => !symbol || order.symbol === symbol);
  }

  openOrders(apiKey: string, symbol?: string): readonly Order[] {
    return this.orders(apiKey, symbol).filter(({ status }) => status === 'open');
  }

  positions(apiKey: string, symbol?: string): readonly Position[] {
    return [...this.#accountOf(apiKey).positions.values()].filter(each => !symbol || each.symbol === symbol);
  }

  #accountOf(apiKey: string): Account {
    let account = this.#accounts.get(apiKey);
    if (!account) {
      account = new Account();
      this.#accounts.set(apiKey, account);
    }
    return account;
  }

  #move(account: Account, symbol: string, by: number, price: number): void {
    const quantity = round((account.positions.get(symbol)?.quantity ?? 0) + by);
    if (quantity === 0) account.positions.delete(symbol);
    else account.positions.set(symbol, { symbol, quantity, entryPrice: price });
  }
}

const isWhich = (order: Order, { orderId, clientOrderId }: { orderId?: string; clientOrderId?: string }) =>
  orderId ? order.orderId === orderId : clientOrderId !== undefined && order.clientOrderId === clientOrderId;

/** Decimal quantities, added in binary. */
const round = (value: number): number => Math.round(value * 1e8) / 1e8;
