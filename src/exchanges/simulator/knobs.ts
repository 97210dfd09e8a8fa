/**
 * What can be set on a simulated exchange, at the start and while it runs: schema, defaults and description
 * in one place, so that options, control door and command line agree.
 */
import { z } from 'zod';
import { InvalidInputError } from '../../base/errors.js';
import { TOLD_TIMES, type ToldTime } from './told-time.js';

/** The endpoints, by what they are for; `other` is any path that the exchange does not have. */
export const ROUTES = ['time', 'verify', 'funding', 'order', 'other'] as const;
export type Route = (typeof ROUTES)[number];

const milliseconds = z.number().min(0).max(600_000);

const patchSchema = z
  .strictObject({
    skewMs: z.number().min(-1e10).max(1e10),
    driftPpm: z.number().min(-1e5).max(1e5),
    latencyMs: z
      .strictObject({ time: milliseconds, verify: milliseconds, funding: milliseconds, order: milliseconds })
      .partial(),
    jitterMs: milliseconds,
    asymmetry: z.number().min(0).max(1),
    outage: z.enum(['none', 'refuse', 'hang', 'reset']),
    maintenance: z.enum(['none', 'code', 'http']),
    rateLimit: z
      .strictObject({ requests: z.int().min(0).max(1e6), perMs: z.int().min(1).max(86_400_000) })
      .nullable(),
    earlyLimitMs: milliseconds,
    toldTime: z.enum(TOLD_TIMES),
    dateHeader: z.boolean(),
    edgeSkewMs: z.number().min(-1e10).max(1e10),
    edgeDriftPpm: z.number().min(-1e5).max(1e5),
    demo: z.boolean(),
    regionBlock: z.boolean(),
    ageSeconds: z.int().min(0).max(1e9).nullable(),
    fundingRates: z.record(z.string().max(40), z.number().min(-1).max(1)),
    fundingHours: z.record(z.string().max(40), z.int().min(1).max(24)),
  })
  .partial();

/** Any of the knobs; what is left out stays as it is. */
export type KnobPatch = z.infer<typeof patchSchema>;

export interface RateLimit {
  readonly requests: number;
  readonly perMs: number;
}

export interface ExchangeKnobs {
  readonly skewMs: number;
  readonly driftPpm: number;
  readonly latencyMs: Readonly<Record<Exclude<Route, 'other'>, number>>;
  readonly jitterMs: number;
  readonly asymmetry: number;
  readonly outage: 'none' | 'refuse' | 'hang' | 'reset';
  readonly maintenance: 'none' | 'code' | 'http';
  readonly rateLimit: RateLimit | null;
  readonly earlyLimitMs: number;
  readonly toldTime: ToldTime;
  readonly dateHeader: boolean;
  readonly edgeSkewMs: number;
  readonly edgeDriftPpm: number;
  readonly demo: boolean;
  readonly regionBlock: boolean;
  readonly ageSeconds: number | null;
  readonly fundingRates: Readonly<Record<string, number>>;
  readonly fundingHours: Readonly<Record<string, number>>;
}

export const DEFAULT_KNOBS: ExchangeKnobs = {
  skewMs: 0,
  driftPpm: 0,
  latencyMs: { time: 1500, verify: 200, funding: 50, order: 50 },
  jitterMs: 0,
  asymmetry: 0.5,
  outage: 'none',
  maintenance: 'none',
  rateLimit: null,
  earlyLimitMs: 1000,
  toldTime: 'right',
  dateHeader: true,
  edgeSkewMs: 0,
  edgeDriftPpm: 0,
  demo: false,
  regionBlock: false,
  ageSeconds: null,
  fundingRates: {},
  fundingHours: {},
};

/** For help texts and documentation. */
export const KNOB_DESCRIPTIONS: Readonly<Record<keyof ExchangeKnobs, string>> = {
  skewMs: "how far the exchange's clock is ahead of this machine's, ms; setting it moves the clock",
  driftPpm: 'how much faster its clock runs, parts per million; setting it does not move the clock',
  latencyMs: 'time from request to answer, ms, by purpose: time, verify, funding, order',
  jitterMs: 'up to so much more latency, ms, evenly spread by the seed',
  asymmetry: "share of the latency that comes before the server's stamp, 0 to 1",
  outage: 'none; refuse connections; hang without an answer; reset each connection',
  maintenance: "none; code: the exchange's busy code; http: HTTP 503 with an HTML page",
  rateLimit: 'requests allowed in each perMs, by API key (and for all unsigned ones together); null for none',
  earlyLimitMs: 'how far ahead of the server a BingX timestamp may be, ms (Bybit: always 1000)',
  toldTime:
    'the stamps in its answers: right; cached: that of the answer before; backwards: 1 s before that; future: 10 years ahead; seconds, microseconds, nanoseconds, zero, negative, null (as NaN is sent) in the body alone',
  dateHeader: 'whether answers have a Date header, of the clock of the edge in front of the exchange',
  edgeSkewMs:
    "how far the edge's clock, which only the Date header shows, is ahead of the exchange's, ms; setting it moves that clock",
  edgeDriftPpm: "how much faster the edge's clock runs than the exchange's, parts per million",
  demo: 'whether it is the host of demo trading, which does not offer each call (Bybit: 10032)',
  regionBlock: 'whether the edge in front of it blocks where requests come from: HTTP 403 with a page',
  ageSeconds: 'an Age header, as of an answer from a cache, s; null for none',
  fundingRates: "rates by the exchange's symbol, fractions; others are made up from the seed",
  fundingHours: "hours between fundings by the exchange's symbol, 1 to 24; others have 8",
};

/** @throws InvalidInputError that names every problem */
export function parseKnobPatch(value: unknown): KnobPatch {
  const parsed = patchSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new InvalidInputError(`invalid simulator settings:\n${z.prettifyError(parsed.error)}`);
}

export function applyPatch(current: ExchangeKnobs, patch: KnobPatch): ExchangeKnobs {
  const given = <T extends object>(part: T) =>
    Object.fromEntries(Object.entries(part).filter(([, value]) => value !== undefined));
  return {
    ...current,
    ...given(patch),
    latencyMs: { ...current.latencyMs, ...given(patch.latencyMs ?? {}) },
  };
}
