/**
 * A plot's figures as CSV (RFC 4180). Text that a spreadsheet would take for a formula gets an apostrophe before it:
 * labels carry scopes and host names, which anybody may have chosen (OWASP, "CSV injection").
 */
import { figureAt, type PlotSpec } from './spec.js';

export function toCsv(spec: PlotSpec): string {
  const shown = spec.series.filter(({ label }) => label !== '');
  const isTime = spec.xKind === 'time';
  const head = [
    isTime ? 'time' : spec.xLabel,
    ...(isTime ? ['epoch_ms'] : []),
    ...shown.map(({ label }) => label),
  ];
  const lines = [head.map(cell).join(',')];
  for (const [i, x] of spec.xs.entries()) {
    const place = isTime ? [new Date(x).toISOString(), x] : [x];
    lines.push([...place, ...shown.map(series => figureAt(series, i) ?? '')].map(cell).join(','));
  }
  for (const mark of spec.marks ?? []) {
    const place = isTime ? [new Date(mark.x).toISOString(), mark.x] : [mark.x];
    lines.push([...place, mark.label].map(cell).join(','));
  }
  return `${lines.join('\r\n')}\r\n`;
}

export function cell(value: string | number): string {
  if (typeof value === 'number') return String(value);
  const safe = /^\s*[=+\-@＝＋－＠]/.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
