/** What a question about the past is about: a range of time, and of which clocks. */
import { z } from 'zod';
import { InvalidInputError } from '../../base/errors.js';
import { environment, exchange, scope } from './connector.js';
import { moment, span } from './times.js';

export const rangeQuery = {
  from: span.describe('ISO 8601, epoch milliseconds, or a span that ends now: 90m, 24h, 7d.'),
  until: moment.optional().describe('ISO 8601 or epoch milliseconds. Default: now.'),
};

export const placeQuery = {
  exchange: exchange.optional(),
  environment: environment.optional(),
  scope: scope.optional(),
};

/** A machine's name as samples have it; what PostgreSQL could not be asked about is none. */
export const machine = z
  .string()
  .regex(/^[^\p{Cc}\p{Surrogate}]{1,200}$/u)
  .describe('Only what this machine recorded.');

interface Asked {
  readonly from: z.infer<typeof span>;
  readonly until?: number | undefined;
}

/** @throws InvalidInputError when it ends before it begins */
export function rangeOf({ from, until = Number.NaN }: Asked, nowMs: number) {
  const fromMs = 'atMs' in from ? from.atMs : nowMs - from.agoMs;
  // A caller whose clock is ahead of this one means now.
  const untilMs = Number.isNaN(until) ? Math.max(nowMs, fromMs + 1) : until;
  if (fromMs < untilMs) return { fromMs, untilMs };
  throw new InvalidInputError(`until (${untilMs}) must be later than from (${fromMs})`);
}
