/**
 * What the decision at init costs: from the moment the database's answer is there to the moment the timestamp is made.
 *
 * Measured on the real path, service and connector included, with an adapter that notes the time when the timestamp is
 * signed. The rows are what the projections made of a first init; the memory tier is off, so that each init takes its
 * row apart, holds it against the shared clock, decides and signs.
 */

import { silentLogger } from '../../src/base/logging.js';
import { ConnectorStateCacheService } from '../../src/cache/connector-state-cache-service.js';
import { systemClock } from '../../src/clock/host-clock.js';
import { DEFAULT_RANGE } from '../../src/clock/request-window.js';
import { ConnectorWithCache } from '../../src/connectors/connector-with-cache.js';
import type { ConnectorRef } from '../../src/events/connector.js';
import type { Fact } from '../../src/events/event.js';
import type { AdapterOptions, ExchangeAdapter } from '../../src/exchanges/exchange-adapter.js';
import { profileOf } from '../../src/exchanges/registry.js';
import { SimulatedDatabase } from './ours/database.js';
import { Sample } from './statistics.js';
import { SteadyClock } from './world/true-clock.js';

class BareConnector extends ConnectorWithCache {
  constructor(
    createAdapter: (options: AdapterOptions) => ExchangeAdapter,
    cache: ConnectorStateCacheService,
  ) {
    const { userId, credentialId, environment } = REF;
    const credentials = { apiKey: 'key', apiSecret: 'secret' };
    super(profileOf('BYBIT'), createAdapter, { userId, credentialId, environment, cache, credentials });
  }
}

/** Microseconds. */
export interface Decision {
  readonly p50: number;
  readonly p99: number;
}

const REF: ConnectorRef = {
  userId: 'user-1',
  credentialId: 'credential-1',
  exchange: 'BYBIT',
  environment: 'MAINNET',
};
const WARM_UP_SHARE = 0.2;

export async function measureDecision(inits: number): Promise<Decision> {
  const now = systemClock.now;
  const database = new SimulatedDatabase([
    { id: 'pg:7300000000000000001:1', clock: new SteadyClock(now(), 0, 0), fromMs: 0 },
  ]);
  const facts: Fact[] = [];
  let answeredAtMs = 0;
  let signedAtMs = 0;

  const cache = new ConnectorStateCacheService({
    batcher: {
      async lookup(key) {
        const sentAtMs = now();
        const { serverTimeMs, ...found } = database.find(key, sentAtMs);
        const answer = { ...found, sample: { sentAtMs, receivedAtMs: now(), serverTimeMs } };
        answeredAtMs = performance.now();
        return answer;
      },
    },
    recorder: {
      record: (fact: Fact) => {
        facts.push(fact);
        return { fact, occurredAt: Math.round(now()), id: undefined };
      },
      recordHit() {},
    } as never,
    comparePositions: () => Promise.reject(new Error('not used')),
    store: () => Promise.reject(new Error('not used')),
    outbox: () => Promise.reject(new Error('not used')),
    pool: undefined as never,
    release: async () => {},
    clock: systemClock,
    log: silentLogger,
    lookupDeadlineMs: 100,
    memoryEntries: 0,
    memoryTtlMs: 60_000,
    ttlMs: 900_000,
    cacheMode: 'on',
    firstContact: 'verify-first',
    clockPolicy: 'adaptive',
  });
  const connector = new BareConnector(
    ({ timestamp, onSample }) => ({
      exchange: 'BYBIT',
      baseUrl: 'https://model.invalid',
      range: DEFAULT_RANGE,
      dropIdle: () => undefined,
      openConnection() {},
      async verifyAccount() {
        timestamp();
        signedAtMs = performance.now();
        const atMs = now();
        const [sentAtMs, receivedAtMs] = [atMs - 5, atMs + 5];
        onSample?.({ sentAtMs, receivedAtMs, serverTimeMs: Math.floor(atMs), source: 'response' });
        return undefined;
      },
      serverTime: () => Promise.reject(new Error('not used')),
      fundingRate: () => Promise.reject(new Error('not used')),
      timestampRefused() {},
      badSamples: () => ({}) as never,
      close() {},
    }),
    cache,
  );

  const tookUs = new Sample();
  for (let n = 0; n < inits; n++) {
    const { tier } = await connector.initialize();
    if (n > 0 && tier !== 'postgres') throw new Error(`init ${n} was answered by ${tier}, not by its row`);
    if (n >= inits * WARM_UP_SHARE) tookUs.add(1_000 * (signedAtMs - answeredAtMs));
    const recorded = facts.splice(0);
    if (recorded.length === 0) continue;
    const by = { host: systemClock.id, occurredAt: Math.round(now()) };
    database.append(
      recorded.map(fact => ({ fact, by })),
      now(),
    );
  }
  return { p50: tookUs.quantile(0.5), p99: tookUs.quantile(0.99) };
}
