/**
 * An init as connectors do it that have no cache: measure the exchange's clock, then verify. That is what `CACHE_MODE=off`
 * does and, with the cache looking on, `CACHE_MODE=shadow`: each connector for itself, at every init, and whatever fails
 * is the caller's to see.
 *
 * What was measured is this process's own (its clock is the reference) and goes nowhere else.
 */
import { randomUUID } from 'node:crypto';
import type { ConnectorStateCacheService, Trace } from '../cache/connector-state-cache-service.js';
import { appliedOffset, type UsableState } from '../cache/lookup.js';
import { judgeRefusal } from '../clock/answers.js';
import type { ClockSample } from '../clock/offset.js';
import type { AcceptedRange } from '../clock/request-window.js';
import type { ConnectorRef } from '../events/connector.js';
import { type ExchangeAdapter, ExchangeError } from '../exchanges/exchange-adapter.js';
import { recordFailedRequest } from './failed-requests.js';
import { beginShadow, type EndShadow } from './shadow.js';
import { measureServerTime, stateFrom } from './sync.js';

export interface PlainInit {
  readonly cache: ConnectorStateCacheService;
  readonly ref: ConnectorRef;
  readonly adapter: ExchangeAdapter;
  /** Which timestamps the exchange takes, and the largest uncertainty to sign by; for the shadow. */
  readonly range: AcceptedRange;
  readonly toleranceMs: number;
  readonly isClosed: () => boolean;
  /** What was measured, to sign the verification with. */
  readonly use: (state: UsableState) => void;
  /** The clock that the verification's answer carried. */
  readonly answered: () => ClockSample | undefined;
}

/** @throws ExchangeError, ConnectorStateError `CLOSED` */
export async function initialiseWithoutCache(init: PlainInit): Promise<void> {
  const { cache, ref, adapter, use, answered } = init;
  const trace: Trace = { correlationId: randomUUID() };
  const end: EndShadow | undefined = cache.mode === 'shadow' ? beginShadow(init) : undefined;
  const startedMs = performance.now();
  let synced: ClockSample | undefined;
  let state: UsableState;
  try {
    state = await measureServerTime(
      adapter,
      sample => {
        synced = sample;
        return stateFrom(sample, ref, cache.clock);
      },
      init.isClosed,
    );
    use(state);
  } catch (error) {
    const durationMs = performance.now() - startedMs;
    end?.({ synced: undefined, syncFailure: { error, durationMs }, answered: undefined }, trace);
    throw error;
  }
  try {
    await adapter.verifyAccount();
  } catch (error) {
    if (end && error instanceof ExchangeError) recordFailure(init, error, state, trace);
    throw error;
  } finally {
    end?.({ synced, syncFailure: undefined, answered: answered() }, trace);
  }
}

/** As the cache would have told it: late, where the refusal agrees with what was measured just before. */
function recordFailure(
  { cache, ref }: PlainInit,
  error: ExchangeError,
  state: UsableState,
  trace: Trace,
): void {
  const { authClass, exchangeCode, request, sample } = error;
  const known = appliedOffset(state, cache.clock.now());
  const verdict =
    authClass === 'timestamp' && request ? judgeRefusal(known, request, sample?.serverTimeMs) : undefined;
  if (verdict?.cause !== 'late' || !request) {
    recordFailedRequest(cache, ref, error, undefined, trace);
    return;
  }
  const { atLeastMs, atMostMs } = verdict;
  const { uncertaintyMs } = known;
  const late = { exchangeCode, request, atLeastMs, atMostMs, uncertaintyMs, state: undefined };
  cache.recordRequestLate(ref, { ...late, serverTimeMs: sample?.serverTimeMs }, trace);
}
