/** What a `Date` can be made of, milliseconds to either side of 1970. */
const LARGEST_TIME_MS = 8.64e15;

/** `undefined` for what is no time: a record of somebody else's may hold anything, and `Date` throws. */
export const toTime = (value: unknown): number | undefined =>
  Number.isSafeInteger(value) && Math.abs(value as number) <= LARGEST_TIME_MS ? (value as number) : undefined;
