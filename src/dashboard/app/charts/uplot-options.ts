/** A plot's description as uPlot wants it. */
import uPlot from 'uplot';
import { type PlotSpec, type Series, xExtent, yExtent } from './spec.js';
import { axisFont, axisTimeText, numberText, timesApart } from './ticks.js';
import type { Palette } from './to-svg.js';

interface Hands {
  readonly onCursor: (index: number | null) => void;
  readonly onZoom: ((range: readonly [number, number] | undefined) => void) | undefined;
}

/** Everything but the size. */
export function uplotOptions(
  spec: PlotSpec,
  palette: Palette,
  rem: number,
  { onCursor, onZoom }: Hands,
): Omit<uPlot.Options, 'width' | 'height'> {
  const font = axisFont(rem);
  const axis = {
    stroke: palette.ink,
    font,
    labelFont: font,
    grid: { stroke: palette.grid, width: 1 },
    ticks: { show: false },
  };
  const [xMin, xMax] = xExtent(spec);
  const isTime = spec.xKind === 'time';
  return {
    ms: 1,
    legend: { show: false },
    cursor: {
      y: false,
      drag: { x: onZoom !== undefined, y: false, setScale: false },
      bind: {
        dblclick: () => () => {
          onZoom?.(undefined);
          return null;
        },
      },
    },
    scales: {
      x: {
        time: isTime,
        distr: spec.xKind === 'log' ? 3 : 1,
        range: (_u, min, max) => (min === max ? [xMin, xMax] : [min, max]),
        min: xMin,
        max: xMax,
      },
      y: { distr: spec.yKind === 'log' ? 3 : 1, range: () => yExtent(spec) },
    },
    axes: [
      {
        ...axis,
        label: spec.xLabel,
        labelSize: 1.3 * rem,
        size: 1.7 * rem,
        space: 4.5 * rem,
        ...xWords(spec),
      },
      {
        ...axis,
        label: spec.yLabel,
        labelSize: 1.4 * rem,
        size: 3.6 * rem,
        space: 2.4 * rem,
        values: numbers,
      },
    ],
    series: [{}, ...spec.series.map(series => drawn(series, palette, rem))],
    bands: (spec.bands ?? []).map(({ upper, lower, colour }) => ({
      series: [upper + 1, lower + 1],
      fill: withAlpha(palette.of(colour), 0.22),
    })),
    hooks: {
      init: [u => u.setScale('x', { min: xMin, max: xMax })],
      setCursor: [u => onCursor(u.cursor.idx ?? null)],
      setSelect: [
        u => {
          if (u.select.width < 3) return;
          const from = u.posToVal(u.select.left, 'x');
          const until = u.posToVal(u.select.left + u.select.width, 'x');
          u.setScale('x', { min: from, max: until });
          u.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
          onZoom?.([from, until]);
        },
      ],
    },
  };
}

function xWords({ xKind, xTicks }: PlotSpec): Partial<uPlot.Axis> {
  if (xTicks)
    return {
      splits: () => xTicks.map(({ at }) => at),
      values: () => xTicks.map(({ text }) => text),
      filter: (_u, splits) => splits,
    };
  if (xKind !== 'time') return { values: numbers };
  // uPlot's own go by its tzDate, which is an hour off on the day on which the reader's zone changes its clocks.
  return {
    splits: (_u, _axis, low, high, stepMs) => timesApart(low, high, stepMs),
    values: (_u, splits, _axis, _space, stepMs) => splits.map(ms => axisTimeText(ms, stepMs)),
  };
}

const numbers = (_u: uPlot, values: (number | null)[]) => values.map(v => (v === null ? '' : numberText(v)));

function drawn({ kind, colour, isDashed }: Series, palette: Palette, rem: number): uPlot.Series {
  const stroke = palette.of(colour);
  const dash = isDashed ? { dash: [6, 4] } : {};
  if (kind === 'hidden') return { stroke: 'transparent', width: 0, points: { show: false }, spanGaps: false };
  if (kind === 'points') {
    return {
      stroke,
      width: 0,
      paths: () => null,
      points: {
        show: true,
        size: (colour === 'sample' ? 0.2 : 0.5) * rem,
        fill: colour === 'sample' ? withAlpha(stroke, 0.55) : stroke,
        width: 0,
      },
    };
  }
  if (kind === 'bars') {
    const paths = uPlot.paths.bars?.({ size: [0.8, 60], align: 0 });
    return { stroke, fill: stroke, width: 0, points: { show: false }, ...(paths && { paths }) };
  }
  return { stroke, width: 0.1 * rem, points: { show: false }, spanGaps: false, ...dash };
}

/** @param colour `#rrggbb` */
const withAlpha = (colour: string, alpha: number) =>
  colour +
  Math.round(alpha * 255)
    .toString(16)
    .padStart(2, '0');
