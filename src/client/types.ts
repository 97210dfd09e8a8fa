/**
 * What the API takes and answers, as types for callers. They stand by themselves, so that a page or an edge function needs
 * nothing of the service; a test holds them to the service's schemas, field by field.
 *
 * Times are epoch milliseconds, offsets, uncertainties and durations milliseconds.
 */

/** Shipped, such as `BYBIT`, or registered by whoever makes connectors of it. */
export type Exchange = string;
export type Environment = 'MAINNET' | 'TESTNET' | 'DEMO';

export interface CredentialRef {
  readonly userId: string;
  readonly credentialId: string;
}

export interface ConnectorRef extends CredentialRef {
  readonly exchange: Exchange;
  readonly environment: Environment;
  /** Whose clock judges: `default`, the exchange's own host, where it is left out. */
  readonly scope?: string | undefined;
}

/** An offset to sign with: exchange minus reference clock. */
export interface State {
  exchange: Exchange;
  environment: Environment;
  scope: string;
  /** The measurement it rests on. */
  syncId: string;
  basis: 'measured' | 'exchange-clock';
  referenceClock: string;
  /** At `measuredAtMs`. */
  offsetMs: number;
  uncertaintyMs: number;
  measuredAtMs: number;
  ratePpm: number;
  rateBoundPpm: number;
  /** By the reference clock. */
  expiresAtMs: number;
}

/** An answer as a sample of the reference clock. */
export interface Reference {
  clock: string;
  receivedAtMs: number;
  sentAtMs: number;
  uncertaintyMs: number;
}

interface Answered {
  nonce?: string | undefined;
  /** `atLeast` was not reached in time: this is older. */
  behind?: true | undefined;
  reference?: Reference | undefined;
}

export interface HitAnswer extends Answered {
  hit: true;
  tier: 'memory' | 'redis' | 'postgres';
  state: State;
}

export type MissReason =
  | 'absent'
  | 'expired'
  | 'invalid'
  | 'corrupt'
  | 'other-connector'
  | 'other-clock'
  | 'contested'
  | 'timeout'
  | 'database';

export interface MissAnswer extends Answered {
  hit: false;
  reason: MissReason;
  /** What all connectors of the exchange know of its clock. */
  exchangeClock?: State | undefined;
  /** The best that is known past its end. */
  ended?: State | undefined;
  /** In a contest: what both sides allow. */
  between?: State | undefined;
}

export type LookupAnswer = HitAnswer | MissAnswer;

export interface ManyAnswer {
  nonce?: string | undefined;
  reference?: Reference | undefined;
  states: LookupAnswer[];
}

export interface ClockAnswer {
  nonce: string;
  exchange: Exchange;
  environment: Environment;
  scope: string;
  now: { earliestMs: number; latestMs: number; status: 'synchronized' | 'holdover' | 'unknown' };
  syncId: string;
  server: { receivedAtMs: number; sentAtMs: number };
}

export interface AppendAnswer {
  events: { id: string; stream: string; version: number; isNew: boolean }[];
  /** Ask with `atLeast` of this to read your own writes. */
  position?: string | undefined;
  /** Stored safely, but waiting for the event store. */
  waiting?: number | undefined;
}

export interface EventAnswer {
  id: string;
  type: string;
  stream: string;
  version: number;
  position: string;
  schemaVersion: number;
  occurredAt: number;
  recordedAt: number;
  host: string;
  login?: string | undefined;
  correlationId?: string | undefined;
  causationId?: string | undefined;
  decoded: 'known' | 'unknown-type' | 'invalid';
  data?: unknown;
  problem?: string | undefined;
}

export interface ListedConnector {
  userId: string;
  credentialId: string;
  exchange: string;
  environment: string;
  scope: string;
  status: 'valid' | 'expired' | 'invalid';
  invalidReason: string | null;
  offsetMs: number;
  uncertaintyMs: number;
  ratePpm: number;
  rateBoundPpm: number;
  referenceClock: string;
  syncId: string;
  basis: string;
  trigger: string;
  measuredAtMs: number;
  expiresAtMs: number;
  hitCount: number;
  lastHitAtMs: number | null;
  updatedAtMs: number;
  streamVersion: number;
}

export interface WarmedClock {
  exchange: string;
  environment: string;
  scope: string;
  outcome: 'warm' | 'measured' | 'failed' | 'skipped';
  problem?: string | undefined;
  retryAfterMs?: number | undefined;
}

export interface WarmUpAnswer {
  clocks: WarmedClock[];
  /** Everything that was measured is stored. */
  isStored: boolean;
}

export interface DriftBucket {
  startMs: number;
  exchange: string;
  environment: string;
  scope: string;
  referenceClock: string;
  host: string | null;
  samples: number;
  meanOffsetMs: number;
  minOffsetMs: number;
  maxOffsetMs: number;
  uncertaintyMs: number;
  ratePpm: number | null;
  roundTripMinMs: number;
  distanceToRefusalMs: number;
}

export interface UsageBucket {
  startMs: number;
  exchange: string;
  environment: string;
  scope: string;
  host: string | null;
  hits: number;
  staleHits: number;
  misses: number;
  hitRate: number | null;
  hitsMemory: number;
  hitsRedis: number;
  hitsPostgres: number;
  hitsExchangeClock: number;
  syncs: number;
  syncFailures: number;
  timestampRefusals: number;
  otherRefusals: number;
  lateRequests: number;
  unreachable: number;
  invalidations: number;
}

export interface Series<T> {
  fromMs: number;
  untilMs: number;
  bucketMs: number;
  buckets: T[];
}

export interface Job {
  id: string;
  kind: string;
  by: string;
  startedAtMs: number;
  state: 'running' | 'done' | 'failed';
  progress: { done: number; total: number } | null;
  endedAtMs: number | null;
  result: unknown;
  error: { code: string | null; detail: string } | null;
}

export interface ProjectionLag {
  position?: string | undefined;
  events: number;
  seconds: number;
}

export interface ProjectionsAnswer extends ProjectionLag {
  deadLetters: number;
  projections: (ProjectionLag & { name: string; deadLetters: number })[];
}

/** An error's body: RFC 9457. */
export interface Problem {
  type: string;
  title: string;
  status: number;
  code: string;
  detail: string;
  instance: string;
  errors?: { pointer: string; detail: string }[];
}
