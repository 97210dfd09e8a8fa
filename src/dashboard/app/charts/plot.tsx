/**
 * A plot on the screen. uPlot draws it; this adds what a page needs around it: its size, its colours in light and dark,
 * a legend that tells the figures under the cursor, the keys, and the ways out (PNG, SVG, CSV).
 *
 * Moving about: drag to zoom into a range, Shift and drag (or the arrow keys) to pan, + and − to zoom, Escape or a double
 * click to go back to the whole. Moving shows at once what is loaded; when it rests, `onRange` tells the page, which
 * loads what is finer or was outside.
 */
import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import { darkness } from '../state/theme.js';
import { utc } from '../state/words.js';
import { drawMarks, panning } from './moving.js';
import { paletteOf } from './palette.js';
import { type Format, savePlot } from './save.js';
import { figureAt, hasFigures, type PlotSpec, xExtent, yExtent } from './spec.js';
import { numberText } from './ticks.js';
import { uplotOptions } from './uplot-options.js';

interface PlotProps {
  readonly spec: PlotSpec;
  /** A range of x was chosen; `undefined`: the whole again. Left out: there is nothing to move. */
  readonly onRange?: ((range: readonly [number, number] | undefined) => void) | undefined;
  readonly height?: number;
}

const FORMATS: readonly Format[] = ['PNG', 'SVG', 'CSV'];
/** Of the visible range, for one press of a key. */
const KEY_SHARE = 0.2;

export function Plot({ spec, onRange, height = 17 }: PlotProps) {
  const frame = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot>();
  const tell = useRef(onRange);
  tell.current = onRange;
  const [under, setUnder] = useState<number | null>(null);
  const [problem, setProblem] = useState('');
  const isDark = darkness.value;
  const canMove = onRange !== undefined;
  useEffect(() => {
    const element = frame.current;
    if (!element) return;
    const rem = Number.parseFloat(getComputedStyle(document.documentElement).fontSize);
    const size = () => ({ width: Math.max(200, element.clientWidth), height: height * rem });
    const moved = (range: readonly [number, number] | undefined) => tell.current?.(range);
    const options = uplotOptions(spec, paletteOf(element), rem, {
      onCursor: setUnder,
      onZoom: canMove ? moved : undefined,
    });
    const data = [spec.xs, ...spec.series.map(({ values }) => values)] as unknown as uPlot.AlignedData;
    const palette = paletteOf(element);
    options.plugins = [drawMarks(spec, palette), ...(canMove ? [panning(moved)] : [])];
    const made = new uPlot({ ...options, ...size() }, data, element);
    plot.current = made;
    const watch = new ResizeObserver(() => made.setSize(size()));
    watch.observe(element);
    return () => {
      watch.disconnect();
      made.destroy();
      plot.current = undefined;
    };
  }, [spec, isDark, height, canMove]);

  const onKeyDown = (event: KeyboardEvent) => {
    const { scales } = plot.current ?? {};
    const { min, max } = scales?.['x'] ?? {};
    if (!canMove || min == null || max == null) return;
    const next = rangeOfKey(event.key, min, max);
    if (next === undefined) return;
    event.preventDefault();
    if (next === 'whole') return tell.current?.(undefined);
    plot.current?.setScale('x', { min: next[0], max: next[1] });
    tell.current?.(next);
  };

  const save = (format: Format) => {
    setProblem('');
    savePlot(spec, format, paletteOf(frame.current as Element)).catch((error: unknown) =>
      setProblem(`Not saved: ${error instanceof Error ? error.message : error}`),
    );
  };

  return (
    <figure class="plot">
      <figcaption>
        <h3>{spec.title}</h3>
        <span class="plot-exports">
          {FORMATS.map(format => (
            <button
              type="button"
              class="quiet"
              key={format}
              onClick={() => save(format)}
              aria-label={`Save “${spec.title}” as ${format}`}
            >
              {format}
            </button>
          ))}
        </span>
      </figcaption>
      <div
        class="plot-frame"
        ref={frame}
        role="group"
        aria-label={`${spec.title}. ${spec.summary}${canMove ? ' Arrow keys pan, plus and minus zoom, Escape shows all.' : ''}`}
        tabIndex={canMove ? 0 : -1}
        onKeyDown={onKeyDown}
      />
      {!hasFigures(spec) && <p class="plot-nothing soft">Nothing is known here yet.</p>}
      <Legend spec={spec} under={under} />
      {problem !== '' && <p role="alert">{problem}</p>}
    </figure>
  );
}

function rangeOfKey(key: string, min: number, max: number): readonly [number, number] | 'whole' | undefined {
  const step = (max - min) * KEY_SHARE;
  switch (key) {
    case 'ArrowLeft':
      return [min - step, max - step];
    case 'ArrowRight':
      return [min + step, max + step];
    case '+':
    case '=':
      return [min + step, max - step];
    case '-':
      return [min - step, max + step];
    case 'Escape':
      return 'whole';
  }
  return undefined;
}

function Legend({ spec, under }: { readonly spec: PlotSpec; readonly under: number | null }) {
  const [low, high] = useMemo(() => [xExtent(spec), yExtent(spec)] as const, [spec]);
  const isEmpty = spec.xs.length === 0 || low[0] === low[1] || high[0] === high[1];
  const x = under === null ? undefined : spec.xs[under];
  return (
    <ul class="legend">
      {spec.series
        .filter(({ label, kind }) => label !== '' && kind !== 'hidden')
        .map(series => {
          const value = under === null ? null : figureAt(series, under);
          return (
            <li key={series.label}>
              <span class={`swatch plot-${series.colour}`} /> {series.label}
              {value !== null && <b> {numberText(Number(value.toPrecision(5)))}</b>}
            </li>
          );
        })}
      {spec.bands?.map(({ label, colour }) => (
        <li key={label}>
          <span class={`swatch band plot-${colour}`} /> {label}
        </li>
      ))}
      {x !== undefined && !isEmpty && (
        <li class="legend-x">{spec.xKind === 'time' ? utc(x) : numberText(Number(x.toPrecision(4)))}</li>
      )}
    </ul>
  );
}
