/** A file for the user to keep, made in the browser: nothing is sent anywhere. */
import type { PlotSpec } from './spec.js';
import { toCsv } from './to-csv.js';
import { type Palette, toSvg } from './to-svg.js';

export type Format = 'PNG' | 'SVG' | 'CSV';

/** Pixels of the PNG for each unit of the picture. */
const PNG_SCALE = 2;

export async function savePlot(spec: PlotSpec, format: Format, palette: Palette): Promise<void> {
  const name =
    spec.title
      .toLowerCase()
      .replace(/[^a-z0-9]+/g, '-')
      .replace(/^-|-$/g, '')
      .slice(0, 80) || 'plot';
  if (format === 'CSV')
    return save(new Blob([toCsv(spec)], { type: 'text/csv;charset=utf-8' }), `${name}.csv`);
  const svg = new Blob([toSvg(spec, palette)], { type: 'image/svg+xml' });
  if (format === 'SVG') return save(svg, `${name}.svg`);
  return save(await rasterised(svg), `${name}.png`);
}

async function rasterised(svg: Blob): Promise<Blob> {
  const address = URL.createObjectURL(svg);
  try {
    const picture = new Image();
    picture.src = address;
    await picture.decode();
    const canvas = document.createElement('canvas');
    canvas.width = picture.naturalWidth * PNG_SCALE;
    canvas.height = picture.naturalHeight * PNG_SCALE;
    canvas.getContext('2d')?.drawImage(picture, 0, 0, canvas.width, canvas.height);
    return await new Promise((resolve, reject) =>
      canvas.toBlob(blob => (blob ? resolve(blob) : reject(new Error('the picture could not be made')))),
    );
  } finally {
    URL.revokeObjectURL(address);
  }
}

function save(blob: Blob, name: string): void {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  // The browser has taken it over by the next turn; a moment more costs nothing.
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
