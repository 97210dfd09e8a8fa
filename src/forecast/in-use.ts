/** What probabilities are told by: the trained model, where that is what won the latest back-test that was kept; else the histogram. */
import type { Pool } from 'pg';
import { probabilityOf } from './learned.js';
import { keptModel } from './model-store.js';
import type { Probability } from './policies.js';

export interface InUse {
  /** `none` where no policy won by the margin, and where nothing was trained yet. */
  readonly policy: string;
  /** Of the kept model whose back-test says so; undefined: none is kept, so this is the baseline. */
  readonly modelVersion: number | undefined;
  /** Of the model; undefined: the histogram's own counts. */
  readonly probability: Probability | undefined;
}

/** @throws whatever `pg` throws */
export async function inUse(pool: Pool): Promise<InUse> {
  const kept = await keptModel(pool);
  const policy = kept?.winner ?? 'none';
  return {
    policy,
    modelVersion: kept?.version,
    probability: kept && policy === 'learned' ? probabilityOf(kept.model) : undefined,
  };
}
