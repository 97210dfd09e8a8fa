/** What the service answers, as far as the dashboard shows it. Times are epoch milliseconds, offsets milliseconds. */

export const EXCHANGE_ENVIRONMENTS = {
  exchanges: ['BYBIT', 'BINGX'],
  environments: ['MAINNET', 'TESTNET'],
} as const;

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
  readonly projectionLag:
    | { readonly events: number; readonly seconds: number }
    | { readonly unknown: string };
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

export interface Samples {
  readonly samples: readonly Sample[];
  /** How many there are; more than are listed: every so manieth is. */
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
  readonly toleranceMs: number;
  readonly refusals: readonly Refusal[];
}

export interface UsageBucket extends Omit<ClockPlace, 'scope'> {
  readonly startMs: number;
  readonly hits: number;
  readonly staleHits: number;
  readonly misses: number;
  readonly hitsMemory: number;
  readonly hitsRedis: number;
  readonly hitsPostgres: number;
  readonly hitsExchangeClock: number;
  readonly syncs: number;
  readonly syncFailures: number;
  readonly timestampRefusals: number;
  readonly otherRefusals: number;
  readonly lateRequests: number;
  readonly unreachable: number;
  readonly invalidations: number;
}

export interface ConnectorRow extends ClockPlace {
  readonly userId: string;
  readonly credentialId: string;
  readonly status: 'valid' | 'expired' | 'invalid';
  readonly offsetMs: number;
  readonly uncertaintyMs: number;
  readonly measuredAtMs: number;
  readonly expiresAtMs: number;
  readonly basis: string;
  readonly hitCount: number;
}

export interface ConnectorPage {
  readonly connectors: readonly ConnectorRow[];
  readonly next?: string;
}

export interface FeedEvent {
  readonly id: string;
  readonly type: string;
  readonly recordedAt: number;
  readonly occurredAt?: number;
  readonly host?: string;
  /** Left out of what this release cannot read. */
  readonly data?: Readonly<Record<string, unknown>> | undefined;
}

export interface HistoryPage {
  readonly events: readonly FeedEvent[];
  readonly next?: string;
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

export interface Progress {
  readonly position?: string;
  readonly events: number;
  readonly seconds: number;
  readonly deadLetters: number;
}

export interface Projections extends Progress {
  readonly projections: readonly (Progress & { readonly name: string })[];
}

export interface Job {
  readonly id: string;
  readonly kind: string;
  readonly by: string;
  readonly startedAtMs: number;
  readonly state: 'running' | 'done' | 'failed';
  readonly progress: { readonly done: number; readonly total: number } | null;
  readonly endedAtMs: number | null;
  readonly error: { readonly code: string | null; readonly detail: string } | null;
}

export interface DeadLetter {
  readonly projection: string;
  readonly eventId: string;
  readonly stream: string;
  readonly eventType: string;
  readonly error: string;
  readonly failedAt: number;
}
