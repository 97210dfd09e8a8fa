/** What a simulated exchange remembers of the requests it got: never a key, a query or a signature. */
import type { Exchange } from '../../events/connector.js';
import type { Route } from './knobs.js';

export interface RequestRecord {
  readonly exchange: Exchange;
  readonly method: string;
  readonly path: string;
  readonly route: Route;
  /** The exchange's clock when the request was judged, whole epoch milliseconds. */
  readonly serverTimeMs: number;
  /** The timestamp that was signed. */
  readonly timestampMs: number | undefined;
  readonly isAccepted: boolean;
  /** `0`, the code of the refusal, `HTTP 503`, or `hang`, `reset`, `cut` where there was no whole answer. */
  readonly outcome: string;
}

export interface Counters {
  readonly connections: number;
  readonly requests: number;
  readonly accepted: number;
  readonly refused: number;
  readonly faults: number;
  readonly byRoute: Readonly<Record<Route, number>>;
  readonly byOutcome: Readonly<Record<string, number>>;
}

/** The oldest records go when there are more: a simulator may run for days. */
const MAX_RECORDS = 10_000;

export interface RequestLog {
  connected(): void;
  faulted(): void;
  add(record: RequestRecord): void;
  records(): readonly RequestRecord[];
  counters(): Counters;
}

export function createRequestLog(): RequestLog {
  const records: RequestRecord[] = [];
  const byRoute: Record<Route, number> = { time: 0, verify: 0, funding: 0, order: 0, other: 0 };
  const byOutcome: Record<string, number> = {};
  const counts = { connections: 0, requests: 0, accepted: 0, refused: 0, faults: 0 };
  return {
    connected: () => {
      counts.connections += 1;
    },
    faulted: () => {
      counts.faults += 1;
    },
    add(record) {
      records.push(record);
      if (records.length > MAX_RECORDS) records.shift();
      counts.requests += 1;
      counts[record.isAccepted ? 'accepted' : 'refused'] += 1;
      byRoute[record.route] += 1;
      byOutcome[record.outcome] = (byOutcome[record.outcome] ?? 0) + 1;
    },
    records: () => [...records],
    counters: () => ({ ...counts, byRoute: { ...byRoute }, byOutcome: { ...byOutcome } }),
  };
}
