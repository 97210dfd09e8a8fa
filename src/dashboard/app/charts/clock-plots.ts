/** What is known of one clock, as plots: pure, from what the service answered. */
import { type Deviation, type StabilityPoint, stabilityOf } from '../../../clock/stability.js';
import type { Drift, DriftLine, DriftPoint, Refusal, Sample, UsageBucket } from '../api/types.js';
import { millis, plusMinus, span } from '../state/words.js';
import { type Line, lineOn, pointsOn, unionOf } from './align.js';
import type { Mark, PlotSpec } from './spec.js';

/** So many cells without a sample are a gap. */
const GAP_CELLS = 2.5;

const times = (points: readonly DriftPoint[]) => points.map(({ atMs }) => atMs);

const lineOf = (points: readonly DriftPoint[], value: (point: DriftPoint) => number): Line => ({
  xs: times(points),
  values: points.map(value),
});

const marksOf = (line: DriftLine): Mark[] =>
  line.steps.map(({ atMs, byMs, hosts }) => ({
    x: atMs,
    label: `step${byMs === null ? '' : ` by ${millis(byMs)}`}, seen by ${hosts}`,
    colour: 'wrong',
  }));

/** A clock that steps passes through nothing between. */
const breaksOf = ({ steps }: DriftLine): number[] => steps.map(({ afterMs, atMs }) => (afterMs + atMs) / 2);

/** The offset with its bound as a band, the samples that it rests on, the steps. */
export function offsetPlot(line: DriftLine, drift: Drift, samples: readonly Sample[]): PlotSpec {
  const { points } = line;
  const longestGap = drift.cellMs * GAP_CELLS;
  const breaks = breaksOf(line);
  const xs = unionOf(
    times(points),
    samples.map(({ atMs }) => atMs),
    breaks,
  );
  const on = (value: (point: DriftPoint) => number) => lineOn(xs, lineOf(points, value), longestGap, breaks);
  const last = points.at(-1);
  return {
    title: 'Offset, with its bound',
    summary: last
      ? `${points.length} points; the last says ${plusMinus(last.offsetMs, last.uncertaintyMs)}; ${line.steps.length} steps.`
      : 'No points.',
    xLabel: 'UTC',
    yLabel: 'exchange − reference, ms',
    xKind: 'time',
    yKind: 'linear',
    xs,
    xRange: [drift.fromMs, drift.untilMs],
    series: [
      {
        label: 'upper bound, ms',
        kind: 'hidden',
        colour: 'bound',
        values: on(p => p.offsetMs + p.uncertaintyMs),
      },
      {
        label: 'lower bound, ms',
        kind: 'hidden',
        colour: 'bound',
        values: on(p => p.offsetMs - p.uncertaintyMs),
      },
      {
        label: 'single samples',
        kind: 'points',
        colour: 'sample',
        values: pointsOn(xs, new Map(samples.map(s => [s.atMs, s.offsetMs]))),
      },
      { label: 'offset', kind: 'line', colour: 'offset', values: on(p => p.offsetMs) },
    ],
    bands: [{ upper: 0, lower: 1, colour: 'bound', label: 'bound of its error' }],
    marks: marksOf(line),
  };
}

/** How far a request is from being refused for its timestamp, with those that were. */
export function distancePlot(
  line: DriftLine,
  drift: Drift,
  refusals: readonly Refusal[],
  toleranceMs: number,
  /** Where single refusals are not known. */
  counted: readonly UsageBucket[] = [],
): PlotSpec {
  const bound = lineOf(line.points, ({ uncertaintyMs }) => toleranceMs - uncertaintyMs);
  const of = (kind: Refusal['kind']) =>
    new Map(
      refusals
        .filter(refusal => refusal.kind === kind)
        .map(({ atMs, uncertaintyMs, lateAtLeastMs }) => [
          atMs,
          toleranceMs - ((uncertaintyMs ?? 0) + (lateAtLeastMs ?? toleranceMs)),
        ]),
    );
  const [late, wrong] = [of('late'), of('wrong')];
  const xs = unionOf(bound.xs, [...late.keys()], [...wrong.keys()]);
  return {
    title: 'Distance to refusal',
    summary: `What is left of ± ${toleranceMs} ms after the bound of the error and the lateness; ${late.size + total(counted, 'lateRequests')} late, ${wrong.size + total(counted, 'timestampRefusals')} wrong.`,
    xLabel: 'UTC',
    yLabel: 'tolerance − (bound + lateness), ms',
    xKind: 'time',
    yKind: 'linear',
    xs,
    xRange: [drift.fromMs, drift.untilMs],
    yIncludes: [0, toleranceMs],
    series: [
      {
        label: 'distance',
        kind: 'line',
        colour: 'good',
        values: lineOn(xs, bound, drift.cellMs * GAP_CELLS),
      },
      { label: 'refused: late', kind: 'points', colour: 'late', values: pointsOn(xs, late) },
      { label: 'refused: wrong', kind: 'points', colour: 'wrong', values: pointsOn(xs, wrong) },
      { label: 'refused below', kind: 'line', colour: 'muted', isDashed: true, values: xs.map(() => 0) },
    ],
    marks: [...marksOf(line), ...counted.flatMap(countMarks)],
  };
}

const total = (counted: readonly UsageBucket[], what: 'lateRequests' | 'timestampRefusals') =>
  counted.reduce((sum, bucket) => sum + bucket[what], 0);

const countMarks = ({ startMs, lateRequests, timestampRefusals }: UsageBucket): Mark[] => [
  ...(lateRequests > 0
    ? [{ x: startMs, label: `${lateRequests} late from here on`, colour: 'late' as const }]
    : []),
  ...(timestampRefusals > 0
    ? [{ x: startMs, label: `${timestampRefusals} wrong from here on`, colour: 'wrong' as const }]
    : []),
];

/** The rate over a window of a twentieth of the range, each with the bound that its two ends allow. */
export function ratePlot(line: DriftLine, drift: Drift): PlotSpec {
  const { points, steps } = line;
  const apart = Math.max(drift.cellMs * 4, (drift.untilMs - drift.fromMs) / 20);
  const rates: { atMs: number; rate: number | null; bound: number }[] = [];
  let i = 0;
  for (const point of points) {
    while (point.atMs - (points[i] as DriftPoint).atMs > apart) i++;
    const from = points[Math.max(0, i - 1)] as DriftPoint;
    const spanMs = point.atMs - from.atMs;
    const hasStep = steps.some(step => step.atMs > from.atMs && step.afterMs < point.atMs);
    if (spanMs < apart * 0.9 || hasStep) continue;
    const atMs = from.atMs + spanMs / 2;
    const before = rates.at(-1)?.atMs ?? atMs;
    // Where none is known, as around a step, no line leads across.
    if (atMs - before > drift.cellMs * GAP_CELLS)
      rates.push({ atMs: (before + atMs) / 2, rate: null, bound: 0 });
    rates.push({
      atMs,
      rate: ((point.offsetMs - from.offsetMs) / spanMs) * 1e6,
      bound: ((point.uncertaintyMs + from.uncertaintyMs) / spanMs) * 1e6,
    });
  }
  return {
    title: 'Rate',
    summary: `How fast the offset moves, over ${span(apart)} each.`,
    xLabel: 'UTC',
    yLabel: 'rate, ppm',
    xKind: 'time',
    yKind: 'linear',
    xs: rates.map(({ atMs }) => atMs),
    xRange: [drift.fromMs, drift.untilMs],
    yIncludes: [0],
    series: [
      {
        label: 'upper bound, ppm',
        kind: 'hidden',
        colour: 'bound',
        values: rates.map(({ rate, bound }) => (rate === null ? null : rate + bound)),
      },
      {
        label: 'lower bound, ppm',
        kind: 'hidden',
        colour: 'bound',
        values: rates.map(({ rate, bound }) => (rate === null ? null : rate - bound)),
      },
      { label: 'rate', kind: 'line', colour: 'rate', values: rates.map(({ rate }) => rate) },
    ],
    bands: [{ upper: 0, lower: 1, colour: 'rate', label: 'what its ends allow' }],
  };
}

/** Of the stretch since the last step: a step is no wander. */
export function stabilityOfLine({ points, steps }: DriftLine, { cellMs }: Drift): StabilityPoint[] {
  const since = Math.max(Number.NEGATIVE_INFINITY, ...steps.map(({ atMs }) => atMs));
  const calm = points.filter(({ atMs }) => atMs >= since);
  const first = calm[0];
  const last = calm.at(-1);
  if (!first || !last) return [];
  const cells = new Array<number | null>(Math.round((last.startMs - first.startMs) / cellMs) + 1).fill(null);
  for (const { startMs, offsetMs } of calm) cells[Math.round((startMs - first.startMs) / cellMs)] = offsetMs;
  return stabilityOf(cells, cellMs);
}

export const allanPlot = (points: readonly StabilityPoint[]): PlotSpec =>
  deviationPlot('Allan deviation', 'of the rate, ppm', points, ({ allanPpm }) => allanPpm);

export const timeDeviationPlot = (points: readonly StabilityPoint[]): PlotSpec =>
  deviationPlot('Time deviation (TDEV)', 'of the time, ms', points, ({ time }) => time);

/** Zero has no place on a logarithmic axis. */
const positive = (value: number | undefined) => (value !== undefined && value > 0 ? value : null);

function deviationPlot(
  title: string,
  yLabel: string,
  all: readonly StabilityPoint[],
  of: (point: StabilityPoint) => Deviation | undefined,
): PlotSpec {
  const points = all.filter(point => positive(of(point)?.value) !== null);
  const values = (pick: (deviation: Deviation) => number) =>
    points.map(point => positive(pick(of(point) as Deviation)));
  return {
    title,
    summary:
      points.length === 0
        ? 'Not enough samples.'
        : `${points.length} spans from ${span(points[0]?.tauMs ?? 0)} to ${span(points.at(-1)?.tauMs ?? 0)}.`,
    xLabel: 'span',
    yLabel,
    xKind: 'log',
    yKind: 'log',
    xs: points.map(({ tauMs }) => tauMs / 1_000),
    xTicks: points.map(({ tauMs }) => ({ at: tauMs / 1_000, text: span(tauMs) })),
    series: [
      { label: 'upper 95 %', kind: 'hidden', colour: 'bound', values: values(({ high }) => high) },
      { label: 'lower 95 %', kind: 'hidden', colour: 'bound', values: values(({ low }) => low) },
      { label: title.toLowerCase(), kind: 'line', colour: 'rate', values: values(({ value }) => value) },
    ],
    bands: [{ upper: 0, lower: 1, colour: 'rate', label: '95 % confidence' }],
  };
}

/**
 * What a sample says beside what all say, over its delay: samples lie within a wedge that opens by half the delay to both
 * sides; one arm that is fuller than the other shows a way that is slower there than back (NTP's "wedge scattergram").
 */
export function wedgePlot(line: DriftLine, drift: Drift, samples: readonly Sample[]): PlotSpec {
  const known = lineOn(
    samples.map(({ atMs }) => atMs),
    lineOf(line.points, ({ offsetMs }) => offsetMs),
    drift.cellMs * GAP_CELLS,
    breaksOf(line),
  );
  const beside = samples
    .flatMap(({ offsetMs, roundTripMs }, i) => {
      const all = known[i];
      return all === null || all === undefined ? [] : [{ roundTripMs, byMs: offsetMs - all }];
    })
    .sort((a, b) => a.roundTripMs - b.roundTripMs);
  const xs = beside.map(({ roundTripMs }) => roundTripMs);
  return {
    title: 'Offset over delay',
    summary: `${beside.length} samples beside what all say together; the quickest took ${millis(xs[0])}.`,
    xLabel: 'round trip, ms',
    yLabel: 'sample − offset, ms',
    xKind: 'linear',
    yKind: 'linear',
    xs,
    series: [
      { label: 'samples', kind: 'points', colour: 'sample', values: beside.map(({ byMs }) => byMs) },
      {
        label: '± half the delay',
        kind: 'line',
        colour: 'muted',
        isDashed: true,
        values: xs.map(x => x / 2),
      },
      { label: '', kind: 'line', colour: 'muted', isDashed: true, values: xs.map(x => -x / 2) },
    ],
  };
}
