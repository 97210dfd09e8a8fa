/**
 * What a benchmark found. A time or a rate alone says more about the machine than about the code, so each
 * figure stands beside a peer that did comparable work in the same run, or a limit it is held to, or both.
 */
import { table } from '../src/cli/output.js';

export type Unit = 'ms' | 'µs' | 's' | 'MB' | 'bytes' | '/s' | '×' | 'events';

export interface Figure {
  readonly name: string;
  readonly value: number;
  readonly unit: Unit;
  /** What else was measured in this run, in the same unit. */
  readonly peer?: { readonly name: string; readonly value: number } | undefined;
  /** value / peer; where rounds were paired, the median of the pairs' ratios. */
  readonly ratio?: number | undefined;
  readonly limit?: Limit | undefined;
}

export interface Limit {
  readonly on: 'value' | 'ratio';
  readonly kind: 'at most' | 'at least';
  readonly value: number;
}

export interface Finding {
  readonly figures: readonly Figure[];
  /** Sentences without which the figures could be misread. */
  readonly notes?: readonly string[];
}

/** `undefined`: nothing was promised. */
export function isMet({ value, ratio, limit }: Figure): boolean | undefined {
  if (!limit) return undefined;
  const measured = limit.on === 'ratio' ? ratio : value;
  if (measured === undefined) return false;
  return limit.kind === 'at most' ? measured <= limit.value : measured >= limit.value;
}

/** Against a peer measured once. */
export const against = (name: string, peer: number, value: number) => ({
  peer: { name, value: peer },
  ratio: value / peer,
});

export function showFinding(title: string, { figures, notes = [] }: Finding): string {
  const rows = figures.map(figure => [
    figure.name,
    withUnit(figure.value, figure.unit),
    figure.peer ? `${figure.peer.name}: ${withUnit(figure.peer.value, figure.unit)}` : '',
    figure.ratio === undefined ? '' : figure.ratio.toFixed(2),
    figure.limit ? showLimit(figure.limit, figure.unit) : '',
    { true: 'met', false: 'MISSED', undefined: '' }[String(isMet(figure))] ?? '',
  ]);
  return [
    '',
    title,
    '',
    table(['figure', 'measured', 'against', 'ratio', 'wanted', ''], rows, [
      'left',
      'right',
      'left',
      'right',
      'right',
      'left',
    ]),
    ...notes.map(note => `  ${note}`),
  ].join('\n');
}

function showLimit({ on, kind, value }: Limit, unit: Unit): string {
  const sign = kind === 'at most' ? '≤' : '≥';
  return `${sign} ${on === 'ratio' ? `${value} ×` : withUnit(value, unit)}`;
}

function withUnit(value: number, unit: Unit): string {
  const digits = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2;
  const text = Math.abs(value) >= 10_000 ? Math.round(value).toLocaleString('en-US') : value.toFixed(digits);
  return `${text} ${unit}`;
}
