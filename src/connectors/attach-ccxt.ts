/** ccxt's classes, which both exchanges' connectors take. */
import { attachedCcxt, type CcxtClass } from '../exchanges/attached-ccxt.js';
import type { ClientClock } from '../exchanges/client-clock.js';
import type { ExchangeProfile } from '../exchanges/exchange-profile.js';
import { attachOnce } from './attach-once.js';

const NEEDS = ['nonce', 'sign', 'fetch2', 'handleErrors'] as const;

export function isCcxt(Client: unknown): Client is CcxtClass {
  const prototype = typeof Client === 'function' ? (Client.prototype as object | undefined) : undefined;
  return prototype !== undefined && NEEDS.every(name => name in prototype);
}

/** @throws InvalidInputError */
export const attachCcxt = (
  connector: object,
  Exchange: CcxtClass,
  clock: ClientClock,
  profile: ExchangeProfile,
): CcxtClass =>
  attachOnce(connector, Exchange, {
    what: `${profile.ccxt.id} of ccxt`,
    needs: NEEDS,
    extend: () => attachedCcxt(Exchange, clock, profile),
  });
