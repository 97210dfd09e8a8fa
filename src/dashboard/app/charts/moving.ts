/** What uPlot lacks: vertical marks, and panning by Shift and drag. */
import type uPlot from 'uplot';
import type { PlotSpec } from './spec.js';
import type { Palette } from './to-svg.js';

export function drawMarks(spec: PlotSpec, palette: Palette): uPlot.Plugin {
  return {
    hooks: {
      draw: ({ ctx, bbox, valToPos }) => {
        ctx.save();
        ctx.beginPath();
        ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
        ctx.clip();
        ctx.setLineDash([4 * devicePixelRatio, 3 * devicePixelRatio]);
        ctx.lineWidth = devicePixelRatio;
        for (const mark of spec.marks ?? []) {
          const x = Math.round(valToPos(mark.x, 'x', true));
          ctx.strokeStyle = palette.of(mark.colour);
          ctx.beginPath();
          ctx.moveTo(x, bbox.top);
          ctx.lineTo(x, bbox.top + bbox.height);
          ctx.stroke();
        }
        ctx.restore();
      },
    },
  };
}

/** @param onRest told where it came to rest */
export function panning(onRest: (range: readonly [number, number]) => void): uPlot.Plugin {
  return {
    hooks: {
      ready: u => {
        u.over.addEventListener(
          'pointerdown',
          down => {
            const { min, max } = u.scales['x'] ?? {};
            if (!down.shiftKey || down.button !== 0 || min == null || max == null) return;
            down.preventDefault();
            // Before uPlot takes it for the beginning of a selection.
            down.stopImmediatePropagation();
            u.over.setPointerCapture(down.pointerId);
            const perPixel = (max - min) / u.over.clientWidth;
            const at = (move: PointerEvent): [number, number] => {
              const by = (down.clientX - move.clientX) * perPixel;
              return [min + by, max + by];
            };
            const follow = (move: PointerEvent) => {
              const [from, until] = at(move);
              u.setScale('x', { min: from, max: until });
            };
            const rest = (up: PointerEvent) => {
              u.over.removeEventListener('pointermove', follow);
              onRest(at(up));
            };
            u.over.addEventListener('pointermove', follow);
            u.over.addEventListener('pointerup', rest, { once: true });
          },
          { capture: true },
        );
        u.over.addEventListener('mousedown', down => down.shiftKey && down.stopImmediatePropagation(), {
          capture: true,
        });
      },
    },
  };
}
