/** One state in a registry of metrics: what is looked at, and by which questions. Loaded by who exposes it. */
import type { Pool } from 'pg';
import { isConnectorStateError } from '../base/errors.js';
import type { Telemetry } from '../base/telemetry.js';
import { DEFAULT_RANGE, toleranceOf } from '../clock/request-window.js';
import type { EventFeed } from '../feed/event-feed.js';
import type { Projector } from '../projector/projector.js';
import { type ClockOfExchange, clocksOfExchanges, countDeadLetters } from '../read-model/clock-figures.js';
import { addToRegistry, type Registry } from '../telemetry/metrics.js';
import type { ClockFigures, DatabaseFigures, RecorderFigures, Source } from '../telemetry/scraped-metrics.js';

export type { Registry };

export interface ExposedParts {
  readonly pool: Pool;
  /** What it is called; default `lookups`. */
  readonly name?: string | undefined;
  readonly recorder: () => RecorderFigures;
  readonly breaker: () => 'closed' | 'open' | 'half-open';
  /** `undefined`: without a database. */
  readonly projector: (() => Promise<Projector>) | undefined;
  /** `undefined`: the events are kept in the database. */
  readonly outbox: (() => Promise<DatabaseFigures['outbox']>) | undefined;
  /** Where there is one already: nobody opens a feed to count who follows it. */
  readonly feed: () => Promise<EventFeed> | undefined;
}

/** @returns what ends it */
export async function exposeMetrics(
  registry: Registry,
  telemetry: Telemetry,
  parts: ExposedParts,
): Promise<() => void> {
  const { pool, name = LOOKUPS, recorder, breaker, projector } = parts;
  let feed: EventFeed | undefined;
  const source: Source = {
    pools: { [name]: pool },
    recorder,
    ...(name === LOOKUPS && { breaker }),
    followers() {
      void parts.feed()?.then(
        opened => {
          feed = opened;
        },
        () => undefined,
      );
      return feed?.followers ?? 0;
    },
    ...(projector && { database: () => askDatabase(parts, projector) }),
  };
  return addToRegistry(registry, source, telemetry);
}

const LOOKUPS = 'lookups';
const NO_OUTBOX: DatabaseFigures['outbox'] = { waiting: 0, waitingSeconds: 0, dead: 0 };

async function askDatabase(
  { pool, outbox }: ExposedParts,
  projector: () => Promise<Projector>,
): Promise<DatabaseFigures> {
  const [lag, deadLetters, waiting, clocks] = await Promise.all([
    lagOf(projector),
    countDeadLetters(pool),
    outbox?.() ?? NO_OUTBOX,
    clocksOfExchanges(pool),
  ]);
  return { lag, deadLetters, outbox: waiting, clocks: clocks.map(figuresOf) };
}

async function lagOf(projector: () => Promise<Projector>): Promise<DatabaseFigures['lag']> {
  try {
    return await (await projector()).lag();
  } catch (error) {
    if (isConnectorStateError(error, 'PROJECTION_FAILED')) return undefined;
    throw error;
  }
}

function figuresOf(clock: ClockOfExchange): ClockFigures {
  const { exchange, environment, epoch, isContested } = clock;
  return {
    exchange,
    environment,
    epoch,
    isContested,
    offsetSeconds: clock.offsetMs / 1_000,
    boundSeconds: clock.uncertaintyMs / 1_000,
    distanceSeconds: (toleranceOf(DEFAULT_RANGE) - clock.uncertaintyMs) / 1_000,
    driftRatio: clock.ratePpm / 1e6,
    driftBoundRatio: clock.rateBoundPpm / 1e6,
    ttlSeconds: clock.expiresInMs / 1_000,
  };
}
