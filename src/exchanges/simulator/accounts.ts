/** Accounts that exist on no exchange, the same on every run. */
import { createHash } from 'node:crypto';
import { InvalidInputError } from '../../base/errors.js';
import { shown } from '../../base/shown.js';
import type { Credentials } from '../exchange-adapter.js';

/** So many are known to a simulator that was given no accounts of its own. */
export const DEMO_ACCOUNT_COUNT = 100;

/**
 * Credentials that every simulator knows.
 * @example
 * const connector = new BybitConnectorWithCache({ ...options, credentials: demoAccount(1), baseUrl: simulator.bybitUrl });
 * @param number 1 to {@link DEMO_ACCOUNT_COUNT}
 * @throws InvalidInputError for any other number
 */
export function demoAccount(number: number): Credentials {
  if (!Number.isInteger(number) || number < 1 || number > DEMO_ACCOUNT_COUNT) {
    throw new InvalidInputError(
      `a demo account has a number from 1 to ${DEMO_ACCOUNT_COUNT}, got ${shown(number)}`,
    );
  }
  return {
    apiKey: `demo-key-${String(number).padStart(4, '0')}`,
    apiSecret: createHash('sha256').update(`connector-state simulator account ${number}`).digest('hex'),
  };
}

/** API key → secret. */
export type Accounts = ReadonlyMap<string, string>;

export const demoAccounts = (): Accounts =>
  new Map(
    Array.from({ length: DEMO_ACCOUNT_COUNT }, (_, index) => {
      const { apiKey, apiSecret } = demoAccount(index + 1);
      return [apiKey, apiSecret];
    }),
  );
