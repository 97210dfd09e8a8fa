/** What a program may tell of a refusal it met itself, and what of it is refused. */
import { InvalidInputError } from '../base/errors.js';
import { shown } from '../base/shown.js';
import type { AuthFailureClass } from '../events/catalogue.js';
import type { UsableState } from './lookup.js';
import { requireOneOf, requireState, requireTime } from './recordable.js';

export interface AuthFailure {
  /** The exchange's own code. */
  readonly exchangeCode: string;
  readonly failureClass: AuthFailureClass;
  /** What the refused request was signed with. */
  readonly state?: UsableState | undefined;
  /** The exchange's clock, epoch milliseconds, where the refusal carried it. */
  readonly serverTimeMs?: number | undefined;
}

/** Complete by its type; catalogue.ts itself would load the schema library at every cold start. */
const CLASSES: Readonly<Record<AuthFailureClass, true>> = {
  timestamp: true,
  credentials: true,
  permission: true,
  'rate-limit': true,
  unknown: true,
};

/** What the schema would refuse at the next flush, where nobody is left to be told. @throws InvalidInputError */
export function checkAuthFailure(failure: AuthFailure): void {
  const { exchangeCode, failureClass, state, serverTimeMs } = failure ?? {};
  if (typeof exchangeCode !== 'string') {
    throw new InvalidInputError(
      `exchangeCode must be the exchange's own code as a string, got ${shown(exchangeCode)}`,
    );
  }
  requireOneOf('failureClass', failureClass, CLASSES);
  if (state !== undefined) requireState('state', state);
  if (serverTimeMs !== undefined) {
    requireTime('serverTimeMs', serverTimeMs, 'give it in milliseconds, or leave it out');
  }
}
