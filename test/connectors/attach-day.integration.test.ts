/** A day of an attached client, played: a host that drifts, an exchange whose clock steps, a suspend. */
import { describe, expect, it } from '@jest/globals';
import { RestClientV5 } from 'bybit-api';
import type { BybitConnectorWithCache } from '../../src/connectors/bybit-with-cache.connector.js';
import { ACCOUNT, givenSimulator, givenWorld } from '../support/world.js';

const MINUTE_MS = 60_000;
const STEPS = new Map([
  [300, 5_000],
  [700, -8_000],
]);
const SUSPENDED = { fromMinute: 1_000, forMinutes: 120 };

describe.each([50, -50])('on a host that drifts by %i ppm', ppm => {
  it('at most one request a step is refused, and it is healed; none else', async () => {
    const startMs = Date.UTC(2026, 0, 1);
    let passedMs = 0;
    let sleptMs = 0;
    const host = (ms: number) => startMs + ms * (1 + ppm / 1e6);
    const simulator = await givenSimulator({ now: () => startMs + passedMs });
    const world = await givenWorld();
    const process = await world.process({
      // A suspend stops the monotonic clock and not the wall clock.
      clock: {
        id: 'host:day/1',
        now: () => host(passedMs - sleptMs),
        wall: () => host(passedMs),
      },
      // The database's day cannot be played: the exchange is all there is to measure by.
      cacheMode: 'off',
    });
    const connector = world.connector(process, 'BYBIT', {
      baseUrl: simulator.bybitUrl,
    }) as BybitConnectorWithCache;
    await connector.initialize();
    const client = new (connector.attach(RestClientV5))({ key: ACCOUNT.apiKey, secret: ACCOUNT.apiSecret });

    for (let minute = 0; minute < 1_440; minute++) {
      passedMs += MINUTE_MS;
      const step = STEPS.get(minute);
      if (step !== undefined) simulator.step(step, 'BYBIT');
      if (minute === SUSPENDED.fromMinute) {
        passedMs += SUSPENDED.forMinutes * MINUTE_MS;
        sleptMs += SUSPENDED.forMinutes * MINUTE_MS;
      }
      const { retCode } = await client.getWalletBalance({ accountType: 'UNIFIED' });
      expect({ minute, retCode }).toEqual({ minute, retCode: 0 });
      await process.flush();
    }

    const refused = simulator.requests('BYBIT').filter(({ outcome }) => outcome === '10002').length;
    // A step that leaves the next request within its window is noticed by a measurement, without a refusal.
    expect(refused).toBeGreaterThan(0);
    expect(refused).toBeLessThanOrEqual(STEPS.size);
    const asked = simulator.requests('BYBIT').filter(({ route }) => route === 'time').length;
    expect(asked).toBeLessThan(100);
  });
});
