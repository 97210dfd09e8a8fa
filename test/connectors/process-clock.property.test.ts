/** Whatever happens to a host between two measurements: the exchange's time lies within what the process says of it. */
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { UsableState } from '../../src/cache/lookup.js';
import { type ClockSample, estimateFromSample } from '../../src/clock/offset.js';
import { linkFromSample, linkToSelf, type ReferenceLink, toReference } from '../../src/clock/reference.js';
import { DEFAULT_RANGE } from '../../src/clock/request-window.js';
import { exchangeTimeOf } from '../../src/connectors/exchange-time.js';
import { OffsetInUse } from '../../src/connectors/offset-in-use.js';
import { ProcessClock } from '../../src/connectors/process-clock.js';
import { clock as anyClock, type Clock, ROUNDING_MS, read } from '../clock/world.js';

const double = (min: number, max: number) => fc.double({ min, max, noNaN: true });
const leg = fc.oneof(fc.constant(0), double(0, 400));

const happening = fc.oneof(
  fc.record({ kind: fc.constant('run' as const), ms: double(0, 6 * 3_600_000) }),
  // Shorter ones cannot be seen.
  fc.record({ kind: fc.constant('suspend' as const), ms: double(2.1, 4 * 3_600_000) }),
  fc.record({ kind: fc.constant('set-wall' as const), ms: double(-100_000, 100_000) }),
  fc.record({ kind: fc.constant('relink' as const), up: leg, down: leg }),
  fc.record({ kind: fc.constant('learn' as const), up: leg, down: leg }),
  fc.record({ kind: fc.constant('fail-over' as const), ms: double(-60_000, 60_000), up: leg, down: leg }),
  fc.record({ kind: fc.constant('step' as const), ms: double(-20_000, 20_000), up: leg, down: leg }),
);

const ANY_ERROR_MS = 1_000_000_000;

type Happening = typeof happening extends fc.Arbitrary<infer T> ? T : never;

interface Clocks {
  readonly exchange: Clock;
  readonly database: Clock;
  readonly host: Clock;
}

/** One process on one host; `isAlone`: no database can be asked. */
function givenProcess({ exchange, database, host }: Clocks, isAlone: boolean) {
  let trueMs = 0;
  let sleptMs = 0;
  let wallMs = 0;
  let steppedMs = 0;
  let servers = 1;
  let aheadMs = 0;
  const clock = {
    id: 'host:property/1',
    // The oscillator stands still with the machine.
    now: () => read(host, trueMs - sleptMs),
    wall: () => Math.floor(read(host, trueMs) + wallMs),
  };
  const process = new ProcessClock({ clock, isSound: () => true });
  const offset = new OffsetInUse(clock, process, DEFAULT_RANGE);
  const truth = () => read(exchange, trueMs) + steppedMs;

  function sampled(remote: () => number, up: number, down: number): ClockSample {
    const sentAtMs = clock.now();
    trueMs += up;
    const serverTimeMs = Math.floor(remote());
    trueMs += down;
    return { sentAtMs, receivedAtMs: clock.now(), serverTimeMs };
  }
  const relinked = (up: number, down: number) =>
    isAlone
      ? linkToSelf(clock)
      : linkFromSample(
          `pg:1:${servers}`,
          sampled(() => read(database, trueMs) + aheadMs, up, down),
        );

  const name = { exchange: 'BYBIT', environment: 'MAINNET', scope: 'default' } as const;
  const guessed = (link: ReferenceLink): UsableState => ({
    ...name,
    syncId: 'guess',
    basis: 'measured',
    estimate: { offsetMs: 0, uncertaintyMs: ANY_ERROR_MS, atMs: link.atMs },
    expiresAtMs: link.atMs,
    referenceClock: link.clockId,
    link,
  });

  let syncs = 0;
  function learn(up: number, down: number): void {
    process.state && process.partedMs(process.state);
    const link = relinked(up, down);
    const estimate = toReference(estimateFromSample(sampled(truth, up, down)), link);
    const state: UsableState = {
      ...name,
      syncId: `sync-${++syncs}`,
      basis: 'measured',
      estimate,
      expiresAtMs: estimate.atMs + 3_600_000,
      referenceClock: link.clockId,
      link,
    };
    offset.state = state;
  }

  return {
    process,
    learn,
    happen(what: Happening): void {
      switch (what.kind) {
        case 'run':
          trueMs += what.ms;
          break;
        case 'suspend':
          trueMs += what.ms;
          sleptMs += what.ms;
          break;
        case 'set-wall':
          wallMs += what.ms;
          break;
        case 'relink':
          // As whoever measures does first.
          process.state && process.partedMs(process.state);
          if (!isAlone) offset.linked(relinked(what.up, what.down));
          break;
        case 'fail-over':
          // Another server answers, who has no row: an init begins with what it would guess.
          aheadMs += what.ms;
          servers++;
          process.state && process.partedMs(process.state);
          offset.found(guessed(relinked(what.up, what.down)));
          break;
        case 'step':
          steppedMs += what.ms;
          learn(what.up, what.down);
          break;
        case 'learn':
          learn(what.up, what.down);
          break;
      }
    },
    truth,
    now: () => exchangeTimeOf({ hostNowMs: clock.now(), offset, process, hasFailed: false, isSound: true }),
  };
}

describe.each([
  ['over the clock of a database', false],
  ['by its own clock alone', true],
])('a process that goes %s', (_, isAlone) => {
  it('always says an interval that holds the truth', () => {
    fc.assert(
      fc.property(
        fc.record({ exchange: anyClock, database: anyClock, host: anyClock }),
        leg,
        leg,
        fc.array(happening, { maxLength: 30 }),
        (clocks, up, down, happenings) => {
          const { learn, happen, truth, now } = givenProcess(clocks, isAlone);
          learn(up, down);
          for (const what of happenings) {
            happen(what);
            const { earliestMs, latestMs } = now();
            expect(earliestMs).toBeLessThanOrEqual(truth() + ROUNDING_MS);
            expect(latestMs).toBeGreaterThanOrEqual(truth() - ROUNDING_MS);
          }
        },
      ),
      { numRuns: 1_000 },
    );
  });
});

it('an epoch begins with what excludes the one before, and with nothing else', () => {
  const still = { ratePpm: 0, startMs: 0 };
  const { process, learn, happen, now } = givenProcess(
    { exchange: still, database: still, host: still },
    false,
  );
  learn(10, 10);
  happen({ kind: 'run', ms: 60_000 });
  learn(10, 10);
  happen({ kind: 'suspend', ms: 30_000 });
  learn(10, 10);
  happen({ kind: 'set-wall', ms: -9_000 });
  learn(10, 10);
  expect(now().epoch).toBe(1);
  happen({ kind: 'step', ms: 500, up: 10, down: 10 });
  expect(now()).toMatchObject({ epoch: 2, status: 'synchronized' });
  expect(process.epoch).toBe(2);
});

it('what it knows is told of the server that answers, once the database has failed over', () => {
  const still = { ratePpm: 0, startMs: 0 };
  const { process, learn, happen, now, truth } = givenProcess(
    { exchange: still, database: still, host: still },
    false,
  );
  learn(10, 10);
  happen({ kind: 'run', ms: 60_000 });
  const { expiresAtMs, estimate } = process.state as UsableState;
  happen({ kind: 'fail-over', ms: 5_000, up: 1, down: 1 });
  const { latestMs, earliestMs } = now();
  expect(latestMs - earliestMs).toBeLessThan(100);
  expect(Math.abs((latestMs + earliestMs) / 2 - truth())).toBeLessThan(50);
  // The next measurement is recorded by this link, and found by the next init.
  expect(process.state).toMatchObject({ referenceClock: 'pg:1:2', link: { clockId: 'pg:1:2' } });
  // It is no younger for it: a step may lie between.
  expect(process.state?.estimate.atMs).toBeCloseTo(estimate.atMs + 5_000, -2);
  // It ends when it would have, by the clock of the new server.
  expect(process.state?.expiresAtMs).toBeGreaterThan(expiresAtMs + 4_900);
  expect(process.state?.expiresAtMs).toBeLessThan(expiresAtMs + 5_100);
  expect(process.epoch).toBe(1);
});

it('what a suspend made worthless is not carried over to the server that answers', () => {
  const still = { ratePpm: 0, startMs: 0 };
  const { process, learn, happen } = givenProcess({ exchange: still, database: still, host: still }, false);
  learn(10, 10);
  happen({ kind: 'suspend', ms: 26 * 60_000 });
  happen({ kind: 'fail-over', ms: 5_000, up: 1, down: 1 });
  expect(process.state?.syncId).toBe('guess');
});
