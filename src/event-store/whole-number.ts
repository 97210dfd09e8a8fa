import { InvalidInputError } from '../base/errors.js';
import { shown } from '../base/shown.js';

/** @throws InvalidInputError when it is given and is no whole number of the range; without a largest there is none */
export function requireWhole<T extends number | undefined>(
  name: string,
  value: T,
  [smallest, largest]: readonly [smallest: number, largest?: number],
): T {
  if (value === undefined) return value;
  if (Number.isSafeInteger(value) && value >= smallest && value <= (largest ?? value)) return value;
  const range = largest === undefined ? `from ${smallest}` : `from ${smallest} to ${Math.floor(largest)}`;
  throw new InvalidInputError(`${name} must be a whole number ${range}, got ${shown(value)}`);
}
