/**
 * Positions of this store: `esdb/<commit>/<prepare>`, byte offsets in the log. Both are kept: records of one
 * transaction share their commit position, and a checkpoint of the commit alone would skip the rest of them.
 */
import { InvalidInputError } from '../../base/errors.js';
import { shown } from '../../base/shown.js';
import type { Position } from '../../events/event.js';

export const STORE_NAME = 'esdb';

export interface LogPosition {
  readonly commit: bigint;
  readonly prepare: bigint;
}

const PATTERN = /^esdb\/(0|[1-9][0-9]{0,18})\/(0|[1-9][0-9]{0,18})$/;
const LARGEST = 2n ** 63n - 1n;
const BEFORE_EVERYTHING: LogPosition = { commit: -1n, prepare: -1n };

/** As decimal text. */
export interface LogPositionText {
  readonly commit: string;
  readonly prepare: string;
}

/**
 * `undefined` for what is no place in the log: the server writes −1, "nothing looked at yet", as the largest unsigned
 * number (a filtered subscription of a log that holds nothing of ours is told so), and no log is 2^63 bytes long.
 */
export const toPosition = ({ commit, prepare }: LogPositionText): Position | undefined =>
  isPlace(commit) && isPlace(prepare) ? (`${STORE_NAME}/${commit}/${prepare}` as Position) : undefined;

/** Decimal digits: below 19 of them any number is small enough. */
const isPlace = (digits: string): boolean => digits.length < 19 || BigInt(digits) < LARGEST;

/**
 * `undefined`, which is before every event, gives −1/−1.
 * @throws InvalidInputError for another store's position, or what is no position at all
 */
export function parsePosition(position: Position | undefined): LogPosition {
  if (position === undefined) return BEFORE_EVERYTHING;
  const [, commit, prepare] = PATTERN.exec(position) ?? [];
  if (commit !== undefined && prepare !== undefined) {
    const parsed = { commit: BigInt(commit), prepare: BigInt(prepare) };
    if (parsed.commit <= LARGEST && parsed.prepare <= LARGEST) return parsed;
  }
  const store = /^([a-z]+)\//.exec(String(position))?.[1];
  throw new InvalidInputError(
    store !== undefined && store !== STORE_NAME
      ? `position ${JSON.stringify(position)} belongs to the event store "${store}", this one is "${STORE_NAME}": use the event store that gave it, or rebuild from the first event`
      : `position must be "${STORE_NAME}/", a commit and a prepare position as the event store gave it, got ${shown(position)}`,
  );
}

/** @throws InvalidInputError when one of them is not this store's */
export function comparePositions(a: Position | undefined, b: Position | undefined): number {
  // An event's position is compared with the last one's for each event read: most have as many digits.
  if (a !== undefined && b !== undefined && isAlike(a, b)) return a < b ? -1 : a > b ? 1 : 0;
  const [x, y] = [parsePosition(a), parsePosition(b)];
  return compare(x.commit, y.commit) || compare(x.prepare, y.prepare);
}

const isAlike = (a: Position, b: Position): boolean =>
  a.length === b.length && a.indexOf('/', 5) === b.indexOf('/', 5) && isPosition(b) && isPosition(a);

/** The last one that was one: reading on, each event's is compared with the one before. */
let known: Position | undefined;

function isPosition(position: Position): boolean {
  if (position !== known && !PATTERN.test(position)) return false;
  known = position;
  return true;
}

const compare = (a: bigint, b: bigint): number => (a < b ? -1 : a > b ? 1 : 0);
