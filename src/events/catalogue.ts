/**
 * The facts connector-state records, in their current versions: what each event says, and the schema that holds it to that.
 *
 * Times inside a payload are whole epoch milliseconds; `…At` by the clock that `referenceClock` names where the
 * payload has one, otherwise by the recording host's. Durations and offsets are milliseconds and may have
 * fractions. No payload has a field that could hold an API key, a secret or an account figure, and the
 * schemas are strict, so that none can be smuggled in.
 *
 * The hot path takes only types from here: loading zod costs 60 ms, as much as the rest of a cold start.
 */
import { z } from 'zod';
import { ENVIRONMENTS, EXCHANGE_PATTERN, MAX_ID_LENGTH, SCOPE_PATTERN } from './connector.js';

/** 2000-01-01 to 2100-01-01: a stamp outside is in the wrong unit (seconds, microseconds) or nonsense. */
export const EARLIEST_TIME_MS = 946_684_800_000;
export const LATEST_TIME_MS = 4_102_444_800_000;
/** Twelve days either way: a clock further off than this is not a clock. */
export const MAX_OFFSET_MS = 1_000_000_000;
/** A container's own clock may be years off; it is never kept, only compared. */
const hostOffsetMs = z.number().min(-LATEST_TIME_MS).max(LATEST_TIME_MS);
/** A clock that runs at double speed, or stands, is not a clock. */
export const MAX_RATE_PPM = 1_000_000;

export const TIERS = ['memory', 'redis', 'postgres', 'exchange-clock'] as const;
export const SYNC_TRIGGERS = [
  'absent',
  'expired',
  'invalid',
  'corrupt',
  'auth-failure',
  'warm-up',
  'passive',
] as const;
export const AUTH_FAILURE_CLASSES = [
  'timestamp',
  'credentials',
  'permission',
  'rate-limit',
  'unknown',
] as const;
export const SYNC_FAILURE_CLASSES = [
  'timeout',
  'network',
  'rate-limit',
  'maintenance',
  'bad-response',
  'refused',
  'unknown',
] as const;
export const UNREACHABLE_CLASSES = [
  'timeout',
  'network',
  'maintenance',
  'bad-response',
  'rate-limit',
  'unknown',
] as const;
/** Where the stamp of a measurement came from. */
export const SAMPLE_SOURCES = ['time-endpoint', 'response', 'refusal', 'date-header'] as const;
export const INVALIDATION_REASONS = ['timestamp-refused', 'manual'] as const;
/** Why a lookup found no state of the connector's own. */
export const MISS_REASONS = [
  'absent',
  'expired',
  'invalid',
  'corrupt',
  'other-connector',
  'other-clock',
  'contested',
  'timeout',
  'database',
] as const;
/**
 * How an init gets its first offset: from the connector's own state, from the clock that all connectors of the exchange
 * share, from the database's clock (the exchange's answer being the first sample), or from a sync before it signs.
 */
export const CONTACTS = ['state', 'exchange-clock', 'verify-first', 'sync'] as const;
/** Whether the exchange would have refused a request for its timestamp, as far as a measurement can tell. */
export const REFUSALS = ['no', 'possible', 'certain'] as const;

export type Tier = (typeof TIERS)[number];
export type SyncTrigger = (typeof SYNC_TRIGGERS)[number];
export type AuthFailureClass = (typeof AUTH_FAILURE_CLASSES)[number];
export type SyncFailureClass = (typeof SYNC_FAILURE_CLASSES)[number];
export type SampleSource = (typeof SAMPLE_SOURCES)[number];
export type InvalidationReason = (typeof INVALIDATION_REASONS)[number];
export type MissReason = (typeof MISS_REASONS)[number];
export type Contact = (typeof CONTACTS)[number];
export type Refusal = (typeof REFUSALS)[number];

const id = z.string().min(1).max(MAX_ID_LENGTH);
// Whole milliseconds: a row keeps them exactly, so folding from the row equals folding from the events.
const timeMs = z.int().min(EARLIEST_TIME_MS).max(LATEST_TIME_MS);
const durationMs = z.number().min(0).max(MAX_OFFSET_MS);
const offsetMs = z.number().min(-MAX_OFFSET_MS).max(MAX_OFFSET_MS);
const ratePpm = z.number().min(-MAX_RATE_PPM).max(MAX_RATE_PPM);
const count = z.int().min(0);
const referenceClock = z.string().min(1).max(200);
const shortText = z.string().max(200);
/** Any well-formed one: whoever reads an event need not have registered the exchange that it is about. */
const exchangeName = z.string().regex(EXCHANGE_PATTERN);

/**
 * `scope` names the clock that judges the connector's requests; see src/exchanges/clock-scope.ts. Events of before it
 * (version 2 of syncs and hits, 1 of the others) have none and are about {@link DEFAULT_SCOPE}; so is whoever leaves
 * it out.
 */
const connector = {
  userId: id,
  credentialId: id,
  exchange: exchangeName,
  environment: z.enum(ENVIRONMENTS),
  scope: z.string().regex(SCOPE_PATTERN).optional(),
};

/**
 * A connector has an offset to sign with.
 *
 * `syncId` is the identity of the measurement the offset rests on: several connectors may rest on one,
 * and an invalidation condemns by it. `basis` says whether this connector measured (`measured`) or took
 * over the clock that all connectors of the exchange share (`exchange-clock`). The state ends at
 * `measuredAt + ttlMs`. `ttlInputs` are the figures the policy decided on, so that it can be explained.
 *
 * Since version 2: `offsetMs` ± `uncertaintyMs` is all that the connector knows, `sampleOffsetMs` ±
 * `sampleUncertaintyMs` what this one measurement says by itself, taken from `source`. The offset moves on by
 * `ratePpm`, known to within `rateBoundPpm`. A version 1 event lacks all five, and so does a state that was taken
 * over.
 */
const connectorSynced = z.strictObject({
  ...connector,
  syncId: z.uuid(),
  basis: z.enum(['measured', 'exchange-clock']),
  trigger: z.enum(SYNC_TRIGGERS),
  offsetMs,
  uncertaintyMs: durationMs,
  roundTripMs: durationMs,
  samples: count,
  referenceClock,
  measuredAt: timeMs,
  ttlMs: z.int().min(1).max(MAX_OFFSET_MS),
  ttlPolicy: shortText,
  ttlInputs: z.record(z.string().max(40), z.number()),
  source: z.enum(SAMPLE_SOURCES).optional(),
  sampleOffsetMs: offsetMs.optional(),
  sampleUncertaintyMs: durationMs.optional(),
  ratePpm: ratePpm.optional(),
  rateBoundPpm: ratePpm.min(0).optional(),
});

/** A measurement was tried and came to nothing. `exchangeCode` is the exchange's own, where it gave one. */
const connectorSyncFailed = z.strictObject({
  ...connector,
  trigger: z.enum(SYNC_TRIGGERS),
  failureClass: z.enum(SYNC_FAILURE_CLASSES),
  exchangeCode: shortText.optional(),
  durationMs,
});

/**
 * `count` lookups between `firstAt` and `lastAt` (the host's clock) were answered from `tier`. `stale` (since version
 * 2): by states past their end, but still good enough for the exchange's window.
 */
const connectorStateHit = z.strictObject({
  ...connector,
  tier: z.enum(TIERS),
  count: z.int().min(1),
  firstAt: timeMs,
  lastAt: timeMs,
  stale: z.literal(true).optional(),
});

/** The exchange itself refused a signed request. The offset fields say what it was signed with, where known. */
const connectorAuthFailed = z.strictObject({
  ...connector,
  exchangeCode: shortText,
  failureClass: z.enum(AUTH_FAILURE_CLASSES),
  syncId: z.uuid().optional(),
  offsetMs: offsetMs.optional(),
  offsetAgeMs: z.number().min(-MAX_OFFSET_MS).max(MAX_OFFSET_MS).optional(),
  referenceClock: referenceClock.optional(),
  serverTimeMs: timeMs.optional(),
});

/**
 * The exchange refused the timestamp of a request that came too late; the clock it was signed by was right, so nothing is
 * condemned. From signing to judgement it took `lateAtLeastMs` to `lateAtMostMs`; the offset was known to within
 * `uncertaintyMs` of this host's clock. The offset fields say what it was signed with; a guess has none.
 */
const connectorRequestLate = z.strictObject({
  ...connector,
  exchangeCode: shortText,
  timestampMs: timeMs,
  recvWindowMs: durationMs,
  lateAtLeastMs: durationMs,
  lateAtMostMs: durationMs,
  uncertaintyMs: durationMs,
  syncId: z.uuid().optional(),
  offsetMs: offsetMs.optional(),
  referenceClock: referenceClock.optional(),
  serverTimeMs: timeMs.optional(),
});

/**
 * A signed request came to nothing without the exchange's having said no to it: nobody could be reached, nobody answered in
 * time, the exchange was down, or what answered was not the exchange. Says nothing about the connector.
 */
const exchangeUnreachable = z.strictObject({
  ...connector,
  exchangeCode: shortText,
  failureClass: z.enum(UNREACHABLE_CLASSES),
});

/** The named sync must not be used again. It says nothing about a later one (promise 4). */
const connectorStateInvalidated = z.strictObject({
  ...connector,
  reason: z.enum(INVALIDATION_REASONS),
  by: shortText,
  condemnedSyncId: z.uuid(),
  condemnedMeasuredAt: timeMs,
  referenceClock,
});

/**
 * What an init would have done with the cache, while it did without (`CACHE_MODE=shadow`), and what the sync it made
 * instead says about that. Every offset is exchange minus this host's clock at `measured.at`, by this host's clock.
 *
 *  - `missReason`: why there was no state of its own. `lookupMs`: how long the answer took.
 *  - `used`: what it would have signed with. Absent when it would have measured first. The database's clock, which a
 *    first contact signs by, has no `syncId`, no age and no uncertainty.
 *  - `measured`: the sync; absent when it failed. `uncertaintyMs` is how much of the error it cannot tell.
 *  - `comparison`: where there are both. `errorMs` is used minus measured; `toleranceMs` the error that the exchange's
 *    window forgives whatever the latency, `refusal` what it would have done with this one.
 */
const connectorShadowed = z.strictObject({
  ...connector,
  contact: z.enum(CONTACTS),
  tier: z.enum(TIERS).optional(),
  missReason: z.enum(MISS_REASONS).optional(),
  stale: z.literal(true).optional(),
  lookupMs: durationMs,
  toleranceMs: durationMs,
  used: z
    .strictObject({
      offsetMs: hostOffsetMs,
      uncertaintyMs: durationMs.optional(),
      syncId: z.uuid().optional(),
      ageMs: z.number().min(-MAX_OFFSET_MS).max(MAX_OFFSET_MS).optional(),
    })
    .optional(),
  measured: z
    .strictObject({ at: timeMs, offsetMs: hostOffsetMs, uncertaintyMs: durationMs, roundTripMs: durationMs })
    .optional(),
  comparison: z
    .strictObject({
      errorMs: hostOffsetMs,
      refusal: z.enum(REFUSALS),
    })
    .optional(),
});

/**
 * The clock of whoever stands in front of the exchange, as its `Date` headers show it, is `aheadMs` ± `uncertaintyMs` ahead of
 * the clock that judges requests. Recorded where the two differ; nothing is signed by it.
 */
const exchangeEdgeMeasured = z.strictObject({
  exchange: exchangeName,
  environment: z.enum(ENVIRONMENTS),
  scope: z.string().regex(SCOPE_PATTERN).optional(),
  aheadMs: hostOffsetMs,
  uncertaintyMs: durationMs,
});

/**
 * An operator (`by`) does not believe what one machine says of one shared clock, under whatever `login` it speaks or under
 * that one only; with `since` (by the reference clock), nothing that was measured from then on. `undo`: he does again.
 */
const witnessDistrusted = z.strictObject({
  exchange: exchangeName,
  environment: z.enum(ENVIRONMENTS),
  scope: z.string().regex(SCOPE_PATTERN).optional(),
  referenceClock,
  host: z.string().regex(/^[^/]{1,200}$/),
  login: shortText.min(1).optional(),
  since: timeMs.optional(),
  undo: z.literal(true).optional(),
  by: shortText,
});

/** States that had ended before `cutoff` (epoch ms, the database's clock) were removed from the read model. */
const expiredStatesCleaned = z.strictObject({ cutoff: timeMs, by: shortText });

/** A kept event's place in the log, wherever the log is moved: `<version>@<stream>`. */
const keptEvent = z.string().regex(/^[1-9]\d{0,15}@connector_state[\s\S]{1,2000}$/);

/**
 * Hits that were recorded before `before` (epoch ms, the store's clock) and lie before the event `until` are forgotten: the
 * log may lose them at any time, and whoever folds it from the start goes by `entries` instead. `next` is the event
 * from which on hits have not been looked at. Told in `parts` that lie one behind the other; it holds when all are there.
 * How an entry is made, and read: src/projector/forgotten/. Since version 2 a sum says whose hits it holds.
 */
const hitsForgotten = z.strictObject({
  forgetting: z.uuid(),
  part: z.int().min(1),
  parts: z.int().min(1),
  by: shortText,
  before: timeMs,
  until: keptEvent,
  next: keptEvent.optional(),
  entries: z.array(
    z.strictObject({
      /** The last event that is kept for good before it; left out: none. */
      after: keptEvent.optional(),
      id: z.uuid(),
      schemaVersion: z.int().min(1),
      occurredAt: z.int(),
      recordedAt: z.int(),
      data: z.unknown(),
      /** Of a sum: a host on the machine that all its hits are of. */
      host: z.string().optional(),
      /** Of what could not be summed up and is kept as it was; a sum has none of these. */
      whole: z
        .strictObject({
          type: z.string(),
          stream: z.string(),
          version: z.int(),
          host: z.string(),
          correlationId: z.string().optional(),
          causationId: z.string().optional(),
        })
        .optional(),
    }),
  ),
});

/** The schema of each event type's current version. */
export const EVENT_SCHEMAS = {
  ConnectorSynced: connectorSynced,
  ConnectorSyncFailed: connectorSyncFailed,
  ConnectorStateHit: connectorStateHit,
  ConnectorAuthFailed: connectorAuthFailed,
  ConnectorRequestLate: connectorRequestLate,
  ExchangeUnreachable: exchangeUnreachable,
  ExchangeEdgeMeasured: exchangeEdgeMeasured,
  ConnectorStateInvalidated: connectorStateInvalidated,
  ConnectorShadowed: connectorShadowed,
  WitnessDistrusted: witnessDistrusted,
  ExpiredStatesCleaned: expiredStatesCleaned,
  HitsForgotten: hitsForgotten,
} as const;

export type EventType = keyof typeof EVENT_SCHEMAS;
export type EventData = { [T in EventType]: z.infer<(typeof EVENT_SCHEMAS)[T]> };

/** The current schema version of each type; older ones are upcast on read (see decode.ts). */
export const SCHEMA_VERSIONS: Readonly<Record<EventType, number>> = {
  ConnectorSynced: 3,
  ConnectorSyncFailed: 2,
  ConnectorStateHit: 3,
  ConnectorAuthFailed: 2,
  ConnectorRequestLate: 1,
  ExchangeUnreachable: 1,
  ExchangeEdgeMeasured: 1,
  ConnectorStateInvalidated: 2,
  ConnectorShadowed: 2,
  WitnessDistrusted: 1,
  ExpiredStatesCleaned: 1,
  HitsForgotten: 2,
};
