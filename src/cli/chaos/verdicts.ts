/** What was promised, held against what was seen under a fault. */
import type { ConnectorState } from '../../composition/connector-state.js';
import type { Load, Seen } from './load.js';

export interface Verdict {
  readonly promise: string;
  readonly kept: boolean;
  readonly seen: string;
}

/** An event loop has other things to do than to look whether a deadline has passed. */
const GRACE_MS = 250;
const FLUSH_MS = 60_000;

export function lookupVerdicts(seen: Seen, deadlineMs: number): Verdict[] {
  const { lookups, hits, misses, slowestMs, thrown } = seen;
  const reasons = Object.entries(misses).map(([reason, count]) => `${count} ${reason}`);
  return [
    {
      promise: 'no lookup throws',
      kept: thrown === undefined,
      seen: thrown ?? `${lookups} lookups: ${[`${hits} hits`, ...reasons].join(', ')}`,
    },
    {
      promise: 'no lookup outlasts its deadline',
      kept: slowestMs <= deadlineMs + GRACE_MS,
      seen: `the slowest took ${Math.round(slowestMs)} ms of ${deadlineMs}`,
    },
  ];
}

/** Once the fault is over: everything recorded is in the log, once. */
export async function logVerdicts({ cache }: ConnectorState, load: Load): Promise<Verdict[]> {
  const expected = new Map(load.recorded);
  const flushed = await cache.flush(FLUSH_MS);
  const wrong: string[] = [];
  for (const [credentialId, count] of expected) {
    const history = await cache.history(load.userId, credentialId);
    const ids = history.filter(({ type }) => type === 'ConnectorSynced').map(({ id }) => id);
    // What was recorded meanwhile may be there already.
    if (new Set(ids).size !== ids.length) wrong.push(`${credentialId} has an event twice`);
    if (ids.length < count) wrong.push(`${credentialId}: ${ids.length} of ${count}`);
  }
  const total = [...expected.values()].reduce((sum, count) => sum + count, 0);
  return [
    {
      promise: 'nothing is lost or doubled',
      kept: flushed.lost === 0 && wrong.length === 0,
      seen: wrong.length > 0 ? wrong.join('; ') : `${total} measurements are in the log, each once`,
    },
  ];
}

export async function tableVerdict(state: ConnectorState): Promise<Verdict> {
  const projector = await state.projector();
  await projector.catchUp({ timeoutMs: FLUSH_MS });
  const { equal, events, tables } = await projector.verify();
  const differing = tables.filter(each => each.differing > 0).map(({ name }) => name);
  return {
    promise: 'live tables equal a rebuild',
    kept: equal,
    seen: equal ? `no row differs after ${events} events` : `rows differ in ${differing.join(', ')}`,
  };
}
