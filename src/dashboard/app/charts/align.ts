/**
 * Several lists with times of their own, on one axis: the union of all times. A line is known between its points, so it
 * gets a value there too (on the straight line between two that are near enough); a point is only where it is.
 */
export interface Track<T> {
  readonly at: (item: T) => number;
  readonly items: readonly T[];
}

export interface Line {
  readonly xs: readonly number[];
  readonly values: readonly (number | null)[];
}

export function unionOf(...lists: readonly (readonly number[])[]): number[] {
  return [...new Set(lists.flat())].sort((a, b) => a - b);
}

/**
 * @param longestGap between two points of the line; beyond it nothing is known between them
 * @param breaks times that the line does not go across, which are among `xs`
 */
export function lineOn(
  xs: readonly number[],
  line: Line,
  longestGap: number,
  breaks: readonly number[] = [],
): (number | null)[] {
  let i = 0;
  return xs.map(x => {
    while (i + 1 < line.xs.length && (line.xs[i + 1] as number) <= x) i++;
    const [x0, x1] = [line.xs[i], line.xs[i + 1]];
    const [y0, y1] = [line.values[i] ?? null, line.values[i + 1] ?? null];
    if (x0 === undefined || x < x0) return null;
    if (x === x0) return y0;
    if (x1 === undefined || x1 - x0 > longestGap || y0 === null || y1 === null) return null;
    if (breaks.some(at => x0 < at && at < x1)) return null;
    return y0 + ((x - x0) / (x1 - x0)) * (y1 - y0);
  });
}

export function pointsOn(xs: readonly number[], points: ReadonlyMap<number, number>): (number | null)[] {
  return xs.map(x => points.get(x) ?? null);
}
