/**
 * What operators ask of one connector's state, or of all: throw it away, clean up, distrust a machine, look back.
 *
 * The half of the cache that no init goes through. Each question is answered in upkeep.ts; here it gets its public
 * name, and what was given is checked.
 */
import { InvalidInputError } from '../base/errors.js';
import { shown } from '../base/shown.js';
import type { InvalidationReason } from '../events/catalogue.js';
import type { ConnectorRef, CredentialRef } from '../events/connector.js';
import { type CredentialArguments, credentialOf } from './credential-arguments.js';
import type { Explanation } from './explanation.js';
import type { HostInDoubt } from './facts.js';
import { eachOf, type HistoryEntry, type StateAt, stateAtTime } from './history.js';
import type { HistoryOptions, HistoryPage } from './history-page.js';
import type { UsableState } from './lookup.js';
import type { RecordedFact } from './pending-facts.js';
import {
  checkBy,
  cleanUpExpired,
  distrustWitness,
  explainState,
  invalidateCurrent,
  readAuditPage,
  readAuditTrail,
  type UpkeepParts,
} from './upkeep.js';

/** The operators' half of `ConnectorStateCacheService`. */
export abstract class StateOperations {
  /**
   * @throws ConnectorStateError `CLOSED`
   * @internal
   */
  protected abstract open(): UpkeepParts;

  /** @internal */
  abstract condemn(
    ref: ConnectorRef,
    state: UsableState,
    reason: InvalidationReason,
    by: string,
  ): RecordedFact;

  /**
   * Makes one connector start from something else: condemns the sync its row holds now, and stores that at once.
   * Its next init uses the exchange's shared clock if that rests on another measurement, and syncs otherwise.
   * @returns the condemned sync, or `undefined` when there is no state, or a corrupt one
   * @throws InvalidInputError for malformed ids; ConnectorStateError `DATABASE_UNAVAILABLE`, also when the event
   *   store did not take the condemnation within 3 s: it holds for this process then, and stays pending
   */
  async invalidate(ref: CredentialRef, by?: string): Promise<{ syncId: string } | undefined>;
  /** @deprecated name the connector by a ref */
  async invalidate(
    userId: string,
    credentialId: string,
    by?: string,
  ): Promise<{ syncId: string } | undefined>;
  async invalidate(
    ...given: CredentialArguments<[by?: string | undefined]>
  ): Promise<{ syncId: string } | undefined> {
    const [credential, by = 'operator'] = credentialOf(given);
    checkBy(by);
    return invalidateCurrent(this.open(), credential, (connector, state) =>
      this.condemn(connector, state, 'manual', by),
    );
  }

  /**
   * Removes the states that have ended, by the database's clock.
   * @returns how many
   * @throws ConnectorStateError `DATABASE_UNAVAILABLE`, also when the event store did not take the fact within 3 s
   */
  async cleanupExpired(by = 'service'): Promise<number> {
    return cleanUpExpired(this.open(), by);
  }

  /**
   * Believes no more what one machine says of the exchanges' clocks, or does so again (`undo`): for every shared clock that
   * is known now. With `sinceMs` (epoch milliseconds) whatever was measured from then on is measured anew, by whom it was.
   * @returns of how many clocks
   * @throws InvalidInputError; ConnectorStateError `DATABASE_UNAVAILABLE`, also when the event store did not take the
   *   facts within 3 s
   */
  async distrust(host: HostInDoubt, by = 'operator'): Promise<number> {
    return distrustWitness(this.open(), host, by);
  }

  /**
   * The audit trail of one connector: every fact, oldest first. What this process recorded is in it unless the
   * event store did not take it within 3 s.
   * @throws InvalidInputError for malformed ids; ConnectorStateError when the store cannot be read
   */
  async history(ref: CredentialRef): Promise<HistoryEntry[]>;
  /** @deprecated name the connector by a ref */
  async history(userId: string, credentialId: string): Promise<HistoryEntry[]>;
  async history(...given: CredentialArguments<[]>): Promise<HistoryEntry[]> {
    const [credential] = credentialOf(given);
    return readAuditTrail(this.open(), credential);
  }

  /**
   * A page of the audit trail: for the newest facts, for those since a time, and for trails that are long.
   * @example
   * const { events, next } = await cache.historyPage(connector.ref, { newestFirst: true, limit: 50 });
   * const older = next && (await cache.historyPage(connector.ref, { newestFirst: true, limit: 50, cursor: next }));
   * @throws InvalidInputError for malformed ids, limit (1–10 000), time or cursor; ConnectorStateError when the store
   *   cannot be read
   */
  async historyPage(ref: CredentialRef, options?: HistoryOptions): Promise<HistoryPage>;
  /** @deprecated name the connector by a ref */
  async historyPage(userId: string, credentialId: string, options?: HistoryOptions): Promise<HistoryPage>;
  async historyPage(
    ...given: CredentialArguments<[options?: HistoryOptions | undefined]>
  ): Promise<HistoryPage> {
    const [credential, options] = credentialOf(given);
    return readAuditPage(this.open(), credential, options ?? {});
  }

  /**
   * The audit trail as a stream of facts that holds one page in memory.
   * @example
   * for await (const event of cache.historyStream(connector.ref, { since: Date.now() - 86_400_000 })) …
   * @throws as {@link historyPage}, while it is iterated
   */
  historyStream(ref: CredentialRef, options?: Omit<HistoryOptions, 'cursor'>): AsyncIterable<HistoryEntry>;
  /** @deprecated name the connector by a ref */
  historyStream(
    userId: string,
    credentialId: string,
    options?: Omit<HistoryOptions, 'cursor'>,
  ): AsyncIterable<HistoryEntry>;
  historyStream(
    ...given: CredentialArguments<[options?: Omit<HistoryOptions, 'cursor'> | undefined]>
  ): AsyncIterable<HistoryEntry> {
    const [credential, options = {}] = credentialOf(given);
    return eachOf(cursor => this.historyPage(credential, { ...options, cursor }));
  }

  /**
   * The state as the store knew it at a time (by the store's clock).
   * @returns `undefined` when there was none
   * @throws InvalidInputError for malformed ids or time; ConnectorStateError when the store cannot be read
   */
  async stateAt(ref: CredentialRef, time: Date | number): Promise<StateAt | undefined>;
  /** @deprecated name the connector by a ref */
  async stateAt(userId: string, credentialId: string, time: Date | number): Promise<StateAt | undefined>;
  async stateAt(...given: CredentialArguments<[time: Date | number]>): Promise<StateAt | undefined> {
    const [credential, time] = credentialOf(given);
    const timeMs = time instanceof Date ? time.getTime() : time;
    if (typeof timeMs !== 'number' || !Number.isFinite(timeMs))
      throw new InvalidInputError(`time must be a Date or epoch milliseconds, got ${shown(time)}`);
    return stateAtTime(await this.history(credential), timeMs);
  }

  /**
   * Why the connector has the offset it has, why it is kept for so long, and when that ends.
   * @returns `undefined` when it has no state
   * @throws InvalidInputError for malformed ids; ConnectorStateError when database or event store cannot be read
   */
  async explain(ref: CredentialRef): Promise<Explanation | undefined>;
  /** @deprecated name the connector by a ref */
  async explain(userId: string, credentialId: string): Promise<Explanation | undefined>;
  async explain(...given: CredentialArguments<[]>): Promise<Explanation | undefined> {
    const [credential] = credentialOf(given);
    return explainState(this.open(), credential);
  }
}
