/**
 * A trained probability that a use comes within the next TTL: logistic regression over what `hazard` knows and the hour of
 * the week, which it does not. Fitted by iteratively reweighted least squares with a small ridge, which converges in a few
 * rounds and needs no step size.
 *
 * Source: T. Hastie, R. Tibshirani, J. Friedman, "The Elements of Statistical Learning", 2nd ed., section 4.4.1.
 */
import { loadOptional } from '../base/optional-package.js';
import { questions, type Uses } from './backtest.js';
import { hazardOf, type Probability } from './policies.js';
import type { UsageHistory } from './usage-history.js';

/** Plain data, to be kept as JSON. */
export interface UsageModel {
  /** Of this form; another is not read. */
  readonly version: 1;
  /** One for each of {@link featuresOf}. */
  readonly weights: readonly number[];
  readonly ttlMs: number;
  /** What it was trained on, epoch milliseconds. */
  readonly fromMs: number;
  readonly untilMs: number;
  readonly questions: number;
}

const FEATURES = 5;

/** A model that was kept is data from outside. */
export function isUsageModel(value: unknown): value is UsageModel {
  const { version, weights, ttlMs } = (value ?? {}) as Partial<UsageModel>;
  const areWeights =
    Array.isArray(weights) && weights.length === FEATURES && weights.every(weight => Number.isFinite(weight));
  return version === 1 && areWeights && Number.isFinite(ttlMs);
}

const ROUNDS = 25;
const RIDGE = 1e-3;
const CONVERGED = 1e-8;
const LEAST_QUESTIONS = 200;
const MOST_QUESTIONS = 200_000;

const logit = (p: number): number => {
  const inside = Math.min(0.995, Math.max(0.005, p));
  return Math.log(inside / (1 - inside));
};
const sigmoid = (z: number): number => 1 / (1 + Math.exp(-z));

function featuresOf(history: UsageHistory, atMs: number, ttlMs: number): readonly number[] {
  const idleMs = atMs - (history.lastMs ?? atMs);
  return [
    1,
    logit(hazardOf(history, atMs, ttlMs)),
    logit(history.shareOfWeeks(atMs)),
    Math.log1p(idleMs / ttlMs),
    Math.log1p(history.uses),
  ];
}

/**
 * @returns undefined where there is too little to learn from: fewer than 200 moments, or all of one kind
 * @throws ConnectorStateError `PACKAGE_MISSING` without the package `ml-matrix`
 */
export async function trainUsageModel(
  all: readonly Uses[],
  ttlMs: number,
  untilMs = Number.POSITIVE_INFINITY,
): Promise<UsageModel | undefined> {
  const { Matrix, solve } = await loadOptional('connector-state forecast', () => import('ml-matrix'));
  const rows: (readonly number[])[] = [];
  const came: number[] = [];
  const known = all.map(uses => uses.filter(atMs => atMs < untilMs));
  for (const { history, atMs, isUsed } of questions(known, ttlMs)) {
    if (rows.length >= MOST_QUESTIONS) break;
    rows.push(featuresOf(history, atMs, ttlMs));
    came.push(isUsed);
  }
  const positive = came.reduce((sum, each) => sum + each, 0);
  if (rows.length < LEAST_QUESTIONS || positive === 0 || positive === rows.length) return undefined;
  const size = rows[0]?.length ?? 0;
  let weights = new Array<number>(size).fill(0);
  for (let round = 0; round < ROUNDS; round++) {
    const hessian = Matrix.eye(size, size).mul(RIDGE);
    const gradient = Matrix.columnVector(weights).mul(-RIDGE);
    for (const [index, row] of rows.entries()) {
      const p = sigmoid(dot(weights, row));
      const spread = Math.max(p * (1 - p), 1e-6);
      for (let i = 0; i < size; i++) {
        const x = row[i] as number;
        gradient.set(i, 0, gradient.get(i, 0) + x * ((came[index] as number) - p));
        for (let j = 0; j < size; j++) hessian.set(i, j, hessian.get(i, j) + x * (row[j] as number) * spread);
      }
    }
    const step = solve(hessian, gradient).to1DArray();
    weights = weights.map((weight, index) => weight + (step[index] as number));
    if (Math.max(...step.map(Math.abs)) < CONVERGED) break;
  }
  const times = known.flatMap(uses => [uses[0], uses.at(-1)]).filter(atMs => atMs !== undefined);
  const span = { fromMs: Math.min(...times), untilMs: Math.max(...times) };
  return { version: 1, weights, ttlMs, ...span, questions: rows.length };
}

const dot = (weights: readonly number[], row: readonly number[]): number =>
  row.reduce((sum, x, index) => sum + x * (weights[index] as number), 0);

export const probabilityOf =
  ({ weights }: UsageModel): Probability =>
  (history, atMs, ttlMs) =>
    sigmoid(dot(weights, featuresOf(history, atMs, ttlMs)));
