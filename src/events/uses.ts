/** What facts say of a connector's being used: its hits, and the measurements that were made because a lookup found nothing good. */
import type { EventData, SyncTrigger } from './catalogue.js';
import { type ConnectorRef, scopeOf } from './connector.js';
import type { Fact, KnownEvent } from './event.js';

/** Of one fact; times in epoch milliseconds, by the clock of the host that recorded them. */
export interface TimesOfUse {
  readonly count: number;
  readonly firstAt: number;
  readonly lastAt: number;
}

export interface Uses extends TimesOfUse {
  readonly ref: ConnectorRef & { readonly scope: string };
}

type UseFact = Extract<Fact, { readonly type: 'ConnectorStateHit' | 'ConnectorSynced' }>;
export type UseEvent = KnownEvent & UseFact;
type Told = Fact & { readonly occurredAt: number };

const COLD: readonly SyncTrigger[] = ['absent', 'expired', 'invalid', 'corrupt'];

/** Taking over the shared clock is told by the hit that comes with it. */
export function isUse<E extends Told>(event: E): event is E & UseFact {
  if (event.type === 'ConnectorStateHit') return true;
  if (event.type !== 'ConnectorSynced') return false;
  const { basis, trigger } = event.data as EventData['ConnectorSynced'];
  return basis === 'measured' && COLD.includes(trigger);
}

/** A hit's own data, without a copy: the projector asks of each. */
export function timesOf(event: Told & UseFact): TimesOfUse {
  if (event.type === 'ConnectorStateHit') return event.data;
  return { count: 1, firstAt: event.occurredAt, lastAt: event.occurredAt };
}

export function usesIn(event: Told): Uses | undefined {
  if (!isUse(event)) return undefined;
  const { userId, credentialId, exchange, environment } = event.data;
  const { count, firstAt, lastAt } = timesOf(event);
  const ref = { userId, credentialId, exchange, environment, scope: scopeOf(event.data) };
  return { ref, count, firstAt, lastAt };
}
