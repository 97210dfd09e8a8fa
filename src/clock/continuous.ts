/** Whether two clocks of one host tell the same time. Apart from host-clock.ts, which needs Node. */

/** Beyond the larger of these, wall and monotonic clock no longer tell the same time. */
export const STEP_FLOOR_MS = 50;
export const STEP_RATE_PPM = 500;

/**
 * Whether wall and monotonic clock agree on how long it took; if not, the wall clock was set or the machine was
 * frozen meanwhile, and what was timed by either is worth nothing.
 */
export function isContinuous(elapsedMs: number, elapsedWallMs: number): boolean {
  const allowedMs = Math.max(STEP_FLOOR_MS, (Math.abs(elapsedMs) * STEP_RATE_PPM) / 1e6);
  return Math.abs(elapsedWallMs - elapsedMs) <= allowedMs;
}
