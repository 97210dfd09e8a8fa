/**
 * What operators ask of the cache: throw one state away, clean up, count, look back.
 *
 * Unlike a lookup these fail aloud when the database does, and take the time that its queries take. What this
 * process has recorded itself is stored first, so that it is counted, cleaned up and listed too; but that wait is
 * bounded, for an event store that swallows every byte would otherwise hold a command far longer than the queries
 * it came for. What an answer must rest on, the fact that the command itself recorded, is an error when it was
 * not stored by then.
 */
import type { Pool } from 'pg';
import { ConnectorStateError, InvalidInputError } from '../base/errors.js';
import type { Logger } from '../base/logging.js';
import { shown } from '../base/shown.js';
import type { HostClock } from '../clock/host-clock.js';
import { linkToSelf } from '../clock/reference.js';
import type { SampleProblem } from '../clock/sample-check.js';
import type { EventStore } from '../event-store/event-store.js';
import {
  type ConnectorRef,
  type CredentialRef,
  cacheKeyOf,
  parseConnectorRef,
  parseId,
} from '../events/connector.js';
import { toDatabaseError } from '../postgres/pool.js';
import {
  type ClockPlace,
  distrustedHosts,
  knownClocks,
  type SharedClockSummary,
  sharedClocks,
} from '../read-model/clock-queries.js';
import {
  countExpired,
  countStates,
  countUsage,
  currentSync,
  type StateCounts,
  stateInDetail,
  type UsageCounts,
} from '../read-model/queries.js';
import type { SharedTierStats } from '../shared-tier/shared-tier.js';
import type { Explanation } from './explanation.js';
import { cleanedFact, distrustedFact, type HostInDoubt } from './facts.js';
import { type HistoryEntry, readHistory } from './history.js';
import type { HistoryOptions, HistoryPage } from './history-page.js';
import type { UsableState } from './lookup.js';
import { namesItsSync } from './offset-state.js';
import type { Recorder, RecorderStats } from './recorder.js';
import type { ReplicasStats } from './replicas.js';

export interface UpkeepParts {
  readonly pool: Pool;
  /** Resolves when the tables are there, or are not going to be. Never rejects. Left out: they are. */
  readonly ready?: () => Promise<void>;
  readonly recorder: Recorder;
  readonly store: () => Promise<EventStore>;
  readonly outbox: () => Promise<OutboxFigures>;
  readonly clock: HostClock;
  readonly log: Logger;
}

/** What waits for an event store of its own, of all processes; all 0 where the events are in the database. */
export interface OutboxFigures {
  /** Events. */
  readonly waiting: number;
  /** How long the oldest has. */
  readonly waitingSeconds: number;
  /** Events that the event store called invalid, or that were set aside. */
  readonly dead: number;
}

export interface CacheStats extends StateCounts, UsageCounts {
  /** hits / (hits + misses), 0 to 1; 0 while nothing was looked up. A miss is a lookup that led to a sync. */
  readonly hitRate: number;
  /** The exchanges' clocks that all connectors share, against the database's clock. */
  readonly clocks: readonly SharedClockSummary[];
  readonly outbox: OutboxFigures;
  /** Of this process only. */
  readonly recorder: RecorderStats;
  /** Server times that this process did not believe, by the reason; reasons that did not occur are left out. */
  readonly badSamples: Readonly<Partial<Record<SampleProblem, number>>>;
  /** The shared tier as this process met it, where there is one. */
  readonly redis?: SharedTierStats;
  /** The read replicas as this process met them, where there are any. */
  readonly replicas?: ReplicasStats;
}

/** Below the time that a connection attempt is given, and a tenth of a query's. */
const FLUSH_MS = 3_000;
/** Figures are no worse for what was recorded a moment ago, and a monitor asks for them often. */
const STATS_FLUSH_MS = 1_000;

/** @throws InvalidInputError for malformed ids */
export const parseCredential = (userId: string, credentialId: string): CredentialRef => ({
  userId: parseId('userId', userId),
  credentialId: parseId('credentialId', credentialId),
});

/** @param condemn records the condemnation; called once, with the state that rests on the row's sync */
export async function invalidateCurrent(
  parts: UpkeepParts,
  credential: CredentialRef,
  condemn: (connector: ConnectorRef, state: UsableState) => void,
): Promise<{ syncId: string } | undefined> {
  await parts.recorder.flush(FLUSH_MS);
  const row = await asking(parts, () => currentSync(parts.pool, cacheKeyOf(credential)));
  // A row that no lookup would believe is no state: there is nothing in it to condemn, and the next sync heals it.
  if (!row || !namesItsSync(row)) return undefined;
  const { exchange, environment, scope, syncId, referenceClock, measuredAtMs } = row;
  const connector = parseConnectorRef({ ...credential, exchange, environment, scope } as ConnectorRef);
  condemn(connector, {
    exchange: connector.exchange,
    environment: connector.environment,
    scope: connector.scope,
    syncId,
    basis: 'measured',
    estimate: { offsetMs: 0, uncertaintyMs: 0, atMs: measuredAtMs },
    expiresAtMs: measuredAtMs,
    referenceClock,
    link: linkToSelf(parts.clock),
  });
  await flushOrThrow(parts.recorder);
  return { syncId };
}

export async function cleanUpExpired(parts: UpkeepParts, by: string): Promise<number> {
  checkBy(by);
  const { pool, recorder, log } = parts;
  await recorder.flush(FLUSH_MS);
  const { cutoffMs, expired } = await asking(parts, () => countExpired(pool));
  if (expired === 0) return 0;
  recorder.record(cleanedFact(cutoffMs, by));
  await flushOrThrow(recorder);
  log.info({ removed: expired }, `[ConnectorStateCache] Removed ${expired} expired states`);
  return expired;
}

/** @throws InvalidInputError for a host or login that no witness can have */
export async function distrustWitness(parts: UpkeepParts, host: HostInDoubt, by: string): Promise<number> {
  checkHost(host);
  checkBy(by);
  const { pool, recorder, log } = parts;
  await recorder.flush(FLUSH_MS);
  const clocks = await asking(parts, () => knownClocks(pool));
  if (clocks.length === 0) return 0;
  for (const clock of clocks) recorder.record(distrustedFact(clock, host, by));
  await flushOrThrow(recorder);
  const said = host.undo ? 'is believed again' : 'is not believed any more';
  log.warn({ ...host, clocks: clocks.length }, `[ConnectorStateCache] ${host.host} ${said}`);
  return clocks.length;
}

/**
 * A clock that nobody has measured yet, of a new scope or after a failover, learns whom operators do not believe. Said by
 * whoever measures it first, and twice by two of them, which is once.
 */
export async function carryDistrust({ pool, recorder, log }: UpkeepParts, clock: ClockPlace): Promise<void> {
  try {
    for (const host of await distrustedHosts(pool)) {
      recorder.record(distrustedFact(clock, host, 'carried over to a clock that is new'));
    }
  } catch (error) {
    log.debug(
      { problem: toDatabaseError(error).message },
      'whom to distrust of a new clock could not be asked',
    );
  }
}

/** @throws InvalidInputError */
export function checkBy(by: unknown): asserts by is string {
  if (typeof by !== 'string')
    throw new InvalidInputError(`by must be a text that says who, got ${shown(by)}`);
}

/** What can be stored, and cannot be mistaken on a terminal. */
const NAME = /^[^\p{Cc}\p{Surrogate}]{1,200}$/u;

function checkHost(given: HostInDoubt): void {
  const { host, login, sinceMs, undo } = given ?? {};
  if (typeof host !== 'string' || host.length > 200 || host.includes('/') || !NAME.test(host)) {
    throw new InvalidInputError(
      `host must be a machine's name of 1 to 200 characters without a slash or a control character, got ${shown(host)}: what stands before a slash is the login`,
    );
  }
  if (login !== undefined && (typeof login !== 'string' || login.length > 200 || !NAME.test(login))) {
    throw new InvalidInputError(
      `login must have 1 to 200 characters without a control character, got ${shown(login)}: leave it out for any login`,
    );
  }
  if (undo !== undefined && typeof undo !== 'boolean') {
    throw new InvalidInputError(`undo must be true, false or left out, got ${shown(undo)}`);
  }
  if (sinceMs === undefined) return;
  if (typeof sinceMs !== 'number' || !(sinceMs >= Date.UTC(2000) && sinceMs < Date.UTC(2100)) || undo) {
    throw new InvalidInputError(
      `since must be a time between 2000 and 2100, and has no meaning with undo, got ${shown(sinceMs)}: leave it out`,
    );
  }
}

export async function readStats(parts: UpkeepParts): Promise<Omit<CacheStats, 'badSamples'>> {
  const { pool, recorder, outbox } = parts;
  await recorder.flush(STATS_FLUSH_MS);
  const [states, usage, clocks, { waiting, waitingSeconds, dead }] = await asking(parts, () =>
    Promise.all([countStates(pool), countUsage(pool), sharedClocks(pool), outbox()]),
  );
  const lookups = usage.totalHits + usage.totalMisses;
  const hitRate = lookups === 0 ? 0 : usage.totalHits / lookups;
  const figures = { hitRate, clocks, outbox: { waiting, waitingSeconds, dead }, recorder: recorder.stats() };
  return { ...states, ...usage, ...figures };
}

export async function readAuditTrail(
  { recorder, store }: UpkeepParts,
  credential: CredentialRef,
): Promise<HistoryEntry[]> {
  await recorder.flush(FLUSH_MS);
  return readHistory(await store(), credential);
}

/** What this process recorded is flushed before the first page; later pages go on from a place. */
export async function readAuditPage(
  { recorder, store }: UpkeepParts,
  credential: CredentialRef,
  options: HistoryOptions,
): Promise<HistoryPage> {
  const { readHistoryPage } = await import('./history-page.js');
  if (options.cursor === undefined) await recorder.flush(FLUSH_MS);
  return readHistoryPage(await store(), credential, options);
}

export async function explainState(
  parts: UpkeepParts,
  credential: CredentialRef,
): Promise<Explanation | undefined> {
  const { explanationOf } = await import('./explanation.js');
  const history = await readAuditTrail(parts, credential);
  const row = await asking(parts, () => stateInDetail(parts.pool, cacheKeyOf(credential)));
  return row && explanationOf(row, history);
}

async function flushOrThrow(recorder: Recorder): Promise<void> {
  const { ok, lost, unprojected } = await recorder.flush(FLUSH_MS);
  if (ok) return;
  if (unprojected !== undefined && lost === 0) {
    throw new ConnectorStateError(
      'PROJECTION_FAILED',
      `the fact is stored, and the read tables do not show it yet: ${unprojected}`,
    );
  }
  const why = lost > 0 ? 'refused it, see the log' : 'did not take the fact; it stays pending';
  throw toDatabaseError(new Error(`the event store ${why}`));
}

async function asking<T>({ ready }: UpkeepParts, query: () => Promise<T>): Promise<T> {
  await ready?.();
  try {
    return await query();
  } catch (error) {
    throw toDatabaseError(error);
  }
}
