/** A cell of drift (src/clock/drift-cell.ts) as columns. */
import type { DriftCell } from '../clock/drift-cell.js';

/** Epoch milliseconds, with a fraction. */
export const ms = (column: string) => `date_part('epoch', ${column}) * 1000`;

/** The fields of a cell as `drift_hourly` has them; rows are read in this order. */
export const CELL_COLUMNS: Readonly<Record<keyof DriftCell, string>> = {
  samples: 'samples',
  firstAt: ms('first_at'),
  lastAt: ms('last_at'),
  minOffsetMs: 'min_offset_ms',
  maxOffsetMs: 'max_offset_ms',
  meanOffsetMs: 'mean_offset_ms',
  tightestUncertaintyMs: 'tightest_uncertainty_ms',
  firstOffsetMs: 'first_offset_ms',
  firstUncertaintyMs: 'first_uncertainty_ms',
  firstKnownAt: ms('first_known_at'),
  offsetMs: 'offset_ms',
  uncertaintyMs: 'uncertainty_ms',
  knownAt: ms('known_at'),
  steps: 'steps',
  stepAfter: ms('step_after'),
  steppedAt: ms('stepped_at'),
  stepMs: 'step_ms',
  weight: 'weight',
  weightSquares: 'weight_squares',
  centreMs: 'centre_ms',
  centreOffsetMs: 'centre_offset_ms',
  timeSquares: 'time_squares',
  timeOffsets: 'time_offsets',
  offsetSquares: 'offset_squares',
  roundTripMinMs: 'round_trip_min_ms',
  roundTripsTo5: 'round_trips_to5',
  roundTripsTo10: 'round_trips_to10',
  roundTripsTo25: 'round_trips_to25',
  roundTripsTo50: 'round_trips_to50',
  roundTripsTo100: 'round_trips_to100',
  roundTripsTo250: 'round_trips_to250',
  roundTripsTo500: 'round_trips_to500',
  roundTripsTo1000: 'round_trips_to1000',
  roundTripsOver: 'round_trips_over',
};
