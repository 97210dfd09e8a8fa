/** What facts say of a connector's being used: its hits, and the measurements that were made because a lookup found nothing good. */
import type { SyncTrigger } from './catalogue.js';
import { type ConnectorRef, scopeOf } from './connector.js';
import type { Fact } from './event.js';

export interface Uses {
  readonly ref: ConnectorRef & { readonly scope: string };
  readonly count: number;
  /** Epoch milliseconds, by the clock of the host that recorded them. */
  readonly firstAt: number;
  readonly lastAt: number;
}

const COLD: readonly SyncTrigger[] = ['absent', 'expired', 'invalid', 'corrupt'];

/** Taking over the shared clock is told by the hit that comes with it. */
export function usesIn(event: Fact & { readonly occurredAt: number }): Uses | undefined {
  if (event.type === 'ConnectorStateHit') {
    const { count, firstAt, lastAt } = event.data;
    return { ref: refOf(event.data), count, firstAt, lastAt };
  }
  if (event.type !== 'ConnectorSynced') return undefined;
  const { basis, trigger } = event.data;
  if (basis !== 'measured' || !COLD.includes(trigger)) return undefined;
  return { ref: refOf(event.data), count: 1, firstAt: event.occurredAt, lastAt: event.occurredAt };
}

const refOf = (data: ConnectorRef): Uses['ref'] => ({
  userId: data.userId,
  credentialId: data.credentialId,
  exchange: data.exchange,
  environment: data.environment,
  scope: scopeOf(data),
});
