/**
 * An offset over time in a terminal: a line, the band within which the truth lies, and the clock's steps.
 *
 * Where the terminal speaks UTF-8 the line is drawn in braille, whose characters are two dots wide and four high, over
 * a band of `░`; elsewhere with `*` over `:`. Steps are a column of `┊` (or `|`) with an arrow under the axis that says
 * which way the clock went.
 *
 * The scale fits the line and the width of most of the band: a single loose measurement would flatten everything else,
 * so the widest tenth of the band may run out of the picture. The line is broken by a step, and where nothing was
 * measured for longer than a few points.
 */

export interface PlotPoint {
  readonly atMs: number;
  readonly value: number;
  /** ≥ 0; the band is value ± this. */
  readonly margin: number;
}

export interface PlotStep {
  readonly atMs: number;
  /** The direction is in its sign; `null`: not known. */
  readonly by: number | null;
}

export interface Plot {
  readonly fromMs: number;
  readonly toMs: number;
  /** In the order of time, between the two. */
  readonly points: readonly PlotPoint[];
  readonly steps: readonly PlotStep[];
  /** Points further apart than this are not connected. */
  readonly gapMs: number;
  /** Of what is plotted. */
  readonly unit: string;
}

export interface PlotStyle {
  /** Characters, labels included; at least {@link MIN_WIDTH}. */
  readonly width: number;
  /** Lines of the picture itself; at least 2. */
  readonly height: number;
  readonly unicode: boolean;
}

export const MIN_WIDTH = 40;

const GLYPHS = {
  unicode: {
    band: '░',
    step: '┊',
    axis: '┤',
    base: '─',
    corner: '└',
    tick: '┬',
    up: '▲',
    down: '▼',
    other: '◆',
  },
  ascii: {
    band: ':',
    step: '|',
    axis: '|',
    base: '-',
    corner: '+',
    tick: '+',
    up: '^',
    down: 'v',
    other: '?',
  },
} as const;

/** Columns and rows of dots a character; in ASCII the line has one height a row. */
const BRAILLE = { across: 2, down: 4, first: 0x2800 } as const;
/** The bit of each dot, by column and row (Unicode 15, block U+2800). */
const DOT_BITS = [
  [0x01, 0x02, 0x04, 0x40],
  [0x08, 0x10, 0x20, 0x80],
] as const;

/** Lines without trailing spaces; none when there are no points. */
export function renderPlot(plot: Plot, { width, height, unicode }: PlotStyle): string[] {
  if (plot.points.length === 0) return [];
  const range = valueRange(plot.points);
  const ticks = ticksOf(range, Math.max(2, Math.floor(height / 3)));
  const labelWidth = Math.max(...ticks.map(({ text }) => text.length), plot.unit.length);
  const columns = Math.max(MIN_WIDTH, width) - labelWidth - 2;
  const glyphs = GLYPHS[unicode ? 'unicode' : 'ascii'];
  const canvas = createCanvas(plot, range, columns, height, unicode);

  const labels = Array.from({ length: height }, () => '');
  for (const { value, text } of ticks) labels[canvas.rowOf(value)] = text;
  const stepColumns = plot.steps.map(step => ({ step, column: canvas.columnOf(step.atMs) }));
  const lines = labels.map((label, row) => {
    const cells = Array.from({ length: columns }, (_, column) => {
      const line = canvas.line(column, row);
      if (line) return line;
      if (stepColumns.some(at => at.column === column)) return glyphs.step;
      return canvas.isInBand(column, row) ? glyphs.band : ' ';
    });
    return `${label.padStart(labelWidth)} ${glyphs.axis}${cells.join('')}`;
  });
  const marks = Array.from({ length: columns }, () => ' ');
  for (const { step, column } of stepColumns) {
    marks[column] = step.by === null ? glyphs.other : step.by > 0 ? glyphs.up : glyphs.down;
  }
  const times = timeLabels(plot, columns);
  const base = Array.from({ length: columns }, (_, column) =>
    times.some(({ tick }) => tick === column) ? glyphs.tick : glyphs.base,
  );
  const margin = ' '.repeat(labelWidth + 2);
  return [
    plot.unit.padStart(labelWidth),
    ...lines,
    `${' '.repeat(labelWidth + 1)}${glyphs.corner}${base.join('')}`,
    ...(stepColumns.length > 0 ? [margin + marks.join('')] : []),
    margin + times.reduce((line, { at, text }) => line.padEnd(at) + text, ''),
  ].map(line => line.trimEnd());
}

interface Range {
  readonly low: number;
  readonly high: number;
}

/** A clock that does not move at all still needs a scale. */
const LEAST_SPAN = 0.1;
const SHOWN_SHARE_OF_BAND = 0.9;

function valueRange(points: readonly PlotPoint[]): Range {
  const margins = points.map(({ margin }) => margin).sort((a, b) => a - b);
  const shown = margins[Math.ceil(margins.length * SHOWN_SHARE_OF_BAND) - 1] as number;
  let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const { value, margin } of points) {
    low = Math.min(low, value - Math.min(margin, shown));
    high = Math.max(high, value + Math.min(margin, shown));
  }
  const missing = Math.max(0, LEAST_SPAN - (high - low)) / 2;
  return { low: low - missing, high: high + missing };
}

interface Tick {
  readonly value: number;
  readonly text: string;
}

/** Round numbers (1, 2 or 5 times a power of ten), at most `most` steps of them. */
export function ticksOf({ low, high }: Range, most: number): readonly Tick[] {
  const rough = (high - low) / most;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = ([1, 2, 5, 10].find(n => n * power >= rough) ?? 10) * power;
  const digits = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  const ticks: Tick[] = [];
  for (let n = Math.ceil(low / step); n * step <= high; n++) {
    // -0.0 reads like a mistake.
    ticks.push({ value: n * step, text: (n * step + 0).toFixed(digits) });
  }
  return ticks;
}

function createCanvas(plot: Plot, range: Range, columns: number, height: number, unicode: boolean) {
  const { across, down } = unicode ? BRAILLE : { across: 1, down: 1 };
  const { fromMs, toMs, points, steps, gapMs } = plot;
  const clamp = (value: number, count: number) => Math.min(count - 1, Math.max(0, Math.floor(value)));
  const place = (atMs: number, count: number) => clamp(((atMs - fromMs) / (toMs - fromMs)) * count, count);
  const level = (value: number, count: number) =>
    clamp(((range.high - value) / (range.high - range.low)) * count, count);

  const dots: Uint8Array[] = Array.from({ length: columns * across }, () => new Uint8Array(height * down));
  const band: (Range | undefined)[] = Array.from({ length: columns });
  const widen = (column: number, { value, margin }: Pick<PlotPoint, 'value' | 'margin'>) => {
    const { low, high } = band[column] ?? { low: value - margin, high: value + margin };
    band[column] = { low: Math.min(low, value - margin), high: Math.max(high, value + margin) };
  };
  const draw = (x: number, y: number) => {
    (dots[x] as Uint8Array)[y] = 1;
  };

  points.forEach((point, i) => {
    const x = place(point.atMs, dots.length);
    draw(x, level(point.value, height * down));
    widen(Math.floor(x / across), point);
    const next = points[i + 1];
    if (!next || next.atMs - point.atMs > gapMs) return;
    if (steps.some(({ atMs }) => atMs > point.atMs && atMs <= next.atMs)) return;
    const end = place(next.atMs, dots.length);
    let y = level(point.value, height * down);
    for (let between = x + 1; between <= end; between++) {
      const share = (between - x) / (end - x);
      const value = point.value + (next.value - point.value) * share;
      widen(Math.floor(between / across), {
        value,
        margin: point.margin + (next.margin - point.margin) * share,
      });
      const to = level(value, height * down);
      // A steep line is a run of dots, not a dot a column.
      for (; y !== to; y += Math.sign(to - y)) draw(between, y);
      draw(between, to);
    }
  });

  return {
    columnOf: (atMs: number) => place(atMs, columns),
    rowOf: (value: number) => level(value, height),
    /** The character of the line there; `undefined` where it does not pass. */
    line(column: number, row: number): string | undefined {
      let bits = 0;
      for (let dx = 0; dx < across; dx++) {
        for (let dy = 0; dy < down; dy++) {
          if (dots[column * across + dx]?.[row * down + dy])
            bits |= DOT_BITS[dx as 0 | 1][dy as 0 | 1 | 2 | 3];
        }
      }
      if (bits === 0) return undefined;
      return unicode ? String.fromCodePoint(BRAILLE.first + bits) : '*';
    },
    isInBand(column: number, row: number): boolean {
      const at = band[column];
      if (!at) return false;
      const middle = range.high - ((row + 0.5) / height) * (range.high - range.low);
      return at.low <= middle && middle <= at.high;
    },
  };
}

interface TimeLabel {
  /** The column of the tick, and the one its text begins at. */
  readonly tick: number;
  readonly at: number;
  readonly text: string;
}

const DAY_MS = 86_400_000;
/** `2026-11-15 10:00 UTC` or, in a range of less than a day, `10:00:30`. */
const LONG_LABEL = 11;

function timeLabels({ fromMs, toMs }: Plot, columns: number): TimeLabel[] {
  const text = (atMs: number) => {
    const full = new Date(atMs).toISOString();
    return toMs - fromMs > DAY_MS ? full.slice(5, 16).replace('T', ' ') : full.slice(11, 19);
  };
  const count = Math.max(2, Math.min(5, Math.floor(columns / (LONG_LABEL * 1.6))));
  return Array.from({ length: count }, (_, i) => {
    const share = i / (count - 1);
    const label = text(fromMs + (toMs - fromMs) * share);
    const tick = Math.round(share * (columns - 1));
    const centred = Math.round(tick - label.length / 2);
    return { tick, at: Math.max(0, Math.min(columns - label.length, centred)), text: label };
  });
}
