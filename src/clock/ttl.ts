/** How long a measured offset is kept. One policy so far: the fixed TTL of the design decision. */

/** 15 minutes: at an assumed ±100 ms an hour the offset moves by 25 ms. */
export const DEFAULT_TTL_MS = 15 * 60_000;
export const MIN_TTL_MS = 1_000;
export const MAX_TTL_MS = 24 * 3_600_000;

export interface TtlDecision {
  readonly ttlMs: number;
  readonly policy: string;
  /** The figures the decision rests on. */
  readonly inputs: Readonly<Record<string, number>>;
}

export const fixedTtl = (ttlMs: number = DEFAULT_TTL_MS): TtlDecision => ({
  ttlMs,
  policy: 'fixed',
  inputs: { ttlMs },
});
