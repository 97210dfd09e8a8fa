/**
 * As many requests of an attached client as a day may have, between the hours' events: a host that drifts, steps of the
 * exchange's clock, suspends. Each is signed, judged by the rule of the window after its way, and its answer told, as a
 * client's adapter does; no library is in between, so that a million take half a minute.
 *
 * 20 000 here; ATTACHED_REQUESTS=1000000 plays the million.
 */
import { describe, expect, it } from '@jest/globals';
import { BybitConnectorWithCache } from '../../src/connectors/bybit-with-cache.connector.js';
import '../../src/events/ids.js';
import type { ClientClock } from '../../src/exchanges/client-clock.js';
import {
  createFakeClock,
  createInMemoryState,
  demoAccount,
  NO_LATENCY,
  startExchangeSimulator,
} from '../../src/testing/index.js';
import { closing } from '../support/world.js';

const REQUESTS = Number(process.env.ATTACHED_REQUESTS ?? 20_000);
const DAY_MS = 86_400_000;
/** Shares of the day, and what happens then. */
const STEPS = new Map([
  [0.2, 9_000],
  [0.5, -8_000],
  [0.7, 3_000],
]);
const SUSPENDS = new Map([
  [0.35, 40 * 60_000],
  [0.85, 5_000],
]);
/** From signing to judgement, and back. */
const WAY_MS = 20;

class Open extends BybitConnectorWithCache {
  get clientSide(): ClientClock {
    return this.clientClock();
  }
}

describe.each([50, -50])('a day of an attached client on a host that drifts by %i ppm', driftPpm => {
  it(
    'has at most one refusal a step, each healed at once, and none else',
    async () => {
      const clock = createFakeClock({ driftPpm, skewMs: 1_500 });
      const simulator = closing(
        await startExchangeSimulator({ now: clock.trueNow, knobs: { ...NO_LATENCY, skewMs: -7_000 } }),
      );
      const state = closing(createInMemoryState({ clock }));
      const connector = closing(
        new Open({
          cache: state.cache,
          userId: 'alice',
          credentialId: 'main',
          environment: 'TESTNET',
          credentials: demoAccount(1),
          baseUrl: simulator.bybitUrl,
        }),
      );
      await connector.initialize();
      const client = connector.clientSide;
      const refusedAt: number[] = [];

      /** @returns the exchange's code */
      const send = async (): Promise<number> => {
        const signature = await client.sign();
        const sentAtMs = client.now();
        const sentAtWallMs = client.wall();
        await clock.advance(WAY_MS);
        const time = Math.floor(simulator.serverTimeMs('BYBIT'));
        const aheadMs = signature.timestampMs - time;
        const isTaken = aheadMs >= -client.recvWindowMs && aheadMs < 1_000;
        await clock.advance(WAY_MS);
        const refusal = client.answered({
          endpoint: 'POST /v5/order/create',
          status: 200,
          headers: {},
          body: { retCode: isTaken ? 0 : 10_002, retMsg: 'timestamp', result: {}, time },
          sentAtMs,
          receivedAtMs: client.now(),
          wallRoundTripMs: client.wall() - sentAtWallMs,
          signed: { ...signature, recvWindowMs: client.recvWindowMs },
        });
        if (refusal) await client.heal(refusal);
        return isTaken ? 0 : 10_002;
      };
      const due = (events: ReadonlyMap<number, number>, n: number) =>
        [...events].find(([share]) => Math.round(share * REQUESTS) === n)?.[1];

      for (let n = 0; n < REQUESTS; n++) {
        const stepMs = due(STEPS, n);
        if (stepMs !== undefined) simulator.step(stepMs, 'BYBIT');
        const suspendedMs = due(SUSPENDS, n);
        if (suspendedMs !== undefined) clock.suspend(suspendedMs);
        if ((await send()) !== 0) {
          refusedAt.push(n / REQUESTS);
          expect(await send()).toBe(0);
        }
        await clock.advance(Math.max(0, DAY_MS / REQUESTS - 2 * WAY_MS));
        if (n % 1_000 === 0) await state.flush();
      }

      expect(refusedAt.length).toBeLessThanOrEqual(STEPS.size);
      for (const share of refusedAt) expect([...STEPS.keys()]).toContain(share);
      // The first two leave no timestamp within the window; the third one does.
      expect(refusedAt.length).toBeGreaterThanOrEqual(2);
    },
    20 * 60_000,
  );
});
