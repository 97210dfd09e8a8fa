/**
 * What the service answers, as far as the dashboard shows it. Times are epoch milliseconds, offsets milliseconds.
 *
 * Where the client (src/client/types.ts) has a type it is that one. The others are written down here so that a page needs
 * nothing of the service; a test holds them to its schemas, by the compiler.
 */
import type { EventAnswer, ListedConnector, ProjectionsAnswer, UsageBucket } from '../../../client/types.js';

export type { Job, UsageBucket } from '../../../client/types.js';
export type Projections = ProjectionsAnswer;
export type ConnectorRow = ListedConnector;

export type Role = 'reader' | 'writer' | 'analyst' | 'operator';

export interface Me {
  readonly id: string;
  readonly roles: readonly Role[];
  /** The only user that exists for this key; `null`: all do. */
  readonly userId: string | null;
}

export interface ClockPlace {
  readonly exchange: string;
  readonly environment: string;
  readonly scope: string;
}

export interface SharedClock extends ClockPlace {
  readonly offsetMs: number;
  readonly uncertaintyMs: number;
  readonly epoch: number;
  readonly samples: number;
  readonly isValid: boolean;
  readonly hasEnded: boolean;
  readonly distanceToRefusalMs: number;
  readonly contested: {
    readonly forMs: number;
    readonly rivalHost: string;
    readonly apartMs: number | null;
  } | null;
  readonly distrusted: readonly { readonly host: string; readonly login?: string | undefined }[];
}

export interface Stats {
  readonly total: number;
  readonly valid: number;
  readonly expired: number;
  readonly invalid: number;
  readonly hitRate: number;
  readonly clocks: readonly SharedClock[];
  readonly outbox: { readonly waiting: number; readonly waitingSeconds: number; readonly dead: number };
}

export interface DriftPoint {
  readonly startMs: number;
  readonly atMs: number;
  readonly offsetMs: number;
  readonly uncertaintyMs: number;
  readonly samples: number;
  readonly steps: number;
}

export interface DriftLine extends ClockPlace {
  readonly referenceClock: string | null;
  readonly host: string | null;
  readonly hosts: number;
  readonly samples: number;
  readonly drift: {
    readonly rate: { readonly ratePpm: number; readonly boundPpm: number };
    readonly isMeasured: boolean;
    readonly samples: number;
    readonly spanMs: number;
  };
  readonly steps: readonly {
    readonly afterMs: number;
    readonly atMs: number;
    readonly byMs: number | null;
    readonly hosts: number;
  }[];
  readonly roundTripMinMs: number;
  readonly roundTripMedianMs: number;
  readonly points: readonly DriftPoint[];
}

export interface Drift {
  readonly fromMs: number;
  readonly untilMs: number;
  readonly cellMs: number;
  readonly source: string;
  readonly lines: readonly DriftLine[];
}

export interface Sample extends ClockPlace {
  readonly atMs: number;
  readonly offsetMs: number;
  readonly uncertaintyMs: number;
  readonly roundTripMs: number;
  readonly machine: string;
  readonly source: string;
}

export interface RoundTrips {
  readonly roundTripMedianMs: number | null;
  readonly roundTripP99Ms: number | null;
}

/** Round trips and `total` are of all, not only those that are listed: every so manieth is. */
export interface Samples extends RoundTrips {
  readonly samples: readonly Sample[];
  readonly total: number;
}

export interface Refusal extends ClockPlace {
  readonly atMs: number;
  readonly kind: 'late' | 'wrong' | 'other';
  readonly exchangeCode: string;
  readonly failureClass: string;
  readonly lateAtLeastMs: number | null;
  readonly lateAtMostMs: number | null;
  readonly offsetMs: number | null;
  readonly uncertaintyMs: number | null;
  readonly userId: string;
  readonly credentialId: string;
}

export interface Refusals {
  /** The events lie in a store of their own, so that none is listed. */
  readonly elsewhere: boolean;
  readonly toleranceMs: number;
  readonly refusals: readonly Refusal[];
}

export interface ConnectorPage {
  readonly connectors: readonly ConnectorRow[];
  readonly next?: string | undefined;
}
/** From the feed, the audit trail, or among the notable ones, which tell less. */
export interface FeedEvent extends Pick<EventAnswer, 'id' | 'type' | 'recordedAt'> {
  readonly occurredAt?: number | undefined;
  readonly host?: string | undefined;
  /** Left out of what this release cannot read. */
  readonly data?: Readonly<Record<string, unknown>> | undefined;
}

export interface Activity extends Pick<Refusals, 'elsewhere'> {
  readonly events: readonly FeedEvent[];
}

export interface OverviewFigures {
  readonly stats: Stats;
  /** Of the last 24 hours, by the hour. */
  readonly usage: readonly UsageBucket[];
  /** Of the last hour. */
  readonly roundTrips: RoundTrips;
  readonly activity: Activity;
  /** For operators. */
  readonly projections: Projections | null;
}

export interface HistoryPage {
  readonly events: readonly FeedEvent[];
  readonly next?: string | undefined;
}

export interface ClockForecast extends ClockPlace {
  readonly basis: 'history' | 'baseline';
  /** That it is used within the hour, 0–1. */
  readonly probability: number;
  /** The next use is as likely before this as after it. */
  readonly likelyAtMs: number | null;
  /** The first use known, epoch milliseconds. */
  readonly sinceMs: number;
  /** Of each of the 168 hours of a week, from Monday 00:00 UTC, the mean of the weeks. */
  readonly weekUses: readonly number[];
}

export interface ClockForecasts {
  readonly nowMs: number;
  readonly clocks: readonly ClockForecast[];
}

export interface StateAt {
  readonly syncId: string;
  readonly offsetMs: number;
  readonly uncertaintyMs: number;
  readonly referenceClock: string;
  readonly measuredAtMs: number;
  readonly expiresAtMs: number;
  readonly isValid: boolean;
  readonly invalidReason: string | null;
  readonly hitCount: number;
  readonly isUsable: boolean;
}

export interface DeadLetter {
  readonly projection: string;
  readonly eventId: string;
  readonly stream: string;
  readonly eventType: string;
  readonly error: string;
  readonly failedAt: number;
  readonly isForeign: boolean;
}
