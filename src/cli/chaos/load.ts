/**
 * The application that faults are brought upon: connectors of a user of its own who look up and measure, on a scope of their
 * own, so that what they measure moves nobody's clock.
 */
import { randomUUID } from 'node:crypto';
import { linkOf } from '../../cache/lookup.js';
import { measuredFromSample } from '../../cache/measurement.js';
import type { ConnectorState } from '../../composition/connector-state.js';
import type { ConnectorRef } from '../../events/connector.js';
import { sleep } from './sleep.js';

export interface Seen {
  readonly lookups: number;
  readonly hits: number;
  readonly misses: Readonly<Record<string, number>>;
  readonly slowestMs: number;
  /** What a lookup threw; `undefined`: nothing. */
  readonly thrown: string | undefined;
}

export interface Load {
  /** What was seen since the last call. */
  take(): Seen;
  /** How many facts each connector has recorded, by its credential. */
  readonly recorded: ReadonlyMap<string, number>;
  readonly userId: string;
  stop(): Promise<void>;
}

const CONNECTORS = 8;
const LOOKUP_EVERY_MS = 10;
/** A measurement of each connector, so often. */
const MEASURE_EVERY = 20;

export function startLoad({ cache }: ConnectorState): Load {
  const userId = `chaos-${randomUUID().slice(0, 8)}`;
  const refs: ConnectorRef[] = Array.from({ length: CONNECTORS }, (_, i) => ({
    userId,
    credentialId: `connector-${i}`,
    exchange: 'BYBIT',
    environment: 'TESTNET',
    scope: 'chaos',
  }));
  const recorded = new Map<string, number>();
  const stop = new AbortController();
  let seen = nothing();

  async function live(ref: ConnectorRef): Promise<void> {
    for (let turn = 0; !stop.signal.aborted; turn++) {
      const startedMs = performance.now();
      try {
        const lookup = await cache.get(ref);
        seen.lookups += 1;
        if (lookup.hit) seen.hits += 1;
        else seen.misses[lookup.reason] = (seen.misses[lookup.reason] ?? 0) + 1;
        if (turn % MEASURE_EVERY === 0) {
          const nowMs = cache.clock.now();
          const sample = { sentAtMs: nowMs - 20, receivedAtMs: nowMs, serverTimeMs: Math.round(nowMs) };
          cache.set(ref, measuredFromSample(sample, linkOf(lookup), cache.clock, cache.ttl), 'warm-up');
          recorded.set(ref.credentialId, (recorded.get(ref.credentialId) ?? 0) + 1);
        }
      } catch (error) {
        seen.thrown ??= (error as Error).message;
      }
      seen.slowestMs = Math.max(seen.slowestMs, performance.now() - startedMs);
      await sleep(LOOKUP_EVERY_MS);
    }
  }

  const running = Promise.all(refs.map(live));
  return {
    userId,
    recorded,
    take() {
      const taken = seen;
      seen = nothing();
      return taken;
    },
    async stop() {
      stop.abort();
      await running;
    },
  };
}

function nothing() {
  return {
    lookups: 0,
    hits: 0,
    misses: {} as Record<string, number>,
    slowestMs: 0,
    thrown: undefined as string | undefined,
  };
}
