/** The style sheet's colours as values, for canvas and files. */
import type { Colour } from './spec.js';
import type { Palette } from './to-svg.js';

export function paletteOf(element: Element): Palette {
  const style = getComputedStyle(element);
  const value = (name: string) => style.getPropertyValue(name).trim() || '#888';
  return {
    of: (colour: Colour) => value(`--plot-${colour}`),
    ink: value('--ink-soft'),
    grid: value('--line'),
    paper: value('--card'),
  };
}
