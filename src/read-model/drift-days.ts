/**
 * The hours of a day put together by the database, as cells of a day.
 *
 * Where no clock stepped, that loses nothing. Intervals that have a point in common, two by two, have one all together
 * (Helly's theorem on the line), so what a day's hours allow at its end is the highest of their lower ends and the lowest
 * of their upper ends, each widened until then by the drift that is assumed of any clock; and centred sums are put
 * together exactly (src/clock/drift-cell.ts).
 *
 *   low(t) = max(lowᵢ − b·(t − tᵢ)) = max(lowᵢ + b·tᵢ) − b·t
 *
 * A day is *torn* for a clock when it was no straight line for one of the machines that measured it: when a step was seen
 * within an hour, or when no line through the day, or through it and a day beside it, is within what its samples allow. No
 * sample errs by more than its uncertainty u, so about the true line Σ w·r² ≤ n, as w = 1 / (u² + 0.25 ms²), and about the
 * line of least squares it is no more. Of a torn day the hours are read themselves, of all machines that measured that
 * clock: a step is told as finely as ever.
 */
import type { DriftCell } from '../clock/drift-cell.js';
import { DRIFT_BOUND_PPM } from '../clock/offset.js';
import { CELL_COLUMNS, ms } from './drift-columns.js';

const CLOCK = 'exchange, environment, scope, reference_clock';
const DAY_MS = 86_400_000;
/** What a clock may have drifted in a millisecond. */
const SLOPE = DRIFT_BOUND_PPM / 1e6;

/** The start of an hour's day, epoch ms. Times are counted from there, or their squares would lose the last digits. */
const DAY = `floor(${ms('hour')} / ${DAY_MS}) * ${DAY_MS}`;

/** $1, $2 epoch ms: from, and before which (null: no matter); $3 exchange, $4 environment, $5 scope, $6 machine (null: all). */
const ASKED = `hour >= to_timestamp($1::float8 / 1000) AND ($2::float8 IS NULL OR hour < to_timestamp($2::float8 / 1000))
  AND ($3::text IS NULL OR exchange = $3) AND ($4::text IS NULL OR environment = $4)
  AND ($5::text IS NULL OR scope = $5) AND ($6::text IS NULL OR machine = $6)`;

const LOW = `low - ${SLOPE} * known`;
const HIGH = `high + ${SLOPE} * known`;
const MIDDLE = `(${LOW} + ${HIGH}) / 2`;
const HALF = `(${HIGH} - (${LOW})) / 2`;

/** Of one row of `sums` below, for the fields that are not there by their own name. */
const PUT_TOGETHER: Partial<Readonly<Record<keyof DriftCell, string>>> = {
  firstAt: ms('first_at'),
  lastAt: ms('last_at'),
  // Without a step, what is known at the end is all that is known.
  firstOffsetMs: MIDDLE,
  firstUncertaintyMs: HALF,
  firstKnownAt: 'day + known',
  offsetMs: MIDDLE,
  uncertaintyMs: HALF,
  knownAt: 'day + known',
  steps: '0',
  stepAfter: 'NULL',
  steppedAt: 'NULL',
  stepMs: 'NULL',
  centreMs: 'day + t / weight',
  centreOffsetMs: 'y / weight',
  timeSquares: 'greatest(0, tt - t * t / weight)',
  timeOffsets: 'ty - t * y / weight',
  offsetSquares: 'greatest(0, yy - y * y / weight)',
};

const ROUND_TRIPS = Object.values(CELL_COLUMNS).filter(column => /^round_trips_/.test(column));

/** Σ w·r² about the line of least squares, of sums about any origin. */
const residue = (w: string, t: string, y: string, tt: string, ty: string, yy: string) =>
  `(${yy}) - (${y}) ^ 2 / (${w}) - coalesce(((${ty}) - (${t}) * (${y}) / (${w})) ^ 2 / nullif((${tt}) - (${t}) ^ 2 / (${w}), 0), 0)`;

/** The same of this day and the one before, \`p\`, whose times are counted from a day earlier. */
const RESIDUE_OF_TWO = residue(
  's.weight + p.weight',
  `s.t + p.t - ${DAY_MS}::float8 * p.weight`,
  's.y + p.y',
  `s.tt + p.tt - 2 * ${DAY_MS}::float8 * p.t + ${DAY_MS}::float8 ^ 2 * p.weight`,
  `s.ty + p.ty - ${DAY_MS}::float8 * p.y`,
  's.yy + p.yy',
);

/** Rows as those of the hours (drift-queries.ts), in the order of their starts. */
export const DAYS_SQL = `
  WITH sums AS (
    SELECT day, ${CLOCK}, machine,
           sum(samples)::float8 AS samples, min(first_at) AS first_at, max(last_at) AS last_at,
           min(min_offset_ms) AS min_offset_ms, max(max_offset_ms) AS max_offset_ms,
           sum(mean_offset_ms * samples) / sum(samples) AS mean_offset_ms,
           min(tightest_uncertainty_ms) AS tightest_uncertainty_ms, sum(steps) AS steps,
           max(offset_ms - uncertainty_ms + ${SLOPE} * at) AS low, min(offset_ms + uncertainty_ms - ${SLOPE} * at) AS high,
           max(at) AS known, sum(weight) AS weight, sum(weight_squares) AS weight_squares,
           sum(weight * c) AS t, sum(weight * centre_offset_ms) AS y,
           sum(time_squares + weight * c * c) AS tt, sum(time_offsets + weight * c * centre_offset_ms) AS ty,
           sum(offset_squares + weight * centre_offset_ms ^ 2) AS yy, min(round_trip_min_ms) AS round_trip_min_ms,
           ${ROUND_TRIPS.map(column => `sum(${column})::float8 AS ${column}`).join(', ')}
      FROM (SELECT *, ${DAY} AS day, ${ms('known_at')} - ${DAY} AS at, centre_ms - ${DAY} AS c FROM drift_hourly WHERE ${ASKED}) hours
     GROUP BY day, ${CLOCK}, machine),
  torn AS (
    SELECT day, ${CLOCK} FROM sums
     WHERE steps > 0 OR ${LOW} > ${HIGH} OR ${residue('weight', 't', 'y', 'tt', 'ty', 'yy')} > samples
     UNION
    SELECT unnest(ARRAY[s.day, p.day]), ${CLOCK}
      FROM sums s JOIN sums p USING (${CLOCK}, machine)
     WHERE s.day = p.day + ${DAY_MS} AND ${RESIDUE_OF_TWO} > s.samples + p.samples)
  SELECT day AS start, ${CLOCK}, machine,
         ${Object.entries(CELL_COLUMNS)
           .map(([field, column]) => PUT_TOGETHER[field as keyof DriftCell] ?? column)
           .join(', ')}
    FROM sums WHERE (day, ${CLOCK}) NOT IN (TABLE torn)
   UNION ALL
  SELECT ${ms('hour')}, ${CLOCK}, machine, ${Object.values(CELL_COLUMNS).join(', ')}
    FROM drift_hourly WHERE ${ASKED} AND (${DAY}, ${CLOCK}) IN (TABLE torn)
   ORDER BY 1`;
