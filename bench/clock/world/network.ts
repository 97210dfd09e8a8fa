/**
 * How long messages travel.
 *
 * A leg takes its base time, some jitter, and in one case of twenty a spike (a lost packet, a full queue). Over the
 * internet a spike is anything up to 1.5 s: with 90 ms each way this gives the errors that single samples show in
 * the field (one warm sample, half the round trip: p99 about 600 ms). Inside a region a spike is a few
 * milliseconds, and now and then a query stands still for longer than a lookup may take.
 *
 * A cold connection costs name resolution and two round trips (TCP, TLS 1.3) before the request leaves. A request is
 * signed before that, so the bounds on these times are also what keeps a sound timestamp inside the exchange's
 * window: see {@link WORST_SIGN_TO_ARRIVAL_MS}.
 */
import type { Dice } from './dice.js';

export interface Path {
  readonly upMs: number;
  readonly downMs: number;
  readonly jitterMs: number;
  /** Given that there is one. */
  spike(dice: Dice): number;
}

export const SPIKE_SHARE = 0.05;
const INTERNET_SPIKE_MS = 1_500;
const REGION_SPIKE_MEAN_MS = 6;
const REGION_SPIKE_MAX_MS = 60;

const LONGEST_LEG_MS = 120;
const MAX_JITTER_MS = 60;
const RESOLVE_MS = 30;
const PROCESSING_MS = 5;

const internetSpike = (dice: Dice) => dice.between(0, INTERNET_SPIKE_MS);
const regionSpike = (dice: Dice) => Math.min(REGION_SPIKE_MAX_MS, dice.exponential(REGION_SPIKE_MEAN_MS));

/** Set-up with a spike, then the way up with another. */
export const WORST_SIGN_TO_ARRIVAL_MS =
  RESOLVE_MS + 4 * LONGEST_LEG_MS + INTERNET_SPIKE_MS + LONGEST_LEG_MS + MAX_JITTER_MS + INTERNET_SPIKE_MS;

/** @param asymmetry the two legs differ from their mean by up to this share of it */
function path(legMs: number, asymmetry: number, spike: Path['spike'], dice: Dice): Path {
  const skew = dice.between(-asymmetry, asymmetry);
  const upMs = Math.min(LONGEST_LEG_MS, legMs * (1 + skew));
  const downMs = Math.min(LONGEST_LEG_MS, legMs * (1 - skew));
  return { upMs, downMs, jitterMs: 0.05 + 0.03 * legMs, spike };
}

/** From next to the exchange to the other side of the earth: 1 to 120 ms a leg. */
export const internetPath = (dice: Dice): Path => path(dice.logBetween(1, 120), 0.2, internetSpike, dice);

/** Most programs run beside their database, some a region away. */
export const databasePath = (dice: Dice, furthestMs: number): Path =>
  path(dice.chance(0.95) ? dice.logBetween(0.2, 2) : dice.logBetween(2, furthestMs), 0.2, regionSpike, dice);

export interface Trip {
  /** Before the request leaves, where a connection has to be opened for it. */
  readonly setUpMs: number;
  readonly upMs: number;
  readonly processingMs: number;
  readonly downMs: number;
}

const leg = (baseMs: number, { jitterMs, spike }: Path, dice: Dice): number =>
  baseMs + Math.min(MAX_JITTER_MS, dice.exponential(jitterMs)) + (dice.chance(SPIKE_SHARE) ? spike(dice) : 0);

export function trip(route: Path, dice: Dice): Trip {
  const setUpSpikeMs = dice.chance(SPIKE_SHARE) ? route.spike(dice) : 0;
  return {
    setUpMs: dice.between(1, RESOLVE_MS) + 2 * (route.upMs + route.downMs) + setUpSpikeMs,
    upMs: leg(route.upMs, route, dice),
    processingMs: Math.min(PROCESSING_MS, dice.exponential(1)),
    downMs: leg(route.downMs, route, dice),
  };
}

/** One query in five thousand stands still, longer than anyone waits for it. */
const STALL_SHARE = 1 / 5_000;

/** As of a query: setting up is TCP, start-up, two messages of SCRAM, and a fork. */
export function queryTrip(route: Path, dice: Dice): Trip {
  const stallMs = dice.chance(STALL_SHARE) ? dice.between(100, 2_000) : 0;
  return {
    setUpMs: 4 * (route.upMs + route.downMs) + dice.between(2, 6),
    upMs: leg(route.upMs, route, dice) + stallMs,
    processingMs: dice.between(0.1, 0.5),
    downMs: leg(route.downMs, route, dice),
  };
}
