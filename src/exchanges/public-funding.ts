/** When an exchange pays funding next, asked for without an account: the call that its profile names. */

import type { ExchangeProfile } from './exchange-profile.js';
import { asObject } from './json.js';
import { askPublicly, type PublicCall } from './public-call.js';
import { readStamp } from './stamp-place.js';

export interface ContractFunding {
  /** As the exchange names the contract. */
  readonly symbol: string;
  /** Epoch milliseconds, by the exchange's clock. */
  readonly nextAtMs: number;
}

/**
 * One request for all contracts. Those without a moment (delivery contracts have none) are left out.
 * @returns undefined for an exchange whose profile does not say where its funding stands
 * @throws ExchangeError; InvalidInputError for plain http beyond loopback
 */
export async function publicFunding(
  profile: ExchangeProfile,
  call: PublicCall,
): Promise<ContractFunding[] | undefined> {
  const { funding } = profile;
  if (!funding) return undefined;
  return askPublicly(profile, call, funding.path, async ask => {
    const { answer } = await ask();
    const list = funding.list.reduce<unknown>((value, step) => asObject(value)?.[step], answer.body);
    if (!Array.isArray(list)) return [];
    return list.flatMap((entry: unknown) => {
      const symbol = asObject(entry)?.[funding.symbol];
      const nextAtMs = readStamp(funding.next, entry, {})?.ms ?? Number.NaN;
      return typeof symbol === 'string' && Number.isFinite(nextAtMs) ? [{ symbol, nextAtMs }] : [];
    });
  });
}
