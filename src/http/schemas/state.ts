/**
 * A lookup as an answer.
 *
 * A state's offset is exchange minus *reference* clock, and the caller's own clock is another. So every answer is also a
 * sample of the reference clock: it says when the request came and when the answer left, by that clock. With its own send
 * and receive times the caller bounds `reference − own` to
 *
 *   [ sentAtMs − uncertaintyMs − (own receive time),  receivedAtMs + uncertaintyMs − (own send time) ]
 *
 * and adds that to the offset: the arithmetic of NTP (RFC 5905, section 8), kept as an interval.
 */
import { z } from 'zod';
import { type Lookup, linkOf, type UsableState } from '../../cache/lookup.js';
import type { HostClock } from '../../clock/host-clock.js';
import { ASSUMED_RATE, inflate } from '../../clock/offset.js';
import { MISS_REASONS } from '../../events/catalogue.js';
import { environment, exchange, scope } from './connector.js';
import { offsetMs, timeMs, uncertaintyMs } from './times.js';

export const stateSchema = z.object({
  exchange,
  environment,
  scope,
  syncId: z.string().describe('The measurement it rests on; an invalidation names it.'),
  basis: z.enum(['measured', 'exchange-clock']),
  referenceClock: z.string().describe('The clock that the offset and the times are relative to.'),
  offsetMs: offsetMs.describe('Exchange minus reference clock at `measuredAtMs`, milliseconds.'),
  uncertaintyMs,
  measuredAtMs: timeMs,
  ratePpm: z.number().describe('How fast the offset moves, ppm.'),
  rateBoundPpm: z.number().describe('The rate is off by at most this: the uncertainty grows by it.'),
  expiresAtMs: timeMs.describe('By the reference clock.'),
});

export const referenceSchema = z.object({
  clock: z.string(),
  receivedAtMs: timeMs.describe('When the request came, by the reference clock.'),
  sentAtMs: timeMs.describe('When the answer left, by the reference clock.'),
  uncertaintyMs,
});

const answered = {
  nonce: z.string().optional(),
  behind: z.literal(true).optional().describe('`atLeast` was not reached in time: this is older.'),
  reference: referenceSchema.optional().describe('Left out where the database could not be asked.'),
};

export const hitAnswer = z.object({
  hit: z.literal(true),
  tier: z.enum(['memory', 'redis', 'postgres']),
  state: stateSchema,
  ...answered,
});
export const missAnswer = z.object({
  hit: z.literal(false),
  reason: z.enum(MISS_REASONS),
  exchangeClock: stateSchema.optional().describe('What all connectors of the exchange know of its clock.'),
  ended: stateSchema.optional().describe('The best that is known past its end.'),
  between: stateSchema.optional().describe('In a contest: what both sides allow.'),
  ...answered,
});
export const lookupAnswer = z.discriminatedUnion('hit', [hitAnswer, missAnswer]);
export type LookupAnswer = z.infer<typeof lookupAnswer>;
export type StateAnswer = z.infer<typeof stateSchema>;

export const manyAnswer = z.object({
  nonce: z.string().optional(),
  reference: referenceSchema.optional(),
  states: z
    .array(lookupAnswer)
    .describe(
      'In the order asked. One has a `reference` of its own where its clock is another than that of all.',
    ),
});

export interface Answering {
  /** By this process's clock. */
  readonly receivedAtMs: number;
  readonly clock: HostClock;
  readonly nonce?: string | undefined;
}

export function toLookupAnswer(lookup: Lookup, answering: Answering): LookupAnswer {
  const common = {
    ...(answering.nonce !== undefined && { nonce: answering.nonce }),
    ...(lookup.behind && { behind: true as const }),
    ...referenceOf(lookup, answering),
  };
  if (lookup.hit) return { hit: true, tier: lookup.tier, state: toStateAnswer(lookup.state), ...common };
  const { reason, exchangeClock, ended, between } = lookup;
  return {
    hit: false,
    reason,
    ...(exchangeClock && { exchangeClock: toStateAnswer(exchangeClock) }),
    ...(ended && { ended: toStateAnswer(ended) }),
    ...(between && { between: toStateAnswer(between) }),
    ...common,
  };
}

export function toStateAnswer({ estimate, ...state }: UsableState): StateAnswer {
  const { exchange, environment, scope, syncId, basis, referenceClock, expiresAtMs } = state;
  const { offsetMs, uncertaintyMs, atMs: measuredAtMs, rate = ASSUMED_RATE } = estimate;
  const rateFields = { ratePpm: rate.ratePpm, rateBoundPpm: rate.boundPpm };
  const place = { exchange, environment, scope, syncId, basis, referenceClock };
  return { ...place, offsetMs, uncertaintyMs, measuredAtMs, ...rateFields, expiresAtMs };
}

/** Both moments by the reference clock, which is known over this process's link to it. */
export function referenceOf(
  lookup: Lookup,
  { receivedAtMs, clock }: Answering,
): Pick<LookupAnswer, 'reference'> {
  const link = linkOf(lookup);
  if (!link) return {};
  const sentAtMs = clock.now();
  const { offsetMs, uncertaintyMs } = inflate(link, sentAtMs);
  return {
    reference: {
      clock: link.clockId,
      receivedAtMs: receivedAtMs + offsetMs,
      sentAtMs: sentAtMs + offsetMs,
      uncertaintyMs,
    },
  };
}

/**
 * Tells one state of a connector from another: the version of its stream, and which measurement of the exchange's shared clock
 * it was brought up to date by. Weak, for the times in an answer are each answer's own. `undefined`: nothing to know again.
 */
export function etagOf(lookup: Lookup): string | undefined {
  if (!lookup.hit || lookup.state.streamVersion === undefined) return undefined;
  const { streamVersion, syncId, expiresAtMs, estimate } = lookup.state;
  return `W/"${streamVersion}-${syncId.slice(0, 8)}-${Math.round(expiresAtMs)}-${Math.round(estimate.atMs)}"`;
}

/** RFC 9110, section 13.1.2: weak comparison with a list, or with whatever there is. */
export const isNoneMatch = (header: string | undefined, etag: string): boolean =>
  header !== undefined &&
  (header.trim() === '*' || header.split(',').some(each => bare(each) === bare(etag)));

const bare = (tag: string) => tag.trim().replace(/^W\//, '');
