/**
 * What no policy can do better in a made-up world that knows how often uses come there, but not when.
 *
 * Where they come at random at a rate λ, the share of them that finds nothing good is the share of the time in which there is
 * nothing good, whatever the policy goes by. A sync is good for one TTL. So of the time T in which there are uses, s syncs
 * leave T − s·TTL at least, and cold ≥ λ·(T − s·TTL), in the mean.
 *
 * Where the habit says to the minute when the next use comes (`periodic`, `drifting`) there is no such limit: who knows the
 * habit does as the oracle does.
 *
 * Source: R. W. Wolff, "Poisson Arrivals See Time Averages", Operations Research 30 (1982).
 */
import { HOUR_MS } from '../clock/use-habit.js';
import type { Backtest } from './backtest.js';
import { RATES, type WorldName } from './worlds.js';

export interface Ceiling {
  /** Of what the oracle avoids, 0–1. */
  readonly shareOfOracle: number;
  /** The fewest syncs that can avoid so many, as a multiple of the oracle's. */
  readonly leastSyncsOfOracle: number;
}

/** What is wanted: so much of what the oracle avoids. */
export const WANTED_SHARE = 0.9;

export interface CountedTime {
  /** How many connectors' uses each of the replayed ones has: 1, or all of them where they share one clock. */
  readonly connectorsEach: number;
  readonly ttlMs: number;
  /** Epoch milliseconds. */
  readonly fromMs: number;
  readonly untilMs: number;
}

/** @returns undefined where no rate limits what can be known */
export function ceilingOf(
  world: WorldName,
  { connectors, results }: Backtest,
  time: CountedTime,
  shareOfOracle = WANTED_SHARE,
): Ceiling | undefined {
  const [without, oracle] = [results[0], results.at(-1)];
  const rate = rateOf(world, connectors, time);
  if (!rate || !without || !oracle) return undefined;
  const cold = without.cold - shareOfOracle * oracle.avoided;
  const least = (rate.spanMs - cold / rate.perMs) / time.ttlMs;
  return { shareOfOracle, leastSyncsOfOracle: Math.max(1, least / Math.max(1, oracle.syncs)) };
}

/** The same the other way about: how many uses so many syncs leave cold at least, in the mean. */
export function leastCold(
  world: WorldName,
  { connectors }: Backtest,
  time: CountedTime,
  syncs: number,
): number {
  const rate = rateOf(world, connectors, time);
  return rate ? Math.max(0, (rate.spanMs - syncs * time.ttlMs) * rate.perMs) : 0;
}

function rateOf(world: WorldName, connectors: number, time: CountedTime) {
  if (!(world in RATES)) return undefined;
  const { meanGapMs, isOpen } = RATES[world as keyof typeof RATES];
  return {
    perMs: time.connectorsEach / meanGapMs,
    // What was there at the beginning may be good for one TTL more.
    spanMs: connectors * Math.max(0, openMs(isOpen, time) - time.ttlMs),
  };
}

function openMs(isOpen: (atMs: number) => boolean, { fromMs, untilMs }: CountedTime): number {
  let sum = 0;
  for (let atMs = fromMs; atMs < untilMs; ) {
    const endMs = Math.min(untilMs, (Math.floor(atMs / HOUR_MS) + 1) * HOUR_MS);
    if (isOpen(atMs)) sum += endMs - atMs;
    atMs = endMs;
  }
  return sum;
}
