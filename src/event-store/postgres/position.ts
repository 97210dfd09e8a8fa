/**
 * Positions of this store: `pg/` and the number the log gave, without leading zeros. Numbers are bigint in the
 * database and are compared as such here; the gaps between them mean nothing.
 */
import { InvalidInputError } from '../../base/errors.js';
import { shown } from '../../base/shown.js';
import type { Position } from '../../events/event.js';

export const STORE_NAME = 'pg';

const PATTERN = /^pg\/([1-9][0-9]{0,18})$/;
const LARGEST = 2n ** 63n - 1n;

/** @param digits the column's text */
export const toPosition = (digits: string): Position => `${STORE_NAME}/${digits}` as Position;

/**
 * The number, for SQL: what is stored lies after it. 0 for `undefined`, which is before every event.
 * @throws InvalidInputError for another store's position, or what is no position at all
 */
export function parsePosition(position: Position | undefined): bigint {
  if (position === undefined) return 0n;
  const digits = PATTERN.exec(position)?.[1];
  const value = digits === undefined ? undefined : BigInt(digits);
  if (value !== undefined && value <= LARGEST) return value;
  const store = /^([a-z]+)\//.exec(String(position))?.[1];
  throw new InvalidInputError(
    store !== undefined && store !== STORE_NAME
      ? `position ${JSON.stringify(position)} belongs to the event store "${store}", this one is "${STORE_NAME}": use the event store that gave it, or rebuild from the first event`
      : `position must be "${STORE_NAME}/" and a number as the event store gave it, got ${shown(position)}`,
  );
}

/** @throws InvalidInputError when one of them is not this store's */
export function comparePositions(a: Position | undefined, b: Position | undefined): number {
  const [x, y] = [parsePosition(a), parsePosition(b)];
  return x < y ? -1 : x > y ? 1 : 0;
}
