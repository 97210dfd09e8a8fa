/**
 * Whether the bound had to hold, and who is to blame for a refusal: the judge knows the truth.
 *
 * The promise is "|error| ≤ uncertainty as long as clocks drift within the assumed bound". It says nothing about an
 * init on a host whose clock runs beyond that bound or stood still since it last saw the database's, nor about an
 * exchange's clock that stepped and was not found out yet. Each such init is left out by one of the reasons below and
 * counted; every other one is held to the promise, without exception.
 *
 * A step of the exchange counts as found out when the shared clock is in an epoch that rests on samples from after it
 * alone, and the state was measured in that epoch; or when a sample from after it went into the clock that was finer than
 * what the clock claimed then, and the state is of that sample or a later one: a step that such a sample does not
 * contradict lies within the claim from then on (src/clock/residuals.ts), epoch or not.
 */
import type { Init } from '../world/traffic.js';
import type { World } from '../world/world.js';
import type { Sent } from './adapter.js';
import type { SimulatedDatabase } from './database.js';
import type { SignedWith } from './process.js';

export const EXCUSES = [
  'lying-host',
  'host-beyond-bound',
  'host-froze',
  'exchange-stepped',
  'nothing-known',
] as const;
export type Excuse = (typeof EXCUSES)[number];

/** Held to the promise, or why not. */
export type Verdict = 'bound' | Excuse;

/** One signed request, and what the truth was when it was signed. */
export interface Signing {
  readonly atMs: number;
  readonly with: SignedWith;
  /** Offset used, less the true one. */
  readonly errorMs: number;
  readonly uncertaintyMs: number;
  readonly verdict: Verdict;
  /** Of the oracle then; undefined when it knew nothing. */
  readonly oracleErrorMs: number | undefined;
  readonly oracleWithLinksErrorMs: number | undefined;
}

const ASSUMED_PPM = 50;
/** Reference clocks are right to within this, so that their times can be taken for true ones. */
const REFERENCE_OFF_MS = 30;

/** A sample is told by when it came in; its stamp may be older by so much. */
const LONGEST_TRIP_MS = 5_000;

export function judgeBound(of: {
  readonly world: World;
  readonly database: SimulatedDatabase;
  readonly init: Init;
  readonly used: SignedWith;
  readonly nowMs: number;
}): Verdict {
  const { world, database, init, used, nowMs } = of;
  const { host } = init.place;
  const { machine } = host;
  const { state } = used;
  if (machine.lie) return 'lying-host';
  if (!Number.isFinite(state.estimate.uncertaintyMs) || state.estimate.uncertaintyMs >= ANY_ERROR_MS) {
    return 'nothing-known';
  }
  const referencePpm = world.references[0]?.clock.worstPpm ?? 0;
  if (machine.oscillator.worstPpm + referencePpm > ASSUMED_PPM) return 'host-beyond-bound';
  const linkAgeMs = used.nowMs - state.link.atMs;
  if (host.frozeBetween(nowMs - linkAgeMs * 1.001 - 1, nowMs)) return 'host-froze';
  const { clock, exchange, environment } = init.exchange;
  const steppedAtMs = clock.steps.findLast(({ atMs }) => atMs <= nowMs)?.atMs;
  if (steppedAtMs === undefined) return 'bound';
  const epochSinceMs = database.epochSince(exchange, environment, state.referenceClock);
  const { atMs } = state.estimate;
  const isFoundOut = epochSinceMs > steppedAtMs - REFERENCE_OFF_MS && atMs >= epochSinceMs;
  const sampledAtMs = () =>
    database.fineSampleAfter(
      exchange,
      environment,
      state.referenceClock,
      steppedAtMs + REFERENCE_OFF_MS + LONGEST_TRIP_MS,
    );
  return isFoundOut || atMs >= sampledAtMs() ? 'bound' : 'exchange-stepped';
}

/** With no sample at all a state says that any error is possible. */
const ANY_ERROR_MS = 1_000_000_000;

export interface Refusal {
  /**
   * `exchange-step`: the exchange's clock stepped after the state was measured. `host`: this host lies, or froze since it
   * last saw the database's clock, or before the request left. `first-contact`: nothing was known, and some clock was not sane. `none`: ours.
   */
  readonly cause: 'exchange-step' | 'host' | 'first-contact' | 'none';
  /** Of the exchange's clock. */
  readonly epoch: number;
}

/** A clock that is off by less tells the time well enough for any exchange's window. */
export const SANE_MS = 1_000;

export function judgeRefusal(of: {
  readonly world: World;
  readonly init: Init;
  readonly sent: Sent;
  readonly signing: Signing;
}): Refusal {
  const { world, init, sent, signing } = of;
  const { clock } = init.exchange;
  const epoch = clock.epochAt(sent.stampedAtMs);
  const measuredAtMs = signing.with.state.estimate.atMs - REFERENCE_OFF_MS;
  if (signing.verdict === 'nothing-known') {
    return { cause: areSane(world, init, sent.askedAtMs) ? 'none' : 'first-contact', epoch };
  }
  if (clock.epochAt(measuredAtMs) !== epoch) return { cause: 'exchange-step', epoch };
  // Also one that slept over a request that was signed and not yet sent.
  const hasSlept = init.place.host.frozeBetween(sent.askedAtMs, sent.sentAtMs);
  const isHost = hasSlept || signing.verdict === 'lying-host' || signing.verdict === 'host-froze';
  return { cause: isHost ? 'host' : 'none', epoch };
}

/** Whether exchange, database and host all tell the time to within {@link SANE_MS}. */
export function areSane(world: World, init: Init, trueMs: number): boolean {
  const { host, clock } = init.place;
  const reference = world.references.findLast(({ fromMs }) => fromMs <= trueMs) ?? world.references[0];
  const offsets = [
    init.exchange.clock.offsetAt(trueMs),
    reference?.clock.offsetAt(trueMs) ?? 0,
    host.wall(trueMs) - trueMs,
    // What a host tells without a database is the time of its start, carried on.
    clock.now() - trueMs,
  ];
  return !host.machine.lie && offsets.every(offset => Math.abs(offset) < SANE_MS);
}
