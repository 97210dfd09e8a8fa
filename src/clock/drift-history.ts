/**
 * Cells put together again: what an exchange's clock did over days or weeks, for all machines together or for each.
 *
 * The cells of one machine and one clock (exchange, environment, reference clock), in the order of time, are a *chain*.
 * Knowledge is carried along it, inflated and intersected. Where the next cell excludes it, the clock stepped in between.
 *
 * Steps. When a clock steps every machine sees it, each between two samples of its own. Sightings in the same direction
 * whose spans have a moment in common are one step; the number of steps is the smallest that explains all sightings
 * (intervals stabbed by the fewest points, taken greedily by their ends). How many machines saw a step is kept: one that
 * only one of many saw was rather that machine's. What one saw holds for all: who measures once an hour cannot tell
 * 50 ms of step from drift, and must not take it for drift.
 *
 * For the same reason there are two looks. The first allows for the drift that is assumed of any clock, 50 ppm, which in
 * an hour hides steps of up to 180 ms. If it yields a rate, the second allows for that rate and its bound only.
 *
 * Rate. Steps cut chains into *epochs*. Every epoch has a level of its own (a step moves it, and the asymmetry of a path
 * shifts it), and all share one slope: the centred sums of the epochs are added up (analysis of covariance with a common
 * slope). The confidence must not pretend that a thousand samples of an hour are a thousand independent witnesses: what
 * moves a clock off its line moves it for all of them. So the scatter is taken between cells, those of one moment
 * together (cluster-robust variance: K.-Y. Liang, S. Zeger, "Longitudinal data analysis using generalized linear models",
 * 1986), and a cell counts as one observation. Student's t, the floor by the samples' own uncertainties and the limits
 * within which a rate counts as measured are those of drift.ts.
 */
import { type Drift, driftOf } from './drift.js';
import {
  type DriftCell,
  firstKnown,
  lastKnown,
  type Moments,
  medianRoundTripMs,
  mergeMoments,
  roundTripCounts,
} from './drift-cell.js';
import { isOwnClock } from './machine.js';
import { ASSUMED_RATE, inflate, intersect, type OffsetEstimate, type RateBound } from './offset.js';

/** A cell, and what it is about. */
export interface PlacedCell {
  /** Start of the cell, epoch ms by the reference clock. */
  readonly startMs: number;
  readonly exchange: string;
  readonly environment: string;
  readonly referenceClock: string;
  readonly machine: string;
  readonly cell: DriftCell;
}

export type DriftGrouping = 'exchange' | 'host';

/** A step: after one moment and at or before the other (epoch ms). */
export interface DriftStep {
  readonly afterMs: number;
  readonly atMs: number;
  /** `null`: one of several within a cell, of which only the last is described. */
  readonly byMs: number | null;
  /** How many machines saw it. */
  readonly hosts: number;
}

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

interface Sighting {
  readonly machine: string;
  readonly afterMs: number;
  readonly atMs: number;
  readonly byMs: number | null;
}

/** One machine's cells of one clock, in the order of time. */
type Chain = readonly PlacedCell[];

/** Everything about one exchange, environment and reference clock. */
interface Clock {
  readonly chains: ReadonlyMap<string, Chain>;
  readonly sightings: readonly Sighting[];
  readonly steps: readonly DriftStep[];
}

/** Cells between two steps. */
type Epoch = { readonly startMs: number; readonly moments: Moments }[];

interface DraftPoint {
  readonly startMs: number;
  readonly known: OffsetEstimate;
  readonly lastAt: number;
  readonly firstAt: number;
  readonly samples: number;
  readonly minOffsetMs: number;
  readonly maxOffsetMs: number;
  readonly offsetSum: number;
  readonly tightestMs: number;
  readonly tripMinMs: number;
  readonly trips: readonly number[];
}

/**
 * @param cells in the order of their starts
 * @param by `exchange`: a line for each exchange, environment and reference clock, leaving out what was measured
 *   against processes' own clocks, which have nothing in common; `host`: a line for each machine of these
 * @returns in the order of exchange, environment, host
 */
export function driftLines(cells: Iterable<PlacedCell>, by: DriftGrouping): DriftLine[] {
  const lines = new Map<string, { clock: Clock; chain: Chain }[]>();
  for (const clock of clocksOf(cells)) {
    for (const [machine, chain] of clock.chains) {
      const { exchange, environment, referenceClock } = chain[0] as PlacedCell;
      const isOwn = isOwnClock(referenceClock);
      if (isOwn && by === 'exchange') continue;
      const host = by === 'host' ? machine : '';
      addTo(lines, JSON.stringify([exchange, environment, host, isOwn ? '' : referenceClock]), {
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
    const name = JSON.stringify([placed.exchange, placed.environment, placed.referenceClock]);
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

/** The steps that one machine saw, if the clock drifts no faster than `rate` says. */
function sightingsOf(chain: Chain, rate: RateBound): Sighting[] {
  const sightings: Sighting[] = [];
  let known: OffsetEstimate | undefined;
  let before: PlacedCell | undefined;
  for (const placed of chain) {
    const { cell, machine } = placed;
    const first = { ...firstKnown(cell), rate };
    const both = known && intersect(known, first);
    if (known && before && !both)
      sightings.push({ machine, ...stepBetween(before.cell, known, cell, first) });
    const { steps, stepAfter, steppedAt, stepMs } = cell;
    if (stepAfter !== null && steppedAt !== null) {
      for (let n = 1; n < steps; n++) {
        sightings.push({ machine, afterMs: cell.firstAt, atMs: stepAfter, byMs: null });
      }
      sightings.push({ machine, afterMs: stepAfter, atMs: steppedAt, byMs: stepMs });
    }
    known = both && steps === 0 ? both : { ...lastKnown(cell), rate };
    before = placed;
  }
  return sightings;
}

/**
 * Where two cells exclude each other. A cell takes whatever drift at 50 ppm explains, so a small step may hide within
 * either; one that is larger than that lies between the last sample of the one and the first of the other.
 */
function stepBetween(a: DriftCell, known: OffsetEstimate, b: DriftCell, first: OffsetEstimate) {
  const byMs = first.offsetMs - inflate(known, first.atMs).offsetMs;
  const afterMs = a.steppedAt ?? a.firstAt;
  const atMs = b.stepAfter ?? b.lastAt;
  const hiding = a.uncertaintyMs + b.firstUncertaintyMs + ((atMs - afterMs) * ASSUMED_RATE.boundPpm) / 1e6;
  return Math.abs(byMs) > hiding ? { afterMs: a.lastAt, atMs: b.firstAt, byMs } : { afterMs, atMs, byMs };
}

interface DraftStep {
  afterMs: number;
  readonly atMs: number;
  readonly byMs: number | null;
  readonly machines: Set<string>;
}

/** The fewest steps that explain all sightings, in the order of time. */
function stepsOf(sightings: readonly Sighting[]): DriftStep[] {
  const steps: DraftStep[] = [];
  for (const { machine, afterMs, atMs, byMs } of [...sightings].sort((a, b) => a.atMs - b.atMs)) {
    let same: DraftStep | undefined;
    // Only the last ones can reach into this span; a clock that nobody disciplines may have thousands.
    for (let i = steps.length - 1; i >= 0 && !same; i--) {
      const step = steps[i] as DraftStep;
      if (step.atMs <= afterMs) break;
      // No machine sees one step twice.
      if (Math.sign(step.byMs ?? 0) === Math.sign(byMs ?? 0) && !step.machines.has(machine)) same = step;
    }
    if (same) {
      same.machines.add(machine);
      same.afterMs = Math.max(same.afterMs, afterMs);
    } else {
      steps.push({ afterMs, atMs, byMs, machines: new Set([machine]) });
    }
  }
  return steps.map(({ machines, ...step }) => ({ ...step, hosts: machines.size }));
}

/** A cell whose samples lie on both sides of a step belongs to no epoch. */
function epochsOf(chain: Chain, steps: readonly DriftStep[]): Epoch[] {
  // The earliest beginning among each step and all after it.
  const beginnings = steps.map(({ afterMs }) => afterMs);
  for (let i = beginnings.length - 2; i >= 0; i--) {
    beginnings[i] = Math.min(beginnings[i] as number, beginnings[i + 1] as number);
  }
  const epochs = new Map<number, Epoch>();
  for (const { startMs, cell } of chain) {
    // A cell's moments are of the samples since its own last step.
    const number = stepsUpTo(steps, cell.steppedAt ?? cell.firstAt);
    const isTorn = (beginnings[number] ?? Number.POSITIVE_INFINITY) < cell.lastAt;
    if (isTorn) continue;
    const epoch = epochs.get(number);
    if (epoch) epoch.push({ startMs, moments: cell });
    else epochs.set(number, [{ startMs, moments: cell }]);
  }
  return [...epochs.values()];
}

/** How many steps ended at or before a moment. */
function stepsUpTo(steps: readonly DriftStep[], atMs: number): number {
  let [low, high] = [0, steps.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((steps[middle] as DriftStep).atMs <= atMs) low = middle + 1;
    else high = middle;
  }
  return low;
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
    trips: roundTripCounts(cell),
  };
}

/** Of one span, by two machines. */
function addToPoint(a: DraftPoint, b: DraftPoint): DraftPoint {
  // Where two machines contradict each other, one of them has not seen yet what the other has.
  const later = b.known.atMs > a.known.atMs ? b.known : a.known;
  return { ...mergePoints(a, b), known: intersect(a.known, b.known) ?? later };
}

/** Of two spans, the later second: what is known is what is known at its end. */
const mergePoints = (a: DraftPoint, b: DraftPoint): DraftPoint => ({
  startMs: a.startMs,
  known: b.known,
  firstAt: Math.min(a.firstAt, b.firstAt),
  lastAt: Math.max(a.lastAt, b.lastAt),
  samples: a.samples + b.samples,
  minOffsetMs: Math.min(a.minOffsetMs, b.minOffsetMs),
  maxOffsetMs: Math.max(a.maxOffsetMs, b.maxOffsetMs),
  offsetSum: a.offsetSum + b.offsetSum,
  tightestMs: Math.min(a.tightestMs, b.tightestMs),
  tripMinMs: Math.min(a.tripMinMs, b.tripMinMs),
  trips: a.trips.map((count, i) => count + (b.trips[i] as number)),
});

function lineOf(parts: readonly { clock: Clock; chain: Chain }[], by: DriftGrouping): DriftLine {
  const [first] = parts.flatMap(({ chain }) => chain.slice(0, 1)) as [PlacedCell];
  const { exchange, environment, referenceClock, machine } = first;
  const machines = new Set(parts.map(({ chain }) => chain[0]?.machine));
  const steps = stepsOf(
    parts.flatMap(({ clock, chain }) =>
      clock.sightings.filter(sighting => sighting.machine === chain[0]?.machine),
    ),
  );
  const points = pointsOf(parts.map(({ chain }) => chain));
  const whole = points.reduce(mergePoints);
  const { atMs: _, startMs: __, steps: ___, ...figures } = figuresOf(whole, 0);
  return {
    exchange,
    environment,
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
  for (const placed of chains.flat()) {
    const point = byStart.get(placed.startMs);
    byStart.set(placed.startMs, point ? addToPoint(point, pointOf(placed)) : pointOf(placed));
  }
  return [...byStart.values()].sort((a, b) => a.startMs - b.startMs);
}

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

/** The slope that all epochs share, in the terms of drift.ts. */
function driftOfEpochs(all: readonly Epoch[]): Drift {
  const epochs = all.map(cells => ({
    cells,
    whole: cells.map(({ moments }) => moments).reduce(mergeMoments),
  }));
  const sum = (of: (whole: Moments) => number) => epochs.reduce((total, { whole }) => total + of(whole), 0);
  const tt = sum(whole => whole.timeSquares);
  const ty = sum(whole => whole.timeOffsets);
  if (!(tt > 0)) return driftOf(undefined);
  const slope = ty / tt;

  // Each cell's part in what is left unexplained; it is zero in total, and should be small everywhere.
  const scores = new Map<number, number>();
  for (const { cells, whole } of epochs) {
    for (const { startMs, moments: m } of cells) {
      const t = m.centreMs - whole.centreMs;
      const y = m.centreOffsetMs - whole.centreOffsetMs;
      const score = m.timeOffsets + m.weight * t * y - slope * (m.timeSquares + m.weight * t * t);
      scores.set(startMs, (scores.get(startMs) ?? 0) + score);
    }
  }
  const times = epochs
    .flatMap(({ cells }) => [cells[0], cells.at(-1)])
    .map(cell => cell?.moments.centreMs as number);
  const cells = scores.size;
  const variance = [...scores.values()].reduce((total, score) => total + score * score, 0) / (tt * tt);
  const corrected = cells > 1 ? (variance * cells) / (cells - 1) : variance;
  // Sums of as many observations as there are cells, with this slope and this variance of it.
  return driftOf({
    fromMs: Math.min(...times),
    atMs: Math.max(...times),
    baseMs: 0,
    w: cells,
    ww: cells,
    t: 0,
    y: 0,
    tt,
    ty,
    yy: slope * ty + corrected * tt * (cells - 2),
  });
}
