/**
 * How a state is found: in memory, in the shared tier if there is one, in a read replica if there is one, or in one round
 * trip to the primary that concurrent lookups share.
 *
 * Nothing here throws, and nothing outlasts the lookup's deadline (promise 3): a database that is slow, dead or
 * left alone by the circuit breaker is a miss with a reason, said once in the log when it begins and once when
 * it is over. A miss brings along the exchange's shared clock and the link to the database's clock, because the
 * caller's next step needs them. Where nobody answered, it is the shared clock as this process last read it within the
 * hour, over the link of then: still true, only less certain.
 *
 * Lookups of one connector share one question, unless one asks anew on purpose ({@link StateLookup.ask}). What
 * the database answers is held against what this process itself knows and has not yet read back.
 */

import { withDeadline } from '../base/deadline.js';
import type { Logger } from '../base/logging.js';
import { ContinuityGuard, type HostClock } from '../clock/host-clock.js';
import { linkFromSample, linkToSelf, type ReferenceLink, referenceTimeMs } from '../clock/reference.js';
import type { SharedClock } from '../clock/shared-clock.js';
import type { EventStore } from '../event-store/event-store.js';
import { type ConnectorRef, scopeOf } from '../events/connector.js';
import type { Position } from '../events/event.js';
import { toDatabaseError } from '../postgres/pool.js';
import type { LookupKey, RawClock } from '../read-model/lookup.js';
import type { Gone } from '../shared-tier/listener.js';
import type { Found } from '../shared-tier/reader.js';
import type { SharedLookup, SharedTier } from '../shared-tier/shared-tier.js';
import type { GuardedLookup, LookupAnswer } from './guarded-lookup.js';
import { knowledgeOf } from './knowledge.js';
import type { KnownConnector } from './known-connector.js';
import type { ClockName, LocalClocks } from './local-clocks.js';
import { appliedOffset, type Hit, type Lookup, type Miss, type UsableState } from './lookup.js';
import { LookupTimeoutError } from './lookup-batcher.js';
import type { MemoryTier } from './memory-tier.js';
import { type OffsetState, parseClock } from './offset-state.js';
import { untilReached } from './reached.js';
import type { Replicas } from './replicas.js';
import type { VoidStates } from './void-states.js';
import { isInLog, type LogThere, wantedPlace } from './wanted-place.js';

export interface StateLookupParts {
  /** False where there is none to fail: that was said already. */
  readonly hasDatabase?: boolean;
  readonly batcher: Pick<GuardedLookup['batcher'], 'lookup'>;
  /** Redis, where it is configured. */
  readonly shared?: SharedTier | undefined;
  /** Where they are configured. */
  readonly replicas?: Replicas | undefined;
  /** The last place in the log where this process stored something. */
  readonly storedUpTo?: () => Position | undefined;
  /** The store's, to be had without contacting it. */
  readonly comparePositions: () => Promise<EventStore['compare']>;
  /** What an event store of its own has at a place; left out where the log lies beside the rows. */
  readonly logAt?: ((position: Position) => Promise<LogThere>) | undefined;
  /** A lookup takes no longer, in milliseconds. */
  readonly lookupDeadlineMs: number;
  readonly memory: MemoryTier;
  readonly clocks: LocalClocks;
  readonly voids: VoidStates;
  readonly clock: HostClock;
  readonly log: Logger;
}

/**
 * So long a link is gone by when the database does not answer: 180 ms at the assumed 50 ppm, and still within any
 * exchange's window on a host that drifts by ten times as much.
 */
const LINK_REMEMBERED_MS = 3_600_000;

export class StateLookup {
  readonly #parts: StateLookupParts;
  readonly #memory: MemoryTier;
  readonly #continuity: ContinuityGuard;
  /** No Map: of what was put in and taken out with each lookup its tables keep some until a full collection (local-clocks.ts). */
  readonly #inFlight: Record<string, Promise<Lookup>> = Object.create(null);
  /** To the database's clock, as the last answer showed it; undefined when this host's clock has broken off since. */
  #lastLink: ReferenceLink | undefined;
  #isDatabaseFailing = false;
  /** Counts what others said has become void: an answer that was on its way meanwhile is used once, and not kept. */
  #letGoCount = 0;

  constructor(parts: StateLookupParts) {
    this.#parts = parts;
    this.#memory = parts.memory;
    this.#continuity = new ContinuityGuard(parts.clock);
    parts.shared?.attach(
      () => this.#rememberedLink(parts.clock.now()),
      gone => this.#letGo(gone),
    );
  }

  fromMemory(key: string): Hit | undefined {
    if (!this.#continuity.isUnbroken()) this.#startAnew();
    return this.#memory.get(key);
  }

  /** Each from memory or from others; those that the shared tier has in one pass. */
  async many(connectors: readonly KnownConnector[]): Promise<Lookup[]> {
    const { shared } = this.#parts;
    if (!this.#continuity.isUnbroken()) this.#startAnew();
    const lookups: (Lookup | Promise<Lookup> | undefined)[] = connectors.map(({ key }) =>
      this.#memory.get(key),
    );
    if (shared) {
      const asked = connectors.flatMap((_, i) => (lookups[i] ? [] : [i]));
      const letGoBefore = this.#letGoCount;
      const keys = asked.map(i => connectors[i] as KnownConnector);
      const looked = keys.length > 0 ? await shared.lookup(keys) : [];
      const merged: Merged = new Map();
      for (const [n, i] of asked.entries()) {
        const found = looked[n] as SharedLookup;
        lookups[i] = this.#ofShared(shared, keys[n] as KnownConnector, found, letGoBefore, merged);
      }
    }
    const isAnswered = (lookup: Lookup | Promise<Lookup> | undefined) =>
      lookup !== undefined && 'hit' in lookup;
    if (lookups.every(isAnswered)) return lookups as Lookup[];
    return Promise.all(connectors.map((connector, i) => lookups[i] ?? this.fromOthers(connector)));
  }

  /** Joins the question about this connector that is under way, if there is one. */
  fromOthers(connector: KnownConnector): Promise<Lookup> {
    const { key } = connector;
    this.#inFlight[key] ??= this.#askAll(connector).finally(() => {
      delete this.#inFlight[key];
    });
    return this.#inFlight[key] as Promise<Lookup>;
  }

  /** A question of its own to the database: an answer that was on its way before is not good enough. */
  ask(connector: KnownConnector): Promise<Lookup> {
    return this.#askDatabase(connector);
  }

  async #askAll(connector: KnownConnector): Promise<Lookup> {
    const { shared } = this.#parts;
    if (!shared) return (await this.#askReplica(connector)) ?? this.#askDatabase(connector);
    const letGoBefore = this.#letGoCount;
    const [looked] = await shared.lookup([connector]);
    return this.#ofShared(shared, connector, looked as SharedLookup, letGoBefore);
  }

  /** A thousand promises cost as much as all that is done for them, so a hit has none of its own. */
  #ofShared(
    shared: SharedTier,
    connector: KnownConnector,
    looked: SharedLookup,
    letGoBefore: number,
    merged?: Merged,
  ): Hit | Promise<Lookup> {
    const { found } = looked;
    if (!('answer' in looked)) return this.#askBehind(connector, found);
    const { answer } = looked;
    const lookup = this.#assess(connector, answer, answer.link, 'redis', merged);
    if (!lookup.hit) {
      shared.unusable();
      return this.#askDatabase(connector, found);
    }
    shared.hit();
    if (shared.isListening && letGoBefore === this.#letGoCount) {
      this.#memory.set(connector.key, lookup.state, { isOwn: false, usableForMs: answer.usableForMs });
    }
    return lookup;
  }

  /** What is filled in must be the primary's. */
  async #askBehind(connector: KnownConnector, found: Found | undefined): Promise<Lookup> {
    return (!found && (await this.#askReplica(connector))) || this.#askDatabase(connector, found);
  }

  /** @returns `undefined`: ask the primary */
  async #askReplica(connector: KnownConnector, at?: At): Promise<Hit | undefined> {
    const { replicas, clock, comparePositions, storedUpTo } = this.#parts;
    if (!replicas) return undefined;
    const letGoBefore = this.#letGoCount;
    const own = storedUpTo?.();
    const compare = own === undefined ? undefined : await comparePositions();
    const said = await replicas.lookup(
      { ...keyOf(connector), ...(at && { at: at.key }) },
      {
        known: this.#rememberedLink(clock.now()),
        hasSeenOwn: checkpoint =>
          own === undefined || compare === undefined || isAtLeast(compare, checkpoint, own),
      },
    );
    if (!said) return undefined;
    const lookup = this.#assess(connector, said.answer, said.link, 'postgres');
    if (!lookup.hit || (at && !(await at.isSeenBy(said.answer)))) {
      replicas.unusable();
      return undefined;
    }
    replicas.hit();
    if (letGoBefore === this.#letGoCount) this.#memory.set(connector.key, lookup.state, { isOwn: false });
    return lookup;
  }

  /** @param found what the shared tier missed, to be filled in with the answer */
  async #askDatabase(connector: KnownConnector, found?: Found): Promise<Lookup> {
    const { batcher, shared } = this.#parts;
    const { cacheKey, exchange, environment, scope } = connector;
    const key: LookupKey = { cacheKey, exchange, environment, scope, withOrder: found && true };
    const letGoBefore = this.#letGoCount;
    try {
      const answer = await batcher.lookup(key);
      if (found) shared?.fill(key, found, answer);
      return this.#use(connector, answer, letGoBefore === this.#letGoCount);
    } catch (error) {
      return this.#missWithoutDatabase(connector, error);
    }
  }

  #letGo(gone: Gone): void {
    this.#letGoCount++;
    if (gone === 'everything') this.#memory.clearHeardOf();
    else if ('clock' in gone) this.#memory.clearOf(gone.clock);
    else {
      if (!gone.isValid) this.#parts.voids.heard(gone.syncId);
      this.#memory.replaced(gone.connector, gone);
    }
  }

  /**
   * What the read model says once it has come as far as `position`; its older answer, marked as such, when the
   * deadline ends before. Past memory and the shared tier, which do not know which events they have seen, but
   * for what this process itself recorded. The log must still have the event: rows that come from another one show nothing of it,
   * however far they have come.
   * @throws InvalidInputError when it is no position of this event store
   */
  async atLeast(connector: KnownConnector, wanted: string): Promise<Lookup> {
    const { batcher, comparePositions, lookupDeadlineMs } = this.#parts;
    const compare = await comparePositions();
    const place = wantedPlace(wanted);
    const { position } = place;
    // Here the argument is at fault; below it may be the row.
    compare(position, undefined);
    const logElsewhere =
      this.#parts.logAt && withDeadline(this.#parts.logAt(position), lookupDeadlineMs, () => NOTHING);
    const { key } = connector;
    if (!this.#continuity.isUnbroken()) this.#startAnew();
    const own = this.#memory.own(key);
    const at = { inLog: logElsewhere ? undefined : numberOf(position) };
    const isSeenBy = async (answer: LookupAnswer) =>
      isAtLeast(compare, answer.checkpoint, position) &&
      isInLog(place, logElsewhere ? await logElsewhere : logHere(answer), compare);
    const startedMs = performance.now();
    const ofReplica = own ? undefined : await this.#askReplica(connector, { key: at, isSeenBy });
    if (ofReplica) return ofReplica;
    let result: { answer: { answer: LookupAnswer }; reached: boolean };
    try {
      result = await untilReached(
        async () => {
          const answer = await batcher.lookup({ ...keyOf(connector), at });
          return { answer, isSeen: await isSeenBy(answer) };
        },
        ({ isSeen }) => isSeen,
        Math.max(1, lookupDeadlineMs - (performance.now() - startedMs)),
      );
    } catch (error) {
      return { ...this.#missWithoutDatabase(connector, error), behind: true };
    }
    const {
      answer: { answer },
      reached,
    } = result;
    const marked = (lookup: Hit | Miss): Lookup => (reached ? lookup : { ...lookup, behind: true });
    const found = this.#use(connector, answer);
    const rowAtMs = Number(answer.state?.measuredAtMs ?? Number.NEGATIVE_INFINITY);
    if (own && own.estimate.atMs > rowAtMs) {
      // Nobody but this process knows of it yet.
      this.#memory.set(key, own, { isOwn: true });
      const remembered = this.#memory.get(key);
      if (remembered) return marked(remembered);
    }
    if (!found.hit) this.#memory.delete(key);
    return marked(found);
  }

  #use(connector: KnownConnector, answer: LookupAnswer, isKept = true): Hit | Miss {
    if (this.#isDatabaseFailing) {
      this.#isDatabaseFailing = false;
      this.#parts.log.info({}, 'the database answers again');
    }
    const link = linkFromSample(answer.clockId, answer.sample);
    this.#lastLink = link;
    const lookup = this.#assess(connector, answer, link, 'postgres');
    if (lookup.hit && isKept) this.#memory.set(connector.key, lookup.state, { isOwn: false });
    return lookup;
  }

  /** After a step or a freeze neither the links to the reference clock nor this host's own clock are worth anything. */
  #startAnew(): void {
    this.#memory.clear();
    this.#lastLink = undefined;
    this.#parts.voids.hostClockBroke(this.#parts.clock.now());
  }

  #assess(
    connector: ConnectorRef,
    answer: Pick<LookupAnswer, 'state' | 'clock'>,
    link: ReferenceLink,
    tier: 'redis' | 'postgres',
    merged?: Merged,
  ): Hit | Miss {
    const { clock: hostClock, voids } = this.#parts;
    const hostNowMs = hostClock.now();
    const referenceNowMs = referenceTimeMs(link, hostNowMs);
    const { stored, shared } = this.#clockOf(connector, answer.clock, link, referenceNowMs, merged);
    const known = knowledgeOf(
      { row: answer.state, clock: shared, isVoid: state => voids.isVoid(state) },
      { ref: connector, clockId: link.clockId, hostClockId: hostClock.id, referenceNowMs, hostNowMs },
    );
    const linked = (state: OffsetState): UsableState =>
      withLink(state, state.referenceClock === link.clockId ? link : linkToSelf(hostClock));
    const { own } = known;
    if (typeof own === 'object') return { hit: true, tier, state: linked(own) };
    return {
      hit: false,
      // The sync that follows must say that there is something to heal, be it only the shared clock.
      reason: stored === 'corrupt' ? 'corrupt' : own,
      link,
      exchangeClock: known.shared && linked(known.shared),
      ended: known.ended && linked(known.ended),
      between: known.between && linked(known.between),
    };
  }

  /** The shared clock as the answer has it, and put together with what is known here. */
  #clockOf(
    connector: ConnectorRef,
    raw: RawClock | undefined,
    link: ReferenceLink,
    referenceNowMs: number,
    merged: Merged | undefined,
  ): MergedClock {
    const before = merged?.get(raw);
    if (before?.link === link) return before;
    const stored = parseClock(raw, referenceNowMs);
    const name = clockNameOf(connector, link);
    const shared = this.#parts.clocks.merge(name, stored === 'corrupt' ? undefined : stored);
    const clock = { link, stored, shared };
    merged?.set(raw, clock);
    return clock;
  }

  #missWithoutDatabase(connector: ConnectorRef, error: unknown): Miss {
    const isTimeout = error instanceof LookupTimeoutError;
    if (!this.#isDatabaseFailing && this.#parts.hasDatabase !== false) {
      this.#isDatabaseFailing = true;
      const problem = isTimeout ? error.message : toDatabaseError(error).message;
      this.#parts.log.warn(
        { problem },
        'lookups go on without the database: connectors initialise more slowly',
      );
    }
    // It may have broken off while the answer was waited for.
    if (!this.#continuity.isUnbroken()) this.#startAnew();
    const nowMs = this.#parts.clock.now();
    const last = this.#rememberedLink(nowMs);
    const links = [linkToSelf(this.#parts.clock), ...(last ? [last] : [])];
    const known = links.map(link => this.#remembered(connector, link, nowMs));
    const best = (states: readonly (UsableState | undefined)[]): UsableState | undefined =>
      states
        .filter(state => state !== undefined)
        .sort((a, b) => appliedOffset(a, nowMs).uncertaintyMs - appliedOffset(b, nowMs).uncertaintyMs)[0];
    return {
      hit: false,
      reason: isTimeout ? 'timeout' : 'database',
      link: undefined,
      exchangeClock: best(known.map(({ shared }) => shared)),
      ended: best(known.map(({ ended }) => ended)),
      between: undefined,
    };
  }

  #rememberedLink(nowMs: number): ReferenceLink | undefined {
    const last = this.#lastLink;
    return last && nowMs - last.atMs <= LINK_REMEMBERED_MS ? last : undefined;
  }

  /** What this process knows of the exchange's clock against the clock at the other end of a link. */
  #remembered(connector: ConnectorRef, link: ReferenceLink, hostNowMs: number) {
    const { clock, clocks, voids } = this.#parts;
    const { shared, ended } = knowledgeOf(
      {
        row: undefined,
        clock: clocks.known(clockNameOf(connector, link)),
        isVoid: state => voids.isVoid(state),
      },
      {
        ref: connector,
        clockId: link.clockId,
        hostClockId: clock.id,
        referenceNowMs: referenceTimeMs(link, hostNowMs),
        hostNowMs,
      },
    );
    return { shared: shared && withLink(shared, link), ended: ended && withLink(ended, link) };
  }
}

/** Each by its name: to spread one object into another takes V8 half a microsecond, more than all that is judged of it. */
const withLink = (state: OffsetState, link: ReferenceLink): UsableState => ({
  exchange: state.exchange,
  environment: state.environment,
  scope: state.scope,
  syncId: state.syncId,
  basis: state.basis,
  estimate: state.estimate,
  expiresAtMs: state.expiresAtMs,
  referenceClock: state.referenceClock,
  streamVersion: state.streamVersion,
  link,
});

interface MergedClock {
  readonly link: ReferenceLink;
  readonly stored: SharedClock | 'corrupt' | undefined;
  readonly shared: SharedClock | undefined;
}
/** Of lookups that were answered at once: a thousand connectors share one clock. */
type Merged = Map<RawClock | undefined, MergedClock>;

/** A place in the log, as it is asked about. */
interface At {
  readonly key: { readonly inLog: string | undefined };
  readonly isSeenBy: (answer: LookupAnswer) => Promise<boolean>;
}

const NOTHING: LogThere = {};

/** As PostgreSQL counts them. */
const numberOf = (position: Position): string | undefined => position.split('/')[1];
const logHere = ({ eventId, head }: LookupAnswer): LogThere => ({
  eventId,
  head: head === undefined ? undefined : (`pg/${head}` as Position),
});

const keyOf = ({ cacheKey, exchange, environment, scope }: KnownConnector) => ({
  cacheKey,
  exchange,
  environment,
  scope,
});

/** A checkpoint that is not this store's says nothing about how far the rows have come. */
function isAtLeast(
  compare: EventStore['compare'],
  checkpoint: Position | undefined,
  atLeast: Position,
): boolean {
  try {
    return compare(checkpoint, atLeast) >= 0;
  } catch {
    return false;
  }
}

const clockNameOf = (connector: ConnectorRef, { clockId }: ReferenceLink): ClockName => ({
  exchange: connector.exchange,
  environment: connector.environment,
  scope: scopeOf(connector),
  referenceClock: clockId,
});
