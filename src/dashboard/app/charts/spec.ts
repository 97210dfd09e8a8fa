/**
 * A plot as data. The same description is drawn on the screen (plot.tsx, by uPlot), as SVG and PNG (to-svg.ts) and as
 * CSV (to-csv.ts), so that what is exported is what is seen.
 */

/** A colour by what it stands for; the style sheet gives it a value for light and for dark. */
export type Colour =
  | 'offset'
  | 'bound'
  | 'sample'
  | 'good'
  | 'late'
  | 'wrong'
  | 'rate'
  | 'muted'
  | 'tier-1'
  | 'tier-2'
  | 'tier-3'
  | 'tier-4'
  | 'miss';

export interface Series {
  readonly label: string;
  /** In the unit of the y axis; as many as there are `xs`. `null`: nothing is known there. */
  readonly values: readonly (number | null)[];
  readonly colour: Colour;
  readonly kind: 'line' | 'points' | 'bars' | 'hidden';
  /** Drawn where it is; shown in the legend and exported as this (a bar on top of another has a height of its own). */
  readonly figures?: readonly (number | null)[];
  readonly isDashed?: boolean;
}

/** A filled span between two series, by their places in `series`. */
export interface Band {
  readonly upper: number;
  readonly lower: number;
  readonly colour: Colour;
  readonly label: string;
}

/** A vertical line: a step, a refusal. */
export interface Mark {
  readonly x: number;
  readonly label: string;
  readonly colour: Colour;
}

export interface PlotSpec {
  readonly title: string;
  /** What the plot shows, for who cannot see it. */
  readonly summary: string;
  readonly xLabel: string;
  readonly yLabel: string;
  /** `time`: epoch milliseconds, UTC. */
  readonly xKind: 'time' | 'linear' | 'log';
  readonly yKind: 'linear' | 'log';
  /** Ascending. */
  readonly xs: readonly number[];
  readonly series: readonly Series[];
  readonly bands?: readonly Band[];
  readonly marks?: readonly Mark[];
  /** What the x axis shows; default: the data's extent. */
  readonly xRange?: readonly [number, number];
  /** Where the x axis has its words; default: at round figures. */
  readonly xTicks?: readonly { readonly at: number; readonly text: string }[];
  /** Is always within the y axis: a limit that figures are held against. */
  readonly yIncludes?: readonly number[];
}

/** The y axis: all that is drawn, and what must be in it, with some room. */
export function yExtent(spec: PlotSpec): [number, number] {
  let low = Number.POSITIVE_INFINITY;
  let high = Number.NEGATIVE_INFINITY;
  const [from, until] = spec.xRange ?? [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY];
  const see = (value: number | null | undefined) => {
    if (value === null || value === undefined || !Number.isFinite(value)) return;
    if (spec.yKind === 'log' && value <= 0) return;
    if (value < low) low = value;
    if (value > high) high = value;
  };
  for (const { values } of spec.series) {
    for (let i = 0; i < values.length; i++) {
      const x = spec.xs[i] as number;
      if (x >= from && x <= until) see(values[i]);
    }
  }
  for (const value of spec.yIncludes ?? []) see(value);
  if (low > high) return spec.yKind === 'log' ? [0.1, 10] : [-1, 1];
  if (spec.yKind === 'log')
    return [10 ** Math.floor(Math.log10(low)), 10 ** Math.ceil(Math.log10(high * 1.001))];
  const hasBars = spec.series.some(({ kind }) => kind === 'bars');
  const room = (high - low) * 0.06 || Math.abs(high) * 0.1 || 1;
  return [hasBars && low >= 0 ? 0 : low - room, high + room];
}

export const xExtent = (spec: PlotSpec): [number, number] => {
  const { xs, xRange } = spec;
  if (xRange) return [...xRange];
  const low = xs[0] ?? 0;
  const high = xs.at(-1) ?? 1;
  if (spec.xKind === 'log') return [low / 1.25, high * 1.25];
  return low === high ? [low - 1, high + 1] : [low, high];
};

/** Whether there is anything to draw; axes without it look like figures of none. */
export const hasFigures = ({ series, marks = [] }: PlotSpec): boolean =>
  marks.length > 0 || series.some(({ values }) => values.some(value => value !== null));

/** Of a series, its figure there: what the legend says and the file has. */
export const figureAt = (series: Series, index: number): number | null =>
  (series.figures ?? series.values)[index] ?? null;
