/**
 * Made-up uses with a known habit, for what a deployment's own log cannot show yet.
 *
 *   periodic     at the funding times 00, 08, 16 UTC, some seconds before or after
 *   bursty       bursts of minutes, hours apart, at random
 *   office       weekdays from 8 to 18, every quarter of an hour or so
 *   drifting     periodic, but the period grows from 4 to 8 hours
 *   adversarial  each use a little after whatever was learned so far ends
 *   random       at random, four a day: there is nothing to learn
 */
import { type Random, seededRandom } from '../exchanges/simulator/random.js';
import type { Uses } from './backtest.js';

export const WORLDS = ['periodic', 'bursty', 'office', 'drifting', 'adversarial', 'random'] as const;
export type WorldName = (typeof WORLDS)[number];

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;
/** A Monday, 00:00 UTC. */
const START_MS = 1_793_577_600_000;

export interface WorldSize {
  readonly connectors: number;
  readonly days: number;
  /** The same seed gives the same uses. */
  readonly seed: number;
}

export function makeUses(world: WorldName, { connectors, days, seed }: WorldSize): readonly Uses[] {
  return Array.from({ length: connectors }, (_, index) => {
    const random = seededRandom(seed * 1_000_003 + index);
    const untilMs = START_MS + days * DAY_MS;
    return HABITS[world](random, untilMs)
      .filter(atMs => atMs >= START_MS && atMs < untilMs)
      .sort((a, b) => a - b);
  });
}

const always = (_atMs: number) => true;

/** Of the worlds whose uses (or bursts of them) come at random: one in so many milliseconds, in the hours that it has uses in. */
export const RATES = {
  bursty: { meanGapMs: 5 * HOUR_MS, isOpen: always },
  office: {
    meanGapMs: 15 * MINUTE_MS,
    isOpen: (atMs: number) => {
      const day = Math.floor((atMs - START_MS) / DAY_MS) % 7;
      const hour = Math.floor((atMs % DAY_MS) / HOUR_MS);
      return day < 5 && hour >= 8 && hour < 18;
    },
  },
  random: { meanGapMs: 6 * HOUR_MS, isOpen: always },
} as const satisfies Partial<
  Record<WorldName, { readonly meanGapMs: number; readonly isOpen: (atMs: number) => boolean }>
>;

const exponential = (random: Random, meanMs: number) => -Math.log(1 - random()) * meanMs;

function every(gapMs: (index: number) => number, untilMs: number): number[] {
  const times: number[] = [];
  for (let atMs = START_MS, index = 0; atMs < untilMs; index++) {
    times.push(atMs);
    atMs += Math.max(1_000, gapMs(index));
  }
  return times;
}

function atRandom(world: keyof typeof RATES, random: Random, untilMs: number): number[] {
  const { meanGapMs, isOpen } = RATES[world];
  return every(() => exponential(random, meanGapMs), untilMs).filter(isOpen);
}

const HABITS: Readonly<Record<WorldName, (random: Random, untilMs: number) => number[]>> = {
  periodic: (random, untilMs) =>
    every(() => 8 * HOUR_MS, untilMs).map(atMs => atMs + (random() - 0.5) * 2 * MINUTE_MS),
  bursty: (random, untilMs) =>
    atRandom('bursty', random, untilMs).flatMap(atMs =>
      Array.from({ length: 1 + Math.floor(random() * 6) }, () => atMs + random() * 10 * MINUTE_MS),
    ),
  office: (random, untilMs) => atRandom('office', random, untilMs),
  drifting: (random, untilMs) => {
    const spanMs = untilMs - START_MS;
    const times: number[] = [];
    for (let atMs = START_MS; atMs < untilMs; ) {
      times.push(atMs + random() * MINUTE_MS);
      atMs += (4 + (4 * (atMs - START_MS)) / spanMs) * HOUR_MS;
    }
    return times;
  },
  adversarial: (_, untilMs) => {
    // Longer than every gap before, so that no percentile of them covers the next.
    const times: number[] = [];
    for (let atMs = START_MS, gapMs = 20 * MINUTE_MS; atMs < untilMs; gapMs *= 1.25) {
      times.push(atMs);
      if (gapMs > 2 * DAY_MS) gapMs = 20 * MINUTE_MS;
      atMs += gapMs;
    }
    return times;
  },
  random: (random, untilMs) => atRandom('random', random, untilMs),
};
