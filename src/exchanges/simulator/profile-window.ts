/** The rule of the window, as a simulated exchange judges by it: that of its profile. */
import type { WindowRule } from '../exchange-profile.js';

/**
 * `late`, `early`: refused for that. `out of range`: it asked for a window that the exchange does not give.
 * @param recvWindowMs what the request asked for; undefined where it said nothing
 */
export function judgeTimestamp(
  { defaultMs, maxMs, earlyLimitMs }: WindowRule,
  timestampMs: number,
  recvWindowMs: number | undefined,
  serverTimeMs: number,
): 'accepted' | 'late' | 'early' | 'out of range' {
  const windowMs = recvWindowMs ?? defaultMs;
  if (windowMs < 1 || windowMs > maxMs) return 'out of range';
  const aheadMs = timestampMs - Math.floor(serverTimeMs);
  if (-aheadMs > windowMs) return 'late';
  return aheadMs >= earlyLimitMs ? 'early' : 'accepted';
}
