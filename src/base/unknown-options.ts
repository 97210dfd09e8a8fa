/**
 * Options that nobody reads.
 *
 * A program in plain JavaScript, or one that casts, may misspell an option. Ignored, it would run on the default and
 * look as if it had been obeyed; so it is refused by name, with the option that was probably meant.
 */
import { InvalidInputError } from './errors.js';
import { kindOf, shown } from './shown.js';

/** More letters apart than this is another word. */
const MAX_DISTANCE = 3;

/**
 * @param of whose options they are, for the message
 * @throws InvalidInputError for anything but an object that has none but known options
 */
export function refuseUnknownOptions(options: unknown, known: readonly string[], of: string): void {
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    throw new InvalidInputError(`${of} takes an object of options, got ${kindOf(options)}`);
  }
  const unknown = Object.keys(options).find(name => !known.includes(name));
  if (unknown === undefined) return;
  const nearest = nearestOf(unknown, known);
  throw new InvalidInputError(
    `${of} has no option ${shown(unknown)}${nearest ? `; did you mean ${nearest}?` : `: it has ${known.join(', ')}`}`,
  );
}

/** The known word that was probably meant; `undefined`: none is near. */
export function nearestOf(word: string, known: readonly string[]): string | undefined {
  const distances = known.map(name => ({
    name,
    distance: distanceOf(word.toLowerCase(), name.toLowerCase()),
  }));
  distances.sort((a, b) => a.distance - b.distance);
  const best = distances[0];
  return best && best.distance <= MAX_DISTANCE ? best.name : undefined;
}

/** Levenshtein's: how many letters to insert, delete or replace. */
function distanceOf(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = (row[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, (row[j] as number) + 1, (next[j - 1] as number) + 1));
    }
    row = next;
  }
  return row[b.length] as number;
}
