/**
 * How a clock wanders, told by the span over which one looks: the Allan deviation (of its rate) and the time deviation (of
 * its time), each with a confidence interval.
 *
 * For offsets x at even distances τ₀ and a span τ = m·τ₀ both rest on second differences, which neither a constant offset
 * nor a constant rate moves:
 *
 *   σ_y²(τ) = ⟨(x[i+2m] − 2x[i+m] + x[i])²⟩ / 2τ²                      (overlapping Allan variance)
 *   σ_x²(τ) = ⟨(mean over m successive i of the same)²⟩ / 6            (time variance)
 *
 * A place without a sample is `null`: differences that would need it are left out, so that a gap costs samples and is
 * never taken for a quiet clock.
 *
 * The interval is that of a χ² distribution with the fewest degrees of freedom of white phase, white frequency and random
 * walk frequency noise: which of them a clock has is not known, and too wide says less than is true, never more.
 *
 * Source: W. J. Riley, "Handbook of Frequency Stability Analysis", NIST SP 1065 (2008), sections 5.2–5.5; E. B. Wilson,
 * M. M. Hilferty (1931) for the quantiles.
 */

export interface Deviation {
  readonly value: number;
  /** 95 %. */
  readonly low: number;
  readonly high: number;
}

export interface StabilityPoint {
  readonly tauMs: number;
  /** Of the rate, ppm. */
  readonly allanPpm: Deviation;
  /** Of the time, milliseconds; `undefined` where too few samples are left. */
  readonly time: Deviation | undefined;
}

/** Two-sided 95 %. */
const Z = 1.959_964;
const PPM = 1e6;
/** Fewer differences than this say nothing. */
const FEWEST = 3;

/**
 * @param offsetsMs at even distances, `null` where nothing is known
 * @param spacingMs τ₀ > 0
 * @returns spans of 1, 2, 4, … times τ₀, up to a third of all
 * @example
 * stabilityOf([0, 1, 0, 1, 0, 1, 0, 1], 1_000)[0]?.allanPpm.value; // 1414.2…
 */
export function stabilityOf(offsetsMs: readonly (number | null)[], spacingMs: number): StabilityPoint[] {
  const points: StabilityPoint[] = [];
  for (let m = 1; m * 3 <= offsetsMs.length; m *= 2) {
    const point = stabilityAt(offsetsMs, spacingMs, m);
    if (point) points.push(point);
  }
  return points;
}

/** The same for one span, m·τ₀; `undefined`: too few differences are known. */
export function stabilityAt(
  offsetsMs: readonly (number | null)[],
  spacingMs: number,
  m: number,
): StabilityPoint | undefined {
  const tauMs = m * spacingMs;
  const differences: (number | null)[] = [];
  for (let i = 0; i + 2 * m < offsetsMs.length; i++) {
    const [a, b, c] = [offsetsMs[i], offsetsMs[i + m], offsetsMs[i + 2 * m]];
    differences.push(a == null || b == null || c == null ? null : c - 2 * b + a);
  }
  const known = differences.filter(value => value !== null);
  if (known.length < FEWEST) return undefined;
  const share = known.length / differences.length;
  const allan = (Math.sqrt(meanSquare(known) / 2) / tauMs) * PPM;
  const means = movingMeans(differences, m);
  return {
    tauMs,
    allanPpm: within(allan, degreesOfFreedom(offsetsMs.length, m) * share),
    time:
      means.length < FEWEST
        ? undefined
        : within(
            Math.sqrt(meanSquare(means) / 6),
            degreesOfFreedom(offsetsMs.length - m, m) * (means.length / (differences.length - m + 1)),
          ),
  };
}

/** Of m successive values each; those with a gap among them are left out. */
function movingMeans(values: readonly (number | null)[], m: number): number[] {
  const means: number[] = [];
  let sum = 0;
  let gaps = 0;
  for (const [i, value] of values.entries()) {
    if (value === null) gaps++;
    else sum += value;
    const gone = i >= m ? values[i - m] : undefined;
    if (gone === null) gaps--;
    else if (gone !== undefined) sum -= gone;
    if (i >= m - 1 && gaps === 0) means.push(sum / m);
  }
  return means;
}

const meanSquare = (values: readonly number[]) => values.reduce((sum, v) => sum + v * v, 0) / values.length;

/** The fewest of three kinds of noise, NIST SP 1065 table 5; one at least. */
function degreesOfFreedom(n: number, m: number): number {
  const whitePhase = ((n + 1) * (n - 2 * m)) / (2 * (n - m));
  const whiteFrequency = ((3 * (n - 1)) / (2 * m) - (2 * (n - 2)) / n) * ((4 * m * m) / (4 * m * m + 5));
  const randomWalk = ((n - 2) / m) * (((n - 1) ** 2 - 3 * m * (n - 1) + 4 * m * m) / (n - 3) ** 2);
  return Math.max(1, Math.min(whitePhase, whiteFrequency, randomWalk));
}

function within(value: number, degrees: number): Deviation {
  const edf = Math.max(1, degrees);
  return {
    value,
    low: value * Math.sqrt(edf / chiSquared(edf, Z)),
    high: value * Math.sqrt(edf / chiSquared(edf, -Z)),
  };
}

/** Wilson and Hilferty's; with one degree of freedom the lower quantile is near none, and held away from it. */
function chiSquared(degrees: number, z: number): number {
  const a = 2 / (9 * degrees);
  return degrees * Math.max(0.05, 1 - a + z * Math.sqrt(a)) ** 3;
}
