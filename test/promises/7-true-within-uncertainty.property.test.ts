/**
 * Promise 7: |estimate − truth| ≤ uncertainty for every state handed out, whatever the clocks show, however slow
 * and lopsided the ways are, as long as clocks drift apart by no more than the assumed bound.
 *
 * Host clocks and the exchange's clock are wrong by any amount; the database, its clock, the lookups, the SDKs
 * and the sockets are real. The truth is known because all clocks are made from one.
 */
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { silentLogger } from '../../src/base/logging.js';
import { appliedOffset, type UsableState } from '../../src/cache/lookup.js';
import { createConnectorState } from '../../src/composition/connector-state.js';
import { machine } from '../support/clocks.js';
import { BOTH, givenWorld } from '../support/world.js';

/** Both clocks of a pair may use half of the bound. */
const MAX_DRIFT_PPM = 20;
const skewMs = fc.oneof(
  fc.integer({ min: -600_000, max: 600_000 }),
  fc.double({ min: -3e7, max: 3e7, noNaN: true }),
);
const host = fc.record({
  skewMs,
  driftPpm: fc.double({ min: -MAX_DRIFT_PPM, max: MAX_DRIFT_PPM, noNaN: true }),
});

const scenario = fc.record({
  exchange: fc.constantFrom(...BOTH),
  exchangeSkewMs: skewMs,
  exchangeDriftPpm: fc.double({ min: -MAX_DRIFT_PPM, max: MAX_DRIFT_PPM, noNaN: true }),
  latencyMs: fc.integer({ min: 0, max: 30 }),
  jitterMs: fc.integer({ min: 0, max: 20 }),
  asymmetry: fc.double({ min: 0, max: 1, noNaN: true }),
  hosts: fc.array(host, { minLength: 2, maxLength: 4 }),
  /** Some share a connector, some are others. */
  users: fc.array(fc.constantFrom('a', 'b', 'c'), { minLength: 4, maxLength: 4 }),
});

describe('promise 7', () => {
  it('every state that is handed out contains the truth', async () => {
    const world = await givenWorld();
    let run = 0;
    await fc.assert(
      fc.asyncProperty(scenario, async given => {
        const { exchange, latencyMs: latency } = given;
        const id = `run${++run}`;
        await world.sql('TRUNCATE connector_state_cache, exchange_clock');
        await world.simulator.set(
          {
            skewMs: given.exchangeSkewMs,
            driftPpm: given.exchangeDriftPpm,
            latencyMs: { time: latency, verify: latency, funding: latency },
            jitterMs: given.jitterMs,
            asymmetry: given.asymmetry,
          },
          exchange,
        );
        for (const [i, { skewMs: hostSkewMs, driftPpm }] of given.hosts.entries()) {
          const clock = machine(hostSkewMs, driftPpm);
          const process = await createConnectorState({
            databaseUrl: world.databaseUrl,
            lookupDeadlineMs: 10_000,
            flushIntervalMs: 600_000,
            logger: silentLogger,
            clock,
          });
          try {
            const userId = `${id}-${given.users[i]}`;
            const connector = world.connector(process, exchange, { userId });
            const isTrue = (state: UsableState) => {
              const before = clock.now();
              const truth = world.simulator.serverTimeMs(exchange) - clock.now();
              const applied = appliedOffset(state, before);
              // What passes between the two readings, at 40 ppm, is far below a microsecond.
              expect(Math.abs(applied.offsetMs - truth)).toBeLessThanOrEqual(applied.uncertaintyMs + 0.1);
            };
            const early = await process.cache.get(connector.ref);
            if (early.hit) isTrue(early.state);
            else if (early.exchangeClock) isTrue(early.exchangeClock);
            const { authFailures } = await connector.initialize();
            // Signed by the best clock at hand, the very first may be refused; what it learned serves all others.
            expect(authFailures).toBeLessThanOrEqual(i === 0 ? 1 : 0);
            await connector.fundingRate(exchange === 'BYBIT' ? 'BTCUSDT' : 'BTC-USDT');
            for (const lookup of [
              await process.cache.get(connector.ref),
              await process.cache.refresh(connector.ref),
            ]) {
              if (lookup.hit) isTrue(lookup.state);
              else if (lookup.exchangeClock) isTrue(lookup.exchangeClock);
            }
            connector.close();
          } finally {
            await process.close();
          }
        }
      }),
      { numRuns: 25 },
    );
  });
});
