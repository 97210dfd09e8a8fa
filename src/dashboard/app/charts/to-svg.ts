/**
 * A plot as an SVG document that needs nothing else: colours are written out, fonts are the reader's own. It is built as
 * a document and serialised, so that no label can become markup.
 */
import { type Colour, figureAt, type PlotSpec, type Series, xExtent, yExtent } from './spec.js';
import { axisTimeText, linearTicks, logTicks, numberText, timeTicks } from './ticks.js';

const NS = 'http://www.w3.org/2000/svg';
const WIDTH = 1200;
const HEIGHT = 560;
const BOX = { left: 86, right: 24, top: 56, bottom: 92 };
/** More points than this across the picture cannot be told apart: the highest and lowest of each column stay. */
const COLUMNS = WIDTH - BOX.left - BOX.right;

export interface Palette {
  readonly of: (colour: Colour) => string;
  readonly ink: string;
  readonly grid: string;
  readonly paper: string;
}

type Scale = (value: number) => number;

export function toSvg(spec: PlotSpec, palette: Palette): string {
  const doc = document.implementation.createDocument(NS, 'svg');
  const svg = doc.documentElement;
  for (const [name, value] of Object.entries({
    viewBox: `0 0 ${WIDTH} ${HEIGHT}`,
    width: WIDTH,
    height: HEIGHT,
    'font-family': 'system-ui, sans-serif',
    'font-size': 15,
  }))
    svg.setAttribute(name, String(value));
  const add = (
    name: string,
    attributes: Record<string, string | number>,
    text?: string,
    into: Element = svg,
  ) => {
    const element = doc.createElementNS(NS, name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, String(value));
    if (text !== undefined) element.textContent = text;
    into.appendChild(element);
    return element;
  };
  const [xLow, xHigh] = xExtent(spec);
  const [yLow, yHigh] = yExtent(spec);
  const x = scaleOf(spec.xKind, xLow, xHigh, BOX.left, WIDTH - BOX.right);
  const y = scaleOf(spec.yKind, yLow, yHigh, HEIGHT - BOX.bottom, BOX.top);
  const bottom = HEIGHT - BOX.bottom;

  add('title', {}, spec.title);
  add('desc', {}, spec.summary);
  add('rect', { width: WIDTH, height: HEIGHT, fill: palette.paper });
  add('text', { x: BOX.left, y: 32, fill: palette.ink, 'font-size': 20, 'font-weight': 600 }, spec.title);

  for (const { at, text } of xTicksOf(spec, xLow, xHigh)) {
    add('line', { x1: x(at), x2: x(at), y1: BOX.top, y2: bottom, stroke: palette.grid });
    add('text', { x: x(at), y: bottom + 22, fill: palette.ink, 'text-anchor': 'middle' }, text);
  }
  const yTicks = spec.yKind === 'log' ? logTicks(yLow, yHigh) : linearTicks(yLow, yHigh, 6);
  for (const tick of yTicks) {
    add('line', { x1: BOX.left, x2: WIDTH - BOX.right, y1: y(tick), y2: y(tick), stroke: palette.grid });
    add(
      'text',
      { x: BOX.left - 8, y: y(tick) + 5, fill: palette.ink, 'text-anchor': 'end' },
      numberText(tick),
    );
  }
  add(
    'text',
    { x: (BOX.left + WIDTH - BOX.right) / 2, y: bottom + 46, fill: palette.ink, 'text-anchor': 'middle' },
    spec.xLabel,
  );
  add(
    'text',
    {
      transform: `translate(22 ${(BOX.top + bottom) / 2}) rotate(-90)`,
      fill: palette.ink,
      'text-anchor': 'middle',
    },
    spec.yLabel,
  );

  const clip = add('clipPath', { id: 'box' }, undefined, add('defs', {}));
  add('rect', { x: BOX.left, y: BOX.top, width: COLUMNS, height: bottom - BOX.top }, undefined, clip);
  const drawing = add('g', { 'clip-path': 'url(#box)' });

  for (const { upper, lower, colour } of spec.bands ?? []) {
    const d = bandPath(spec.xs, spec.series[upper]?.values ?? [], spec.series[lower]?.values ?? [], x, y);
    add('path', { d, fill: palette.of(colour), 'fill-opacity': 0.22 }, undefined, drawing);
  }
  for (const mark of spec.marks ?? []) {
    const line = add(
      'line',
      {
        x1: x(mark.x),
        x2: x(mark.x),
        y1: BOX.top,
        y2: bottom,
        stroke: palette.of(mark.colour),
        'stroke-dasharray': '4 3',
      },
      undefined,
      drawing,
    );
    add('title', {}, mark.label, line);
  }
  for (const series of spec.series) {
    const colour = palette.of(series.colour);
    if (series.kind === 'line') {
      add(
        'path',
        {
          d: linePath(spec.xs, series.values, x, y),
          fill: 'none',
          stroke: colour,
          'stroke-width': 1.8,
          ...(series.isDashed && { 'stroke-dasharray': '6 4' }),
        },
        undefined,
        drawing,
      );
    } else if (series.kind === 'points') {
      add(
        'path',
        { d: pointPath(spec.xs, series.values, x, y), fill: colour, 'fill-opacity': 0.75 },
        undefined,
        drawing,
      );
    } else if (series.kind === 'bars') {
      add('path', { d: barPath(spec.xs, series, x, y), fill: colour }, undefined, drawing);
    }
  }

  let at = BOX.left;
  const entries = [
    ...spec.series
      .filter(({ kind, label }) => kind !== 'hidden' && label !== '')
      .map(({ label, colour }) => ({ label, colour })),
    ...(spec.bands ?? []),
  ];
  for (const { label, colour } of entries) {
    add('rect', { x: at, y: HEIGHT - 26, width: 14, height: 14, rx: 3, fill: palette.of(colour) });
    add('text', { x: at + 20, y: HEIGHT - 14, fill: palette.ink }, label);
    at += 46 + label.length * 8;
  }
  return `<?xml version="1.0" encoding="UTF-8"?>\n${new XMLSerializer().serializeToString(doc)}\n`;
}

function xTicksOf(
  { xKind, xTicks }: PlotSpec,
  low: number,
  high: number,
): readonly { readonly at: number; readonly text: string }[] {
  if (xTicks) return xTicks;
  if (xKind === 'time') {
    const ticks = timeTicks(low, high, 8);
    const step = (ticks[1] ?? high) - (ticks[0] ?? low);
    return ticks.map(at => ({ at, text: axisTimeText(at, step) }));
  }
  const ticks = xKind === 'log' ? logTicks(low, high) : linearTicks(low, high, 8);
  return ticks.map(at => ({ at, text: numberText(at) }));
}

function scaleOf(kind: PlotSpec['xKind'], low: number, high: number, from: number, to: number): Scale {
  const of = kind === 'log' ? Math.log10 : (value: number) => value;
  const [a, b] = [of(low), of(high)];
  return value => round(from + ((of(value) - a) / (b - a)) * (to - from));
}

const round = (value: number) => Math.round(value * 10) / 10;

function linePath(xs: readonly number[], values: readonly (number | null)[], x: Scale, y: Scale): string {
  const parts: string[] = [];
  let isDown = false;
  for (const i of thinned(xs, values)) {
    const value = values[i];
    if (value === null || value === undefined) {
      isDown = false;
      continue;
    }
    parts.push(`${isDown ? 'L' : 'M'}${x(xs[i] as number)} ${y(value)}`);
    isDown = true;
  }
  return parts.join('');
}

const pointPath = (xs: readonly number[], values: readonly (number | null)[], x: Scale, y: Scale): string =>
  [...thinned(xs, values)]
    .filter(i => values[i] !== null && values[i] !== undefined)
    .map(i => `M${x(xs[i] as number) - 2} ${y(values[i] as number) - 2}h4v4h-4z`)
    .join('');

function barPath(xs: readonly number[], series: Series, x: Scale, y: Scale): string {
  const width = Math.max(1, (COLUMNS / Math.max(1, xs.length)) * 0.8);
  return xs
    .map((at, i) => ({ at, top: series.values[i], height: figureAt(series, i) }))
    .filter(({ top, height }) => top != null && height)
    .map(({ at, top, height }) => {
      const low = y((top as number) - (height as number));
      return `M${round(x(at) - width / 2)} ${low}h${round(width)}V${y(top as number)}h${round(-width)}z`;
    })
    .join('');
}

/** Closed shapes, one for each stretch in which both sides are known. */
function bandPath(
  xs: readonly number[],
  upper: readonly (number | null)[],
  lower: readonly (number | null)[],
  x: Scale,
  y: Scale,
): string {
  const shapes: string[] = [];
  let run: number[] = [];
  const end = () => {
    if (run.length > 1) {
      const there = run.map(i => `${x(xs[i] as number)} ${y(upper[i] as number)}`);
      const back = [...run].reverse().map(i => `${x(xs[i] as number)} ${y(lower[i] as number)}`);
      shapes.push(`M${[...there, ...back].join('L')}z`);
    }
    run = [];
  };
  for (const i of thinned(xs, upper)) {
    if (upper[i] == null || lower[i] == null) end();
    else run.push(i);
  }
  end();
  return shapes.join('');
}

/** Indices to draw: all while there are few, else each column's first gap, lowest and highest. */
function* thinned(xs: readonly number[], values: readonly (number | null)[]): Generator<number> {
  if (xs.length <= COLUMNS * 2) {
    for (let i = 0; i < xs.length; i++) yield i;
    return;
  }
  const each = Math.ceil(xs.length / COLUMNS);
  for (let start = 0; start < xs.length; start += each) {
    let [low, high, gap] = [-1, -1, -1];
    for (let i = start; i < Math.min(start + each, xs.length); i++) {
      const value = values[i];
      if (value == null) {
        if (gap < 0) gap = i;
        continue;
      }
      if (low < 0 || value < (values[low] as number)) low = i;
      if (high < 0 || value > (values[high] as number)) high = i;
    }
    yield* [...new Set([low, high, gap])].filter(i => i >= 0).sort((a, b) => a - b);
  }
}
