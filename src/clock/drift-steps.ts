/**
 * The steps of a clock, told from the cells of all machines that measured it.
 *
 * The cells of one machine and one clock (exchange, environment, reference clock), in the order of time, are a *chain*.
 * Knowledge is carried along it, inflated and intersected. Where the next cell excludes it, the clock stepped in between.
 *
 * When a clock steps every machine sees it, each between two samples of its own. Sightings in the same direction
 * whose spans have a moment in common are one step; the number of steps is the smallest that explains all sightings
 * (intervals stabbed by the fewest points, taken greedily by their ends). How many machines saw a step is kept: one that
 * only one of many saw was rather that machine's.
 */
import { type DriftCell, firstKnown, lastKnown } from './drift-cell.js';
import { ASSUMED_RATE, inflate, intersect, type OffsetEstimate, type RateBound } from './offset.js';

/** A cell, and what it is about. */
export interface PlacedCell {
  /** Start of the cell, epoch ms by the reference clock. */
  readonly startMs: number;
  readonly exchange: string;
  readonly environment: string;
  readonly scope: string;
  readonly referenceClock: string;
  readonly machine: string;
  readonly cell: DriftCell;
}

/** A step: after one moment and at or before the other (epoch ms). */
export interface DriftStep {
  readonly afterMs: number;
  readonly atMs: number;
  /** `null`: one of several within a cell, of which only the last is described. */
  readonly byMs: number | null;
  /** How many machines saw it. */
  readonly hosts: number;
}

export interface Sighting {
  readonly machine: string;
  readonly afterMs: number;
  readonly atMs: number;
  readonly byMs: number | null;
}

/** One machine's cells of one clock, in the order of time. */
export type Chain = readonly PlacedCell[];

/** The steps that one machine saw, if the clock drifts no faster than `rate` says. */
export function sightingsOf(chain: Chain, rate: RateBound): Sighting[] {
  const sightings: Sighting[] = [];
  let known: OffsetEstimate | undefined;
  let before: PlacedCell | undefined;
  for (const placed of chain) {
    const { cell, machine } = placed;
    const first = firstKnown(cell, rate);
    const both = known && intersect(known, first);
    if (known && before && !both) {
      sightings.push({ machine, ...stepBetween(before.cell, known, cell, first) });
    }
    const { steps, stepAfter, steppedAt, stepMs } = cell;
    if (stepAfter !== null && steppedAt !== null) {
      for (let n = 1; n < steps; n++) {
        sightings.push({ machine, afterMs: cell.firstAt, atMs: stepAfter, byMs: null });
      }
      sightings.push({ machine, afterMs: stepAfter, atMs: steppedAt, byMs: stepMs });
    }
    known = both && steps === 0 ? both : lastKnown(cell, rate);
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
export function stepsOf(sightings: readonly Sighting[]): DriftStep[] {
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

/** The cells between steps. A cell whose samples lie on both sides of a step belongs to no epoch. */
export function epochsOf(chain: Chain, steps: readonly DriftStep[]): Chain[] {
  // The earliest beginning among each step and all after it.
  const beginnings = steps.map(({ afterMs }) => afterMs);
  for (let i = beginnings.length - 2; i >= 0; i--) {
    beginnings[i] = Math.min(beginnings[i] as number, beginnings[i + 1] as number);
  }
  const epochs = new Map<number, PlacedCell[]>();
  for (const placed of chain) {
    const { cell } = placed;
    // A cell's moments are of the samples since its own last step.
    const number = stepsUpTo(steps, cell.steppedAt ?? cell.firstAt);
    const isTorn = (beginnings[number] ?? Number.POSITIVE_INFINITY) < cell.lastAt;
    if (isTorn) continue;
    const epoch = epochs.get(number);
    if (epoch) epoch.push(placed);
    else epochs.set(number, [placed]);
  }
  return [...epochs.values()];
}

/** How many steps ended at or before a moment. */
export function stepsUpTo(steps: readonly DriftStep[], atMs: number): number {
  let [low, high] = [0, steps.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((steps[middle] as DriftStep).atMs <= atMs) low = middle + 1;
    else high = middle;
  }
  return low;
}
