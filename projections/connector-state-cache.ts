/**
 * `connector_state_cache`: the offset each connector signs with. This is the cache; the rest is about it.
 *
 * A row's life: the first `ConnectorSynced` makes it, later ones replace its offset, hits are counted on it, a
 * refusal invalidates it, a clean-up removes it once it has ended.
 *
 * Events reach the log in the order containers flush them, which is not the order things happened in. So a
 * sync replaces what the row holds, unless
 *  (a) it has been condemned: by its id, or because it was made before a moment the exchange has shown to lie
 *      before a step of the clock. Otherwise a slow container's flush would bring back a refused offset;
 *  (b) the row holds a valid state measured later against the same clock: a late flush;
 *  (c) it was measured against a host's clock, which means nothing on other machines, while the row still
 *      holds a valid state against a database's.
 * And an invalidation condemns the sync it names, never a newer one (promise 4).
 *
 * The same credential used on another exchange or scope is another connector under the same key: the latest takes
 * the row over whole, and nothing of the former is merged into it.
 */
import { ASSUMED_RATE, intersect } from '../src/clock/offset.js';
import { MAX_TTL_MS } from '../src/clock/ttl.js';
import { type ConnectorRef, cacheKeyOf, scopeOf } from '../src/events/connector.js';
import type { FactOf, KnownEvent } from '../src/events/event.js';
import { FUTURE_SLACK_MS, MAX_OFFSET_MS, MAX_RATE_PPM } from './belief.js';
import { type Projection, uuid } from './projection.js';

export type ConnectorStateRow = {
  /** The event that made the row. */
  readonly id: string;
  readonly cacheKey: string;
  readonly userId: string;
  readonly credentialId: string;
  readonly exchange: string;
  readonly environment: string;
  /** Whose clock the offset is about. */
  readonly scope: string;
  /** Exchange minus reference clock, ms. */
  readonly timeOffset: number;
  readonly uncertaintyMs: number;
  /** How the offset moves on from `lastSyncTime`: 0 ± 50 until the drift is known. */
  readonly ratePpm: number;
  readonly rateBoundPpm: number;
  readonly roundTripMs: number;
  readonly sampleCount: number;
  readonly referenceClock: string;
  readonly syncId: string;
  /** `measured`, or taken over from the `exchange-clock`. */
  readonly basis: string;
  readonly syncTrigger: string;
  /** When it was measured, by the reference clock. */
  readonly lastSyncTime: number;
  readonly isValid: boolean;
  readonly invalidReason: string | null;
  /** The last sync that was condemned: it must not come back. */
  readonly condemnedSyncId: string | null;
  /**
   * What was measured at or before this, against `condemnedReferenceClock`, is void: the exchange refused a
   * timestamp made with it. An invalidation by hand condemns one sync and sets no such bound.
   */
  readonly condemnedMeasuredAt: number | null;
  readonly condemnedReferenceClock: string | null;
  readonly ttlMs: number;
  readonly expiresAt: number;
  readonly hitCount: number;
  readonly lastHitAt: number | null;
  readonly createdAt: number;
  readonly updatedAt: number;
  /** Version and position of the last event of the state stream that the row has seen (hits have their own). */
  readonly streamVersion: number;
  readonly position: string;
};

type Synced = FactOf<'ConnectorSynced'>['data'];
type Hit = FactOf<'ConnectorStateHit'>['data'];
type Invalidated = FactOf<'ConnectorStateInvalidated'>['data'];

const HOST_CLOCK_PREFIX = 'host:';
const isHostClock = (referenceClock: string) => referenceClock.startsWith(HOST_CLOCK_PREFIX);

/** What a sync says about the connector, whatever was known before. */
const offsetOf = (data: Synced) => ({
  timeOffset: data.offsetMs,
  uncertaintyMs: data.uncertaintyMs,
  ratePpm: data.ratePpm ?? ASSUMED_RATE.ratePpm,
  rateBoundPpm: data.rateBoundPpm ?? ASSUMED_RATE.boundPpm,
  roundTripMs: data.roundTripMs,
  sampleCount: data.samples,
  referenceClock: data.referenceClock,
  syncId: uuid(data.syncId),
  basis: data.basis,
  syncTrigger: data.trigger,
  lastSyncTime: data.measuredAt,
  isValid: true,
  invalidReason: null,
  ttlMs: data.ttlMs,
  expiresAt: data.measuredAt + data.ttlMs,
});

const firstRow = (event: KnownEvent, data: Synced): ConnectorStateRow => ({
  id: uuid(event.id),
  cacheKey: cacheKeyOf(data),
  userId: data.userId,
  credentialId: data.credentialId,
  exchange: data.exchange,
  environment: data.environment,
  scope: scopeOf(data),
  ...offsetOf(data),
  condemnedSyncId: null,
  condemnedMeasuredAt: null,
  condemnedReferenceClock: null,
  hitCount: 0,
  lastHitAt: null,
  createdAt: event.recordedAt,
  updatedAt: event.recordedAt,
  streamVersion: event.version,
  position: event.position,
});

/** The ids follow from the key, unless somebody wrote into the row: then nothing of it is worth keeping. */
const isSameConnector = (row: ConnectorStateRow, data: ConnectorRef) =>
  row.exchange === data.exchange &&
  row.environment === data.environment &&
  row.scope === scopeOf(data) &&
  row.userId === data.userId &&
  row.credentialId === data.credentialId;

const isVoid = (row: ConnectorStateRow, measuredAt: number, referenceClock: string) =>
  row.condemnedMeasuredAt !== null &&
  measuredAt <= row.condemnedMeasuredAt &&
  referenceClock === row.condemnedReferenceClock;

/** No event makes such a row; somebody wrote into the table, and a lookup calls it corrupt. */
const isNonsense = (row: ConnectorStateRow, recordedAt: number) =>
  !(
    Math.abs(row.timeOffset) <= MAX_OFFSET_MS &&
    row.uncertaintyMs >= 0 &&
    row.uncertaintyMs <= MAX_OFFSET_MS &&
    Math.abs(row.ratePpm) <= MAX_RATE_PPM &&
    row.rateBoundPpm >= 0 &&
    row.rateBoundPpm <= MAX_RATE_PPM &&
    row.expiresAt > row.lastSyncTime &&
    row.expiresAt - row.lastSyncTime <= MAX_TTL_MS &&
    (isHostClock(row.referenceClock) || row.lastSyncTime <= recordedAt + FUTURE_SLACK_MS) &&
    row.lastSyncTime >= EARLIEST_TIME_MS &&
    row.referenceClock.length > 0 &&
    row.referenceClock.length <= MAX_CLOCK_NAME &&
    (row.basis === 'measured' || row.basis === 'exchange-clock')
  );

const EARLIEST_TIME_MS = Date.UTC(2000);
const MAX_CLOCK_NAME = 200;

/** Several that met nonsense heal it together, and agree; who contradicts a good row has met none. */
function checkCorrupt(row: ConnectorStateRow, data: Synced, recordedAt: number): void {
  const isGood = row.isValid && row.expiresAt > recordedAt && row.referenceClock === data.referenceClock;
  if (isGood && !intersect(estimateIn(row), estimateOf(data))) {
    throw new Error('trigger: `corrupt` of a row that is not, and contradicts it');
  }
}

const estimateIn = (row: ConnectorStateRow) => ({
  offsetMs: row.timeOffset,
  uncertaintyMs: row.uncertaintyMs,
  atMs: row.lastSyncTime,
  rate: { ratePpm: row.ratePpm, boundPpm: row.rateBoundPpm },
});

const estimateOf = ({ offsetMs, uncertaintyMs, measuredAt }: Synced) => ({
  offsetMs,
  uncertaintyMs,
  atMs: measuredAt,
});

function replaces(row: ConnectorStateRow, data: Synced, recordedAt: number): boolean {
  const isCondemned =
    uuid(data.syncId) === row.condemnedSyncId || isVoid(row, data.measuredAt, data.referenceClock);
  if (isCondemned) return false;
  // Its claim to be newer counts for nothing (promise 9).
  if (!row.isValid || isNonsense(row, recordedAt)) return true;
  if (data.trigger === 'corrupt') checkCorrupt(row, data, recordedAt);
  const isLate = row.referenceClock === data.referenceClock && row.lastSyncTime > data.measuredAt;
  const isWorseClock =
    isHostClock(data.referenceClock) && !isHostClock(row.referenceClock) && row.expiresAt > data.measuredAt;
  return !isLate && !isWorseClock;
}

function afterSync(row: ConnectorStateRow | undefined, event: KnownEvent, data: Synced): ConnectorStateRow {
  if (!row || !isSameConnector(row, data)) return firstRow(event, data);
  return replaces(row, data, event.recordedAt)
    ? { ...seen(row, event), ...offsetOf(data) }
    : seen(row, event);
}

function afterHits(row: ConnectorStateRow, event: KnownEvent, data: Hit): ConnectorStateRow {
  // Answered from the shared clock means: not from this row.
  if (data.tier === 'exchange-clock' || !isSameConnector(row, data)) return row;
  return {
    ...row,
    hitCount: row.hitCount + data.count,
    lastHitAt: Math.max(row.lastHitAt ?? data.lastAt, data.lastAt),
    updatedAt: event.recordedAt,
  };
}

function afterInvalidation(row: ConnectorStateRow, event: KnownEvent, data: Invalidated): ConnectorStateRow {
  if (!isSameConnector(row, data)) return seen(row, event);
  const after = { ...seen(row, event), ...condemnation(row, data) };
  const restsOnIt =
    row.syncId === uuid(data.condemnedSyncId) ||
    (data.reason === 'timestamp-refused' &&
      row.referenceClock === data.referenceClock &&
      row.lastSyncTime <= data.condemnedMeasuredAt);
  return restsOnIt ? { ...after, isValid: false, invalidReason: data.reason } : after;
}

/** What must be remembered, so that it cannot come back: the weaker of two refusals must not hide the stronger. */
function condemnation(row: ConnectorStateRow, data: Invalidated) {
  const condemnedSyncId = uuid(data.condemnedSyncId);
  if (isVoid(row, data.condemnedMeasuredAt, data.referenceClock)) return {};
  if (data.reason !== 'timestamp-refused') return { condemnedSyncId };
  return {
    condemnedSyncId,
    condemnedMeasuredAt: data.condemnedMeasuredAt,
    condemnedReferenceClock: data.referenceClock,
  };
}

const seen = (row: ConnectorStateRow, event: KnownEvent): ConnectorStateRow => ({
  ...row,
  updatedAt: event.recordedAt,
  streamVersion: event.version,
  position: event.position,
});

export const connectorStateCache: Projection<ConnectorStateRow> = {
  name: 'connector_state_cache',
  // 3: what cannot have come about is not folded (belief.ts).
  version: 3,
  table: {
    name: 'connector_state_cache',
    columns: {
      id: 'uuid',
      cacheKey: 'text',
      userId: 'text',
      credentialId: 'text',
      exchange: 'text',
      environment: 'text',
      timeOffset: 'double precision',
      uncertaintyMs: 'double precision',
      roundTripMs: 'double precision',
      sampleCount: 'integer',
      referenceClock: 'text',
      syncId: 'uuid',
      basis: 'text',
      syncTrigger: 'text',
      lastSyncTime: 'timestamptz',
      isValid: 'boolean',
      invalidReason: 'text',
      condemnedSyncId: 'uuid',
      condemnedMeasuredAt: 'timestamptz',
      condemnedReferenceClock: 'text',
      ttlMs: 'bigint',
      expiresAt: 'timestamptz',
      hitCount: 'bigint',
      lastHitAt: 'timestamptz',
      createdAt: 'timestamptz',
      updatedAt: 'timestamptz',
      streamVersion: 'bigint',
      position: 'text',
      ratePpm: 'double precision',
      rateBoundPpm: 'double precision',
      scope: 'text',
    },
    key: ['cacheKey'],
  },
  handles: [
    'ConnectorSynced',
    'ConnectorSyncFailed',
    'ConnectorStateHit',
    'ConnectorAuthFailed',
    'ConnectorRequestLate',
    'ExchangeUnreachable',
    'ConnectorStateInvalidated',
    'ExpiredStatesCleaned',
  ],

  keyOf: event =>
    event.type === 'ExpiredStatesCleaned' ||
    event.type === 'ExchangeEdgeMeasured' ||
    event.type === 'WitnessDistrusted' ||
    event.type === 'HitsForgotten'
      ? undefined
      : { cacheKey: cacheKeyOf(event.data) },

  evolve(row, event) {
    if (event.type === 'ConnectorSynced') return afterSync(row, event, event.data);
    if (!row) return undefined;
    switch (event.type) {
      case 'ConnectorStateHit':
        return afterHits(row, event, event.data);
      case 'ConnectorStateInvalidated':
        return afterInvalidation(row, event, event.data);
      case 'ConnectorSyncFailed':
      case 'ConnectorAuthFailed':
      case 'ConnectorRequestLate':
      case 'ExchangeUnreachable':
        return seen(row, event);
      case 'ExpiredStatesCleaned':
      case 'ExchangeEdgeMeasured':
      case 'WitnessDistrusted':
      case 'HitsForgotten':
        return row;
    }
  },

  sweep: event =>
    event.type === 'ExpiredStatesCleaned' ? { column: 'expiresAt', before: event.data.cutoff } : undefined,
};
