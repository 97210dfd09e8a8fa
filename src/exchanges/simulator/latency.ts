/** How long an answer takes, and how much of that lies before the server reads its clock. */
import type { ExchangeKnobs, Route } from './knobs.js';
import type { Random } from './random.js';

export interface Latency {
  readonly beforeStampMs: number;
  readonly afterStampMs: number;
}

export function drawLatency(knobs: ExchangeKnobs, route: Route, random: Random): Latency {
  const jitterMs = knobs.jitterMs === 0 ? 0 : random() * knobs.jitterMs;
  const totalMs = (route === 'other' ? 0 : knobs.latencyMs[route]) + jitterMs;
  const beforeStampMs = totalMs * knobs.asymmetry;
  return { beforeStampMs, afterStampMs: totalMs - beforeStampMs };
}
