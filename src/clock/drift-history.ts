/**
 * Cells put together again: what an exchange's clock did over days or weeks, for all machines together or for each.
 *
 * The steps are told from the cells of all machines (drift-steps.ts), the rate from what lies between them
 * (drift-slope.ts). What one machine saw of a clock holds for all: who measures once an hour cannot tell 50 ms of step
 * from drift, and must not take it for drift.
 *
 * For the same reason there are two looks. The first allows for the drift that is assumed of any clock, 50 ppm, which in
 * an hour hides steps of up to 180 ms. If it yields a rate, the second allows for that rate and its bound only.
 */
import type { Drift } from './drift.js';
import { lastKnown, medianRoundTripMs, roundTripCounts } from './drift-cell.js';
import { driftOfEpochs } from './drift-slope.js';
import {
  type Chain,
  type DriftStep,
  epochsOf,
  type PlacedCell,
  type Sighting,
  sightingsOf,
  stepsOf,
  stepsUpTo,
} from './drift-steps.js';
import { isOwnClock } from './machine.js';
import { ASSUMED_RATE, intersect, type OffsetEstimate, type RateBound } from './offset.js';

export type DriftGrouping = 'exchange' | 'host';

/** What is known about one cell's span, by all machines of the line. */
export interface DriftPoint {
  readonly startMs: number;
  /** exchange − reference at `atMs`, as all samples of the cell since its last step allow. */
  readonly atMs: number;
  readonly offsetMs: number;
  readonly uncertaintyMs: number;
  readonly samples: number;
  readonly minOffsetMs: number;
  readonly maxOffsetMs: number;
  readonly meanOffsetMs: number;
  readonly tightestUncertaintyMs: number;
  readonly roundTripMinMs: number;
  readonly roundTripMedianMs: number;
  /** Steps that ended within the cell. */
  readonly steps: number;
}

export interface DriftLine {
  readonly exchange: string;
  readonly environment: string;
  /** Which of the exchange's hosts. */
  readonly scope: string;
  /** `undefined`: each process's own, while no database's could be read. */
  readonly referenceClock: string | undefined;
  /** `undefined`: all. */
  readonly host: string | undefined;
  /** How many machines measured. */
  readonly hosts: number;
  readonly samples: number;
  readonly firstAtMs: number;
  readonly lastAtMs: number;
  /** The latest point's. */
  readonly offsetMs: number;
  readonly uncertaintyMs: number;
  readonly minOffsetMs: number;
  readonly maxOffsetMs: number;
  readonly meanOffsetMs: number;
  readonly tightestUncertaintyMs: number;
  readonly drift: Drift;
  readonly steps: readonly DriftStep[];
  readonly roundTripMinMs: number;
  /** Estimated from counts by size. */
  readonly roundTripMedianMs: number;
  /** In the order of time. */
  readonly points: readonly DriftPoint[];
}

/** Everything about one exchange, environment, scope and reference clock. */
interface Clock {
  readonly chains: ReadonlyMap<string, Chain>;
  readonly sightings: readonly Sighting[];
  readonly steps: readonly DriftStep[];
}

/** A point while cells are still being added to it. */
interface DraftPoint {
  readonly startMs: number;
  known: OffsetEstimate;
  firstAt: number;
  lastAt: number;
  samples: number;
  minOffsetMs: number;
  maxOffsetMs: number;
  offsetSum: number;
  tightestMs: number;
  tripMinMs: number;
  readonly trips: number[];
}

/**
 * @param cells in the order of their starts
 * @param by `exchange`: a line for each exchange, environment, scope and reference clock, leaving out what was measured
 *   against processes' own clocks, which have nothing in common; `host`: a line for each machine of these
 * @returns in the order of exchange, environment, scope, host
 */
export function driftLines(cells: Iterable<PlacedCell>, by: DriftGrouping): DriftLine[] {
  const lines = new Map<string, { clock: Clock; chain: Chain }[]>();
  for (const clock of clocksOf(cells)) {
    for (const [machine, chain] of clock.chains) {
      const { exchange, environment, scope, referenceClock } = chain[0] as PlacedCell;
      const isOwn = isOwnClock(referenceClock);
      if (isOwn && by === 'exchange') continue;
      const host = by === 'host' ? machine : '';
      addTo(lines, JSON.stringify([exchange, environment, scope, host, isOwn ? '' : referenceClock]), {
        clock,
        chain,
      });
    }
  }
  return [...lines].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, parts]) => lineOf(parts, by));
}

function addTo<T>(lists: Map<string, T[]>, name: string, item: T): void {
  const list = lists.get(name);
  if (list) list.push(item);
  else lists.set(name, [item]);
}

function clocksOf(cells: Iterable<PlacedCell>): Clock[] {
  const byClock = new Map<string, Map<string, PlacedCell[]>>();
  for (const placed of cells) {
    const name = JSON.stringify([placed.exchange, placed.environment, placed.scope, placed.referenceClock]);
    let chains = byClock.get(name);
    if (!chains) {
      chains = new Map();
      byClock.set(name, chains);
    }
    addTo(chains, placed.machine, placed);
  }
  return [...byClock.values()].map(chains => {
    const first = clockOf(chains, ASSUMED_RATE);
    const drift = driftOfEpochs([...chains.values()].flatMap(chain => epochsOf(chain, first.steps)));
    return drift.isMeasured ? clockOf(chains, drift.rate) : first;
  });
}

function clockOf(chains: ReadonlyMap<string, Chain>, rate: RateBound): Clock {
  const sightings = [...chains.values()].flatMap(chain => sightingsOf(chain, rate));
  return { chains, sightings, steps: stepsOf(sightings) };
}

function pointOf({ startMs, cell }: PlacedCell): DraftPoint {
  return {
    startMs,
    known: lastKnown(cell),
    firstAt: cell.firstAt,
    lastAt: cell.lastAt,
    samples: cell.samples,
    minOffsetMs: cell.minOffsetMs,
    maxOffsetMs: cell.maxOffsetMs,
    offsetSum: cell.meanOffsetMs * cell.samples,
    tightestMs: cell.tightestUncertaintyMs,
    tripMinMs: cell.roundTripMinMs,
    trips: [...roundTripCounts(cell)],
  };
}

/** Adds the counts and ranges of another; what is known is for the caller to say. */
function absorb(point: DraftPoint, other: DraftPoint, known: OffsetEstimate): DraftPoint {
  point.known = known;
  point.firstAt = Math.min(point.firstAt, other.firstAt);
  point.lastAt = Math.max(point.lastAt, other.lastAt);
  point.samples += other.samples;
  point.minOffsetMs = Math.min(point.minOffsetMs, other.minOffsetMs);
  point.maxOffsetMs = Math.max(point.maxOffsetMs, other.maxOffsetMs);
  point.offsetSum += other.offsetSum;
  point.tightestMs = Math.min(point.tightestMs, other.tightestMs);
  point.tripMinMs = Math.min(point.tripMinMs, other.tripMinMs);
  for (let i = 0; i < point.trips.length; i++) (point.trips[i] as number) += other.trips[i] as number;
  return point;
}

function lineOf(parts: readonly { clock: Clock; chain: Chain }[], by: DriftGrouping): DriftLine {
  const [first] = parts.flatMap(({ chain }) => chain.slice(0, 1)) as [PlacedCell];
  const { exchange, environment, scope, referenceClock, machine } = first;
  const machines = new Set(parts.map(({ chain }) => chain[0]?.machine));
  const steps = stepsOf(
    parts.flatMap(({ clock, chain }) =>
      clock.sightings.filter(sighting => sighting.machine === chain[0]?.machine),
    ),
  );
  const points = pointsOf(parts.map(({ chain }) => chain));
  const [earliest, ...later] = points as [DraftPoint, ...DraftPoint[]];
  const whole = later.reduce((sum, point) => absorb(sum, point, point.known), {
    ...earliest,
    trips: [...earliest.trips],
  });
  const { atMs: _, startMs: __, steps: ___, ...figures } = figuresOf(whole, 0);
  return {
    exchange,
    environment,
    scope,
    referenceClock: isOwnClock(referenceClock) ? undefined : referenceClock,
    host: by === 'host' ? machine : undefined,
    hosts: machines.size,
    firstAtMs: whole.firstAt,
    lastAtMs: whole.lastAt,
    ...figures,
    drift: driftOfEpochs(parts.flatMap(({ clock, chain }) => epochsOf(chain, clock.steps))),
    steps,
    points: points.map((point, i) => {
      const endMs = points[i + 1]?.startMs ?? Number.POSITIVE_INFINITY;
      return figuresOf(point, stepsUpTo(steps, endMs - 1) - stepsUpTo(steps, point.startMs - 1));
    }),
  };
}

function pointsOf(chains: readonly Chain[]): DraftPoint[] {
  const byStart = new Map<number, DraftPoint>();
  for (const chain of chains) {
    for (const placed of chain) {
      const other = pointOf(placed);
      const point = byStart.get(placed.startMs);
      if (point) absorb(point, other, commonTo(point.known, other.known));
      else byStart.set(placed.startMs, other);
    }
  }
  return [...byStart.values()].sort((a, b) => a.startMs - b.startMs);
}

/** Where two machines contradict each other, one of them has not seen yet what the other has. */
const commonTo = (a: OffsetEstimate, b: OffsetEstimate): OffsetEstimate =>
  intersect(a, b) ?? (b.atMs > a.atMs ? b : a);

const figuresOf = (point: DraftPoint, steps: number): DriftPoint => ({
  startMs: point.startMs,
  atMs: point.known.atMs,
  offsetMs: point.known.offsetMs,
  uncertaintyMs: point.known.uncertaintyMs,
  samples: point.samples,
  minOffsetMs: point.minOffsetMs,
  maxOffsetMs: point.maxOffsetMs,
  meanOffsetMs: point.offsetSum / point.samples,
  tightestUncertaintyMs: point.tightestMs,
  roundTripMinMs: point.tripMinMs,
  roundTripMedianMs: medianRoundTripMs(point.trips, point.tripMinMs),
  steps,
});
