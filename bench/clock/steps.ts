/**
 * Steps of 5 to 500 ms against a clock that one host measures every 30 s with samples of ± 20 ms: how often the claim is
 * false after the step, for how many samples, and by how much. The figures of docs/clock-accuracy.md#steps.
 *
 *   npm run bench:clock -- --quick && node dist/bench/clock/steps.js
 */
import { estimateFromSample } from '../../src/clock/offset.js';
import { addMeasurement, clockAt, type Measurement, type SharedClock } from '../../src/clock/shared-clock.js';

const START_MS = 1_764_000_000_000;
const EVERY_MS = 30_000;
const ROUND_TRIP_MS = 38;
const WORLDS = 4_000;
const MOST_BEFORE = 40;
const AFTER = 40;
const OFFSET_MS = 100;
const STEPS_MS = [5, 10, 15, 20, 30, 40, 55, 100, 500];
/** How unevenly a round trip divides: 0.5 ± this. */
const UNEVENNESS = [0.2, 0.45];

/** Park and Miller's. */
let state = 7;
function roll(): number {
  state = (state * 48_271) % 2_147_483_647;
  return state / 2_147_483_647;
}

let syncs = 0;
function measured(atMs: number, offsetMs: number, thereMs: number): Measurement {
  const sentAtMs = START_MS + atMs;
  const serverTimeMs = Math.floor(sentAtMs + thereMs + offsetMs);
  const estimate = estimateFromSample({ sentAtMs, receivedAtMs: sentAtMs + ROUND_TRIP_MS, serverTimeMs });
  return { syncId: `sync-${++syncs}`, estimate, ttlMs: 4 * 3_600_000, host: 'host:one/1' };
}

/** @returns the last sample after which the claim was false (0: never), and the most that it was false by, ms */
function oneWorld(stepMs: number, unevenness: number): { until: number; byMs: number } {
  const before = 1 + Math.floor(roll() * MOST_BEFORE);
  const stepped = OFFSET_MS + (roll() < 0.5 ? -stepMs : stepMs);
  let clock: SharedClock | undefined;
  let [until, byMs] = [0, 0];
  for (let i = 0; i < before + AFTER; i++) {
    const truth = i < before ? OFFSET_MS : stepped;
    const thereMs = ROUND_TRIP_MS * (0.5 + (roll() * 2 - 1) * unevenness);
    clock = addMeasurement(clock, measured(i * EVERY_MS, truth, thereMs));
    const told = clockAt(clock, START_MS + i * EVERY_MS + ROUND_TRIP_MS);
    const excessMs = Math.abs(told.offsetMs - truth) - told.uncertaintyMs;
    if (excessMs <= 0.01) continue;
    if (i < before) throw new Error(`false without a step, by ${excessMs} ms`);
    until = i - before + 1;
    byMs = Math.max(byMs, excessMs);
  }
  return { until, byMs };
}

for (const unevenness of UNEVENNESS) {
  for (const stepMs of STEPS_MS) {
    const worlds = Array.from({ length: WORLDS }, () => oneWorld(stepMs, unevenness));
    const untils = worlds.map(({ until }) => until).sort((a, b) => a - b);
    const isFalse = worlds.filter(({ until }) => until > 0).length / WORLDS;
    const worstMs = Math.max(...worlds.map(({ byMs }) => byMs));
    process.stdout.write(
      `uneven ${unevenness}  step ${stepMs} ms  false in ${(isFalse * 100).toFixed(1)} %  samples until true: half ${untils[WORLDS / 2]}, 99 % ${untils[Math.floor(WORLDS * 0.99)]}, most ${untils.at(-1)}  by at most ${worstMs.toFixed(1)} ms\n`,
    );
  }
}
