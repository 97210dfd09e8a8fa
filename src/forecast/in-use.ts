/**
 * What probabilities are told by: what won the latest back-test that was kept, where that is the trained model or the hours
 * of the week; else the histogram. (`trend` goes by the last idle times in their order, which no row tells.)
 */
import type { Pool } from 'pg';
import { probabilityOf } from './learned.js';
import { type KeptModel, keptModel } from './model-store.js';
import { hazardOf, type Probability, seasonalOf } from './policies.js';

export interface InUse {
  /** `none` where no policy won by the margin, and where nothing was trained yet. */
  readonly policy: string;
  /** Of the kept model whose back-test says so; undefined: none is kept, so this is the baseline. */
  readonly modelVersion: number | undefined;
  /** Of the policy in use; undefined: the histogram's own counts. */
  readonly probability: Probability | undefined;
}

/** The hours of the week tell nothing before there was a whole week. */
const seasonalOrHazard: Probability = (history, atMs, ttlMs) =>
  history.knowsHour(atMs) ? seasonalOf(history, atMs, ttlMs) : hazardOf(history, atMs, ttlMs);

/** @throws whatever `pg` throws */
export async function inUse(pool: Pool): Promise<InUse> {
  const kept = await keptModel(pool);
  const policy = kept?.winner ?? 'none';
  return { policy, modelVersion: kept?.version, probability: kept && probabilityIn(kept) };
}

function probabilityIn({ winner, model }: KeptModel): Probability | undefined {
  if (winner === 'learned') return probabilityOf(model);
  return winner === 'seasonal' ? seasonalOrHazard : undefined;
}
