/** Which connectors of a process go by one clock: those over one cache, of one exchange, environment and scope. */
import type { ConnectorStateCacheService } from '../cache/connector-state-cache-service.js';
import { type ConnectorRef, scopeOf } from '../events/connector.js';
import { ClockUpkeep } from './clock-upkeep.js';
import { EdgeWatch } from './edge-watch.js';
import { ProcessClock } from './process-clock.js';

export interface ClockOfProcess {
  readonly clock: ProcessClock;
  readonly upkeep: ClockUpkeep;
  /** Of whoever stands in front of the exchange. */
  readonly edge: EdgeWatch;
}

type JudgingClock = Pick<ConnectorRef, 'exchange' | 'environment' | 'scope'>;

const clocksOverCaches = new WeakMap<ConnectorStateCacheService, Map<string, ClockOfProcess>>();

export function clockOfProcess(cache: ConnectorStateCacheService, of: JudgingClock): ClockOfProcess {
  const clocks = clocksOver(cache);
  const key = `${of.exchange} ${of.environment} ${scopeOf(of)}`;
  let found = clocks.get(key);
  if (!found) {
    const clock = new ProcessClock({ clock: cache.clock, isSound: state => cache.isSound(state) });
    found = { clock, upkeep: new ClockUpkeep(cache, clock), edge: new EdgeWatch(cache) };
    clocks.set(key, found);
  }
  return found;
}

function clocksOver(cache: ConnectorStateCacheService): Map<string, ClockOfProcess> {
  let clocks = clocksOverCaches.get(cache);
  if (!clocks) {
    const made = new Map<string, ClockOfProcess>();
    clocksOverCaches.set(cache, made);
    cache.onClose(() => {
      for (const { upkeep } of made.values()) upkeep.end();
    });
    clocks = made;
  }
  return clocks;
}
