/** The history of drift as a table, as JSON and as CSV. */

import type { DriftLine, DriftPoint } from '../../clock/drift-history.js';
import type { DriftStep } from '../../clock/drift-steps.js';
import { ASSUMED_RATE } from '../../clock/offset.js';
import { DEFAULT_SCOPE } from '../../events/connector.js';
import type { DriftCells } from '../../read-model/drift-queries.js';
import { table } from '../output.js';
import { duration, iso } from '../quantities.js';
import { csvCell } from '../visible.js';

const OWN_CLOCK = 'its own';
/** The latest; more do not fit a screen, and --json has them all. */
const STEPS_SHOWN = 10;

/** Milliseconds to a tenth, with a sign where it says something. */
const signed = (value: number, digits = 1) => `${value > 0 ? '+' : ''}${plain(value, digits)}`;
const plain = (value: number, digits = 1) =>
  (Math.abs(value) < 0.5 * 10 ** -digits ? 0 : value).toFixed(digits);

/** A rate that is known less well than the bound that is assumed anyway says nothing. */
const rateOf = ({ drift: { ratePpm, errorPpm } }: DriftLine) =>
  errorPpm < ASSUMED_RATE.boundPpm ? `${signed(ratePpm, 2)} ± ${errorPpm.toFixed(2)}` : '–';

/** The exchange's own host goes without saying. */
const otherScope = ({ scope }: DriftLine) => (scope === DEFAULT_SCOPE ? [] : [scope]);

const clockOf = ({ referenceClock }: DriftLine) => referenceClock ?? OWN_CLOCK;
export const nameOf = (line: DriftLine) =>
  [
    line.exchange,
    line.environment,
    ...otherScope(line),
    ...(line.host === undefined ? [] : [line.host]),
  ].join(' ');

export function showTable(lines: readonly DriftLine[]): string {
  // One clock's name under every line would only push the figures off the screen.
  const hasSeveralClocks = new Set(lines.map(clockOf)).size > 1;
  const hasSeveralScopes = lines.some(({ scope }) => scope !== DEFAULT_SCOPE);
  const grid = table(
    [
      'exchange',
      'environment',
      ...(hasSeveralScopes ? ['scope'] : []),
      lines[0]?.host === undefined ? 'hosts' : 'host',
      'samples',
      'offset ms',
      'rate ppm',
      'steps',
      'round trip',
      'last sample',
      ...(hasSeveralClocks ? ['against'] : []),
    ],
    lines.map(line => [
      line.exchange,
      line.environment,
      ...(hasSeveralScopes ? [line.scope] : []),
      line.host ?? line.hosts,
      line.samples,
      `${signed(line.offsetMs)} ± ${plain(line.uncertaintyMs)}`,
      rateOf(line),
      line.steps.length,
      `${duration(line.roundTripMinMs)}, ${duration(line.roundTripMedianMs)}`,
      iso(line.lastAtMs).slice(0, 16).replace('T', ' '),
      ...(hasSeveralClocks ? [clockOf(line)] : []),
    ]),
    [
      ...(hasSeveralScopes ? (['left'] as const) : []),
      ...(['left', 'left', 'left', 'right', 'right', 'right', 'right', 'right', 'left', 'left'] as const),
    ],
  );
  return [grid, ...lines.flatMap(showSteps)].join('\n');
}

function showSteps(line: DriftLine): string[] {
  const { steps } = line;
  if (steps.length === 0) return [];
  const left = steps.length - STEPS_SHOWN;
  return [
    '',
    `Steps of ${nameOf(line)}${left > 0 ? `, the last ${STEPS_SHOWN} of ${steps.length}` : ''}:`,
    ...steps.slice(-STEPS_SHOWN).map(step => `  ${showStep(step, line.hosts)}`),
  ];
}

const showStep = ({ afterMs, atMs, byMs, hosts }: DriftStep, of: number) =>
  [
    `${iso(afterMs)} … ${iso(atMs)}`,
    byMs === null ? 'by an amount that was not kept' : `by ${signed(byMs)} ms`,
    `seen by ${hosts} of ${of} ${of === 1 ? 'host' : 'hosts'}`,
  ].join('  ');

/** What `--json` prints. */
export const report = (found: DriftCells, lines: readonly DriftLine[]) => ({
  fromMs: found.fromMs,
  untilMs: found.untilMs,
  source: found.source,
  cellMs: found.cellMs,
  rows: found.rows,
  lines: lines.map(
    ({ exchange, environment, scope, host = null, referenceClock = null, drift, points, ...line }) => ({
      exchange,
      environment,
      scope,
      host,
      referenceClock,
      ...line,
      drift: {
        ratePpm: drift.ratePpm,
        errorPpm: Number.isFinite(drift.errorPpm) ? drift.errorPpm : null,
        isMeasured: drift.isMeasured,
        cells: drift.samples,
        spanMs: drift.spanMs,
      },
      points,
    }),
  ),
});

const POINT_COLUMNS = {
  at_ms: 'atMs',
  samples: 'samples',
  offset_ms: 'offsetMs',
  uncertainty_ms: 'uncertaintyMs',
  min_offset_ms: 'minOffsetMs',
  max_offset_ms: 'maxOffsetMs',
  mean_offset_ms: 'meanOffsetMs',
  tightest_uncertainty_ms: 'tightestUncertaintyMs',
  round_trip_min_ms: 'roundTripMinMs',
  round_trip_median_ms: 'roundTripMedianMs',
  steps: 'steps',
} as const satisfies Record<string, keyof DriftPoint>;

/** A row for each point of each line (RFC 4180, but lines end as they do everywhere else; no text is a formula). */
export function csv(lines: readonly DriftLine[]): string {
  const head = [
    'start',
    'exchange',
    'environment',
    'host',
    'reference_clock',
    ...Object.keys(POINT_COLUMNS),
    'scope',
  ];
  const rows = lines.flatMap(line =>
    line.points.map(point => [
      iso(point.startMs),
      line.exchange,
      line.environment,
      line.host ?? '',
      line.referenceClock ?? '',
      ...Object.values(POINT_COLUMNS).map(field => point[field]),
      line.scope,
    ]),
  );
  return [head, ...rows].map(row => row.map(csvCell).join(',')).join('\n');
}
