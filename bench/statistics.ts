/** Order statistics: medians, because a shared machine makes means of whatever its neighbours did. */

/** @param share 0 to 1; the value below which this share of the values lies */
export function quantile(values: readonly number[], share: number): number {
  if (values.length === 0) throw new RangeError('a quantile needs at least one value');
  const sorted = [...values].sort((a, b) => a - b);
  const place = share * (sorted.length - 1);
  const below = sorted[Math.floor(place)] as number;
  const above = sorted[Math.ceil(place)] as number;
  return below + (above - below) * (place - Math.floor(place));
}

export const median = (values: readonly number[]): number => quantile(values, 0.5);

/** The value at `x` of the straight line that lies closest to the points (least squares). */
export function trend(points: readonly (readonly [x: number, y: number])[]): (x: number) => number {
  if (points.length < 2) throw new RangeError('a trend needs at least two points');
  const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const meanX = mean(points.map(([x]) => x));
  const meanY = mean(points.map(([, y]) => y));
  const spread = mean(points.map(([x]) => (x - meanX) ** 2));
  const slope = spread === 0 ? 0 : mean(points.map(([x, y]) => (x - meanX) * (y - meanY))) / spread;
  return x => meanY + slope * (x - meanX);
}
