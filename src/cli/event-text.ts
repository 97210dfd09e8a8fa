/** An event in one line: what happened, without whom it happened to and when. */
import { inSeconds } from '../clock/answers.js';
import type { StoredEvent } from '../events/event.js';
import { iso, span } from './quantities.js';

export function describeEvent(event: StoredEvent): string {
  if (event.decoded === 'unknown-type') return '(a type this version does not know)';
  if (event.decoded === 'invalid') return `(cannot be read: ${event.problem})`;
  switch (event.type) {
    case 'ConnectorSynced': {
      const { trigger, basis, offsetMs, uncertaintyMs, ttlMs, syncId } = event.data;
      const from = basis === 'measured' ? 'measured' : 'taken over from the exchange clock';
      return `${trigger}: ${from}, ${offsetMs.toFixed(1)} ± ${uncertaintyMs.toFixed(1)} ms for ${span(ttlMs)} (${syncId})`;
    }
    case 'ConnectorSyncFailed':
      return `${event.data.trigger}: ${event.data.failureClass} ${event.data.exchangeCode ?? ''}`.trimEnd();
    case 'ConnectorStateHit':
      return `${event.data.count} × ${event.data.tier}`;
    case 'ConnectorAuthFailed': {
      const { exchangeCode, failureClass, offsetMs, offsetAgeMs } = event.data;
      const signedWith =
        offsetMs === undefined
          ? ''
          : `, signed with ${offsetMs.toFixed(1)} ms that was ${span(offsetAgeMs ?? 0)} old`;
      return `${exchangeCode} (${failureClass})${signedWith}`;
    }
    case 'ConnectorRequestLate': {
      const { exchangeCode, lateAtLeastMs, lateAtMostMs, uncertaintyMs, recvWindowMs } = event.data;
      const late = inSeconds({ atLeastMs: lateAtLeastMs, atMostMs: lateAtMostMs });
      return `${exchangeCode}: refused because ${late} late; the clock was right within ${Math.ceil(uncertaintyMs)} ms (window ${recvWindowMs} ms)`;
    }
    case 'ExchangeUnreachable':
      return `${event.data.exchangeCode} (${event.data.failureClass})`;
    case 'ConnectorStateInvalidated':
      return `${event.data.reason} by ${event.data.by} (${event.data.condemnedSyncId})`;
    case 'ConnectorShadowed': {
      const { contact, tier, missReason, measured, comparison } = event.data;
      const source = tier ?? (contact === 'sync' ? `a sync (${missReason})` : "the database's clock");
      const error =
        comparison && measured
          ? `, off by ${comparison.errorMs.toFixed(1)} ± ${measured.uncertaintyMs.toFixed(1)} ms, refused: ${comparison.refusal}`
          : '';
      return `would have started from ${source}${error}`;
    }
    case 'ExchangeEdgeMeasured':
      return `the edge is ${event.data.aheadMs.toFixed(0)} ± ${event.data.uncertaintyMs.toFixed(0)} ms ahead of the exchange`;
    case 'WitnessDistrusted':
      return `${event.data.host} is ${event.data.undo ? 'believed again' : 'not believed'}, by ${event.data.by}`;
    case 'HitsForgotten':
      return `hits from before ${iso(event.data.before)} were forgotten`;
    case 'ExpiredStatesCleaned':
      return `ended before ${iso(event.data.cutoff)}`;
  }
}
