/**
 * What is looked at when somebody scrapes: the recorder, the pools and the breaker of this process, and, by a few queries
 * that all scrapes of some seconds share, the projector's lag, the outbox and the exchanges' clocks.
 *
 * A scrape never fails and never waits longer than {@link SNAPSHOT_DEADLINE_MS}: a database that does not answer shows as
 * `connector_state_database_up 0`, and its gauges are left out, for an old figure would pass for a new one.
 */
import type { Gauge, Registry } from 'prom-client';
import { withDeadline } from '../base/deadline.js';

type Prometheus = typeof import('prom-client');

export interface RecorderFigures {
  readonly pending: number;
  readonly recorded: number;
  readonly appended: number;
  readonly droppedHits: number;
  readonly droppedFacts: number;
  readonly rejected: number;
  readonly flushFailures: number;
}

export interface PoolFigures {
  readonly totalCount: number;
  readonly idleCount: number;
  readonly waitingCount: number;
}

export interface ClockFigures {
  readonly exchange: string;
  readonly environment: string;
  readonly offsetSeconds: number;
  readonly boundSeconds: number;
  readonly distanceSeconds: number;
  readonly driftRatio: number;
  readonly driftBoundRatio: number;
  readonly ttlSeconds: number;
  readonly epoch: number;
  readonly isContested: boolean;
}

export interface DatabaseFigures {
  /** `undefined`: the log is not the one that the tables were made from, and nothing is projected. */
  readonly lag: { readonly events: number; readonly seconds: number } | undefined;
  readonly deadLetters: number;
  readonly outbox: { readonly waiting: number; readonly waitingSeconds: number; readonly dead: number };
  readonly clocks: readonly ClockFigures[];
}

/** One state of this process, or what else has connections. */
export interface Source {
  readonly pools: Readonly<Record<string, PoolFigures>>;
  readonly recorder?: () => RecorderFigures;
  readonly breaker?: () => 'closed' | 'open' | 'half-open';
  /** @throws when the database does not answer */
  readonly database?: () => Promise<DatabaseFigures>;
  readonly followers?: () => number;
}

export const SNAPSHOT_DEADLINE_MS = 2_000;
/** Prometheus asks every 15 s or so; several of them share. */
const SNAPSHOT_AGE_MS = 1_000;

/** @param sources may change; whoever ends takes his away */
export function addScrapedMetrics(
  { Gauge, Counter }: Prometheus,
  registry: Registry,
  sources: ReadonlySet<Source>,
): void {
  const registers = [registry];
  const sum = (of: (source: Source) => number | undefined) => () =>
    [...sources].reduce((total, source) => total + (of(source) ?? 0), 0);

  function gauge(name: string, help: string, value: () => number): void {
    new Gauge({
      name: `connector_state_${name}`,
      help,
      registers,
      collect() {
        this.set(value());
      },
    });
  }
  function counter(name: string, help: string, value: () => number): void {
    new Counter({
      name: `connector_state_${name}`,
      help,
      registers,
      collect() {
        this.reset();
        this.inc(value());
      },
    });
  }

  const recorded = (field: keyof RecorderFigures) => sum(({ recorder }) => recorder?.()[field]);
  gauge('recorder_pending', 'Facts that wait in this process to be stored.', recorded('pending'));
  counter('recorder_appended_total', 'Events stored by this process.', recorded('appended'));
  counter(
    'recorder_flush_failures_total',
    'Flushes that the event store did not take; retried.',
    recorded('flushFailures'),
  );
  counter('recorder_rejected_total', 'Facts that no event store would take, dropped.', recorded('rejected'));
  new Counter({
    name: 'connector_state_recorder_dropped_total',
    help: 'What was dropped because too much waited: hits first, then facts.',
    labelNames: ['kind'],
    registers,
    collect() {
      this.reset();
      this.inc({ kind: 'hits' }, recorded('droppedHits')());
      this.inc({ kind: 'facts' }, recorded('droppedFacts')());
    },
  });
  gauge(
    'feed_followers',
    'Who follows the live feed in this process.',
    sum(({ followers }) => followers?.()),
  );

  new Gauge({
    name: 'connector_state_pool_connections',
    help: 'Connections to the database, by the pool and whether they are in use.',
    labelNames: ['pool', 'state'],
    registers,
    collect() {
      this.reset();
      for (const { pools } of sources) {
        for (const [pool, { totalCount, idleCount }] of Object.entries(pools)) {
          this.inc({ pool, state: 'idle' }, idleCount);
          this.inc({ pool, state: 'busy' }, totalCount - idleCount);
        }
      }
    },
  });
  new Gauge({
    name: 'connector_state_pool_waiting',
    help: 'Who waits for a connection, by the pool.',
    labelNames: ['pool'],
    registers,
    collect() {
      this.reset();
      for (const { pools } of sources) {
        for (const [pool, { waitingCount }] of Object.entries(pools)) this.inc({ pool }, waitingCount);
      }
    },
  });
  new Gauge({
    name: 'connector_state_breaker_state',
    help: '1 for the state that the circuit breaker of lookups is in.',
    labelNames: ['state'],
    registers,
    collect() {
      for (const state of ['closed', 'half-open', 'open'] as const) {
        this.set({ state }, [...sources].filter(({ breaker }) => breaker?.() === state).length);
      }
    },
  });

  addDatabaseGauges(Gauge, registry, sources);
}

function addDatabaseGauges(
  GaugeClass: Prometheus['Gauge'],
  registry: Registry,
  sources: ReadonlySet<Source>,
): void {
  const snapshot = sharedSnapshot(sources);

  function gauge<L extends string>(
    name: string,
    help: string,
    labelNames: readonly L[],
    set: (of: Gauge<L>, figures: DatabaseFigures) => void,
  ): void {
    new GaugeClass({
      name: `connector_state_${name}`,
      help,
      labelNames: [...labelNames],
      registers: [registry],
      async collect() {
        const figures = await snapshot();
        // Without labels a reset would leave a zero.
        if (labelNames.length > 0) this.reset();
        else this.remove();
        if (figures) set(this, figures);
      },
    });
  }
  const plain = (name: string, help: string, of: (figures: DatabaseFigures) => number | undefined) =>
    gauge(name, help, [], (metric, figures) => {
      const value = of(figures);
      if (value !== undefined) metric.set({}, value);
    });
  const clock = (name: string, help: string, of: (figures: ClockFigures) => number) =>
    gauge(name, help, ['exchange', 'environment'], (metric, { clocks }) => {
      for (const each of clocks) {
        metric.set({ exchange: each.exchange, environment: each.environment }, of(each));
      }
    });

  new GaugeClass({
    name: 'connector_state_database_up',
    help: '1 while the database answers the questions of a scrape in time.',
    registers: [registry],
    async collect() {
      this.set((await snapshot()) ? 1 : 0);
    },
  });
  plain(
    'projector_lag_events',
    'Events that the read tables have not applied yet.',
    ({ lag }) => lag?.events,
  );
  plain(
    'projector_lag_seconds',
    'Age of the oldest event that the read tables have not applied.',
    ({ lag }) => lag?.seconds,
  );
  plain(
    'projector_stopped',
    '1: the log is not the one that the read tables were made from, and nothing is projected until that is decided.',
    ({ lag }) => (lag ? 0 : 1),
  );
  plain('dead_letters', 'Events that no fold could take.', ({ deadLetters }) => deadLetters);
  plain(
    'outbox_waiting',
    'Events that wait in the outbox for an event store of its own.',
    ({ outbox }) => outbox.waiting,
  );
  plain(
    'outbox_waiting_seconds',
    'How long the oldest event has waited in the outbox.',
    ({ outbox }) => outbox.waitingSeconds,
  );
  plain(
    'outbox_dead',
    'Events in the outbox that the event store called invalid, or that were set aside.',
    ({ outbox }) => outbox.dead,
  );

  clock('clock_offset_seconds', 'Exchange minus database clock.', ({ offsetSeconds }) => offsetSeconds);
  clock(
    'clock_offset_bound_seconds',
    'The error of the offset is at most this.',
    ({ boundSeconds }) => boundSeconds,
  );
  clock(
    'clock_distance_to_refusal_seconds',
    'How much larger the error may become before a request of the worst usual latency (2 s) is refused.',
    ({ distanceSeconds }) => distanceSeconds,
  );
  clock(
    'clock_drift_ratio',
    'How fast the offset moves, seconds a second; times 1e6: ppm.',
    ({ driftRatio }) => driftRatio,
  );
  clock(
    'clock_drift_bound_ratio',
    'The error of the drift is at most this.',
    ({ driftBoundRatio }) => driftBoundRatio,
  );
  clock(
    'clock_ttl_seconds',
    'Until the shared clock ends, unless a measurement extends it; below 0: it has ended.',
    ({ ttlSeconds }) => ttlSeconds,
  );
  clock('clock_epoch', 'Counts the steps of the exchange clock, from 1.', ({ epoch }) => epoch);
  clock(
    'clock_contested',
    '1 while a host contradicts the shared clock and nobody has decided.',
    ({ isContested }) => (isContested ? 1 : 0),
  );
}

/** Of the first source that has a database; one look for all gauges of a scrape. */
function sharedSnapshot(sources: ReadonlySet<Source>): () => Promise<DatabaseFigures | undefined> {
  let taken: { readonly atMs: number; readonly figures: Promise<DatabaseFigures | undefined> } | undefined;
  return () => {
    const nowMs = performance.now();
    if (taken && nowMs - taken.atMs < SNAPSHOT_AGE_MS) return taken.figures;
    const ask = [...sources].find(({ database }) => database)?.database;
    const figures: Promise<DatabaseFigures | undefined> = ask
      ? withDeadline(
          ask().catch(() => undefined),
          SNAPSHOT_DEADLINE_MS,
          () => undefined,
        )
      : Promise.resolve(undefined);
    taken = { atMs: nowMs, figures };
    return figures;
  };
}
