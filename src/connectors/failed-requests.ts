/**
 * Which fact a failed request becomes. The audit trail answers "why did this connector fail to authenticate", so only a
 * refusal by the exchange is a `ConnectorAuthFailed`; an exchange that could not be reached, is down, or answered
 * something that is not its own, said nothing about the connector and is a fact of its own class.
 */
import type { ConnectorStateCacheService, Trace } from '../cache/connector-state-cache-service.js';
import type { UsableState } from '../cache/lookup.js';
import type { RecordedFact } from '../cache/pending-facts.js';
import type { ConnectorRef } from '../events/connector.js';
import type { ExchangeError } from '../exchanges/exchange-adapter.js';

/** Whether the exchange itself said no to this request; false: nobody, or somebody else, answered. */
export const isRefusal = ({ code, authClass, syncClass, exchangeCode }: ExchangeError): boolean =>
  code === 'EXCHANGE_REFUSED' &&
  // A class is known by a code of the exchange's or by a status that both document; a page of whoever stands in front
  // of it has neither.
  (authClass !== 'unknown' || (syncClass !== 'maintenance' && !exchangeCode.startsWith('HTTP ')));

/** @param state what the request was signed with; `undefined` for a guess */
export function recordFailedRequest(
  cache: ConnectorStateCacheService,
  ref: ConnectorRef,
  error: ExchangeError,
  state: UsableState | undefined,
  trace: Trace,
): RecordedFact {
  const { exchangeCode, authClass: failureClass, syncClass } = error;
  if (isRefusal(error)) {
    const serverTimeMs = error.sample?.serverTimeMs;
    return cache.recordRefusal(ref, { exchangeCode, failureClass, state, serverTimeMs }, trace);
  }
  // A page that says no without a code of the exchange's.
  const unreachableClass = syncClass === 'refused' ? 'bad-response' : syncClass;
  return cache.recordUnreachable(ref, { exchangeCode, failureClass: unreachableClass }, trace);
}
