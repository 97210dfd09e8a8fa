/**
 * The tier between memory and PostgreSQL that all processes share, put together.
 *
 *   lookup ──► a value, its server's clock and link in order ──► the answer
 *        └──► anything else ──► a miss with a reason; PostgreSQL is asked, and what it says is filled in
 *
 * It is a tier and never a source: whatever it does not know, cannot say in time or says in a way that is not in order is
 * asked of PostgreSQL, and nothing here throws. A circuit breaker of its own leaves a failing Redis alone.
 *
 * What could not be written is written later: {@link SharedTier.publish} reads the rows anew each time, so that only the
 * keys wait, and of them only as many as fit. Should a process end before, or Redis lose what it was told, then an older
 * value is used until its life ends.
 */
import { withDeadline } from '../base/deadline.js';
import type { Logger } from '../base/logging.js';
import type { ReferenceLink } from '../clock/reference.js';
import type { LookupKey } from '../read-model/lookup.js';
import type { RedisConnections } from './connections.js';
import { connectorNameOf, type Keys, type SharedKey } from './keys.js';
import { LEASE_LIFE_MS, type Lease, takeLease } from './lease.js';
import { type Gone, type Listener, listen } from './listener.js';
import { uuidBytes } from './packed.js';
import { type Found, find, type ReaderParts, type SharedAnswer, type SharedMiss } from './reader.js';
import { CONDEMN, FORGET } from './scripts.js';
import { type RedisTrouble, Troubles, type TroubleWith, WriteRefused } from './trouble.js';
import {
  type DatabaseAnswer,
  FORGOTTEN_FOR_MS,
  fill,
  goneMessage,
  Interrupted,
  publish,
  type WriterParts,
} from './writer.js';

export interface SharedTierOptions {
  readonly connections: RedisConnections;
  readonly keys: Keys;
  readonly log: Logger;
  readonly now: () => number;
  readonly wall: () => number;
  /** Values are asked for again in PostgreSQL after this. */
  readonly lifeMs: number;
  /** So long PostgreSQL may take to answer a lookup that missed here. */
  readonly lookupDeadlineMs: number;
  /** Batched, with a deadline, behind a breaker. */
  readonly guard: (query: (groups: readonly Group[]) => Promise<readonly (readonly Found[])[]>) => Lookups;
  /** The primary's rows, with their order. */
  readonly database: (keys: readonly LookupKey[]) => Promise<readonly DatabaseAnswer[]>;
}

/** `undefined`: it is the shared clock. */
interface ForgottenKey {
  readonly cacheKey: string | undefined;
}

/** Asked for together. */
type Group = readonly SharedKey[];
interface Lookups {
  lookup(group: Group): Promise<readonly Found[]>;
  close(): void;
}

export type SharedLookup =
  | { readonly answer: SharedAnswer; readonly found: Found }
  | { readonly reason: SharedMiss | 'unreachable'; readonly found?: Found };

export interface SharedTierStats {
  readonly hits: number;
  /** By reason; reasons that did not occur are left out. */
  readonly misses: Readonly<Partial<Record<SharedMiss | 'unreachable' | 'unusable', number>>>;
  /** Keys that wait to be written. */
  readonly waiting: number;
  /** Whether this process hears at once what others say has become void. */
  readonly isListening: boolean;
  /** What does not work, why, and what helps; empty while all does. */
  readonly troubles: readonly (RedisTrouble & { readonly with: TroubleWith })[];
}

/** So long it takes at most to write what PostgreSQL has answered. */
const FILLED_IN_MS = 250;
/** A flush waits so long for what it projected to be there. */
const PUBLISH_PATIENCE_MS = 250;
/** Nobody waits for it but who rebuilds. */
const FORGET_PATIENCE_MS = 30_000;
const EVERYTHING = 'everything';
const BEGINNINGS: Readonly<Record<TroubleWith, string>> = {
  lookups: 'lookups go on without Redis: PostgreSQL answers',
  writes: 'Redis does not take what is to be written: it is tried again',
  invalidations:
    'what other processes say has become void is not heard: of what Redis answers nothing is kept in memory',
};
const ENDS: Readonly<Record<TroubleWith, string>> = {
  lookups: 'Redis answers again',
  writes: 'Redis takes what is written again',
  invalidations: 'what other processes say has become void is heard again',
};
const MAX_WAITING = 10_000;
/** What was asked of PostgreSQL before that is void by then. */
const OWED_DEADLINE_MS = 10_000;
const PAGE = 200;
const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 5_000;
/** A condemnation is remembered until the projector has come to it; longer than this it is not behind. */
const CONDEMNED_FOR_MS = 900_000;

export class SharedTier {
  readonly #options: SharedTierOptions;
  readonly #parts: WriterParts;
  readonly #lookups: Lookups;
  readonly #misses: Partial<Record<SharedMiss | 'unreachable' | 'unusable', number>> = {};
  readonly #waiting = new Map<string, LookupKey>();
  readonly #condemned = new Map<string, () => Promise<unknown>>();
  readonly #hearers: ((gone: Gone) => void)[] = [];
  readonly #renewing = new Set<string>();
  #listener: Listener | undefined;
  #hits = 0;
  readonly #troubles = new Troubles();
  #isClosed = false;
  #known: () => ReferenceLink | undefined = () => undefined;
  #draining: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #pauseMs = FIRST_PAUSE_MS;

  constructor(options: SharedTierOptions) {
    const { connections, keys, now, wall, lifeMs, lookupDeadlineMs } = options;
    this.#options = options;
    const ticketLifeMs = FILLED_IN_MS + lookupDeadlineMs;
    const parts: ReaderParts = { connections, keys, now, wall, ticketLifeMs, known: () => this.#known() };
    this.#parts = { ...parts, lifeMs };
    this.#lookups = options.guard(async groups => {
      if (groups.length === 1) return [await find(parts, groups[0] as Group)];
      const found = await find(parts, groups.flat());
      let at = 0;
      return groups.map(({ length }) => {
        at += length;
        return found.slice(at - length, at);
      });
    });
  }

  /** Connects, and listens. Resolves when that is done, or cannot be now and goes on being tried. */
  async open(): Promise<void> {
    const { connections, keys } = this.#options;
    await connections.open();
    if (this.#isClosed) return;
    this.#listener = listen(
      connections,
      keys.channel,
      gone => this.#tell(gone),
      problem => {
        if (problem === undefined) this.#works('invalidations');
        else this.#fails('invalidations', problem);
      },
    );
  }

  /** @param known the database's clock as whoever asks knows it; @param hear what has become void */
  attach(known: () => ReferenceLink | undefined, hear: (gone: Gone) => void): void {
    this.#known = known;
    this.#hearers.push(hear);
  }

  /** Whether a state may be kept in memory in the hope of hearing of its end. */
  get isListening(): boolean {
    return this.#listener?.isLive ?? false;
  }

  stats(): SharedTierStats {
    return {
      hits: this.#hits,
      misses: { ...this.#misses },
      waiting: this.#waiting.size + this.#condemned.size,
      isListening: this.isListening,
      troubles: this.#troubles.list(),
    };
  }

  /** In one round trip, in the order of the keys. Never rejects. */
  async lookup(keys: Group): Promise<readonly SharedLookup[]> {
    try {
      const found = await this.#lookups.lookup(keys);
      this.#works('lookups');
      return found.map((each, i) => this.#lookedUp(keys[i] as SharedKey, each));
    } catch (error) {
      this.#fails('lookups', error);
      return keys.map(() => this.#missed('unreachable'));
    }
  }

  #lookedUp(key: SharedKey, found: Found): SharedLookup {
    const { answer, reason, failure } = found;
    if (failure !== undefined) {
      this.#fails('lookups', failure);
      return this.#missed('unreachable');
    }
    if (!answer) {
      // Then nobody will fill in, and it would not be said.
      if (found.refusal !== undefined) this.#fails('writes', new WriteRefused(found.refusal));
      return this.#missed(reason ?? 'absent', found);
    }
    if (found.isLinkOld) this.#renew(key, found);
    return { answer, found };
  }

  /** The answer was good; counted here, because only who judged it knows. */
  hit(): void {
    this.#hits++;
  }

  /** The answer was in order and no state to sign with: PostgreSQL may know better. */
  unusable(): void {
    this.#misses.unusable = (this.#misses.unusable ?? 0) + 1;
  }

  /** Puts what PostgreSQL said where it was missed. Nobody waits; never throws. */
  fill(key: LookupKey, found: Found, answer: DatabaseAnswer): void {
    if (this.#isClosed) return;
    fill(this.#parts, key, found, answer).then(
      () => this.#works('writes'),
      error => this.#fails('writes', error),
    );
  }

  /** Rows that were just projected. Resolves when they are there, or after a moment; never rejects. */
  async publish(keys: readonly LookupKey[]): Promise<void> {
    for (const key of keys) this.#waiting.set(connectorNameOf(key), key);
    dropOldest(this.#waiting);
    await withDeadline(this.#drain(), PUBLISH_PATIENCE_MS, () => undefined);
  }

  /** What rests on this sync is void, for every process, before the fact of it is projected. Nobody waits. */
  condemn(key: LookupKey, syncId: string, measuredAtMs: number): void {
    const identity = uuidBytes(syncId);
    if (!identity || this.#isClosed) return;
    const { connections, keys } = this.#options;
    const cell = keys.cellOfState(key.cacheKey);
    const [link, at] = [keys.link(cell), keys.state(cell, key.cacheKey)];
    const message = goneMessage(key, syncId, measuredAtMs, false);
    const life = String(CONDEMNED_FOR_MS);
    this.#owe(`${at} ${syncId}`, () =>
      connections.run(CONDEMN, [link, at], [identity, life, keys.channel, message]),
    );
    void this.#drain();
  }

  /**
   * Rows that a rebuild has changed, or taken away: what is kept of them goes, and with it what other processes keep because
   * they would hear of its end. Resolves when that is done, or after a while; never rejects.
   */
  async forget(
    rows: readonly (Pick<LookupKey, 'exchange' | 'environment' | 'scope'> & ForgottenKey)[],
  ): Promise<void> {
    const { connections, keys, log } = this.#options;
    const byCell = new Map<string, string[]>();
    for (const row of rows) {
      const cell = row.cacheKey === undefined ? keys.cellOfClock(row) : keys.cellOfState(row.cacheKey);
      const key = row.cacheKey === undefined ? keys.clock(cell, row) : keys.state(cell, row.cacheKey);
      const known = byCell.get(cell);
      if (known) known.push(key);
      else byCell.set(cell, [key]);
    }
    for (const [cell, entries] of byCell) {
      for (let from = 0; from < entries.length; from += PAGE) {
        const page = entries.slice(from, from + PAGE);
        this.#owe(`rebuilt ${page[0]}`, () =>
          connections.run(
            FORGET,
            [keys.link(cell), ...page],
            [keys.channel, EVERYTHING, String(FORGOTTEN_FOR_MS)],
          ),
        );
      }
    }
    await withDeadline(this.#drain(), FORGET_PATIENCE_MS, () => undefined);
    const left = [...this.#condemned.keys()].filter(name => name.startsWith('rebuilt ')).length;
    if (left === 0) return;
    log.warn(
      { left },
      'what Redis has of rows that were rebuilt could not be taken out yet: it is tried again, and ends by itself',
    );
  }

  /**
   * @param patienceMs of who waits for a turn: half of it Redis may take to answer
   * @returns `undefined` when another process has it
   * @throws what the client throws, or that nobody answers in time
   */
  async lease(
    clock: Pick<LookupKey, 'exchange' | 'environment' | 'scope'>,
    patienceMs: number,
  ): Promise<Lease | undefined> {
    const { connections, keys } = this.#options;
    const lifeMs = Math.max(LEASE_LIFE_MS, patienceMs);
    return withDeadline(takeLease(connections, keys.lease(clock), lifeMs), patienceMs / 2, () => {
      throw new Error('Redis does not answer');
    });
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    this.#listener?.close();
    this.#lookups.close();
    this.#options.connections.close();
  }

  /** Until it is done; the oldest is given up when too many wait. */
  #owe(name: string, run: () => Promise<unknown>): void {
    this.#condemned.set(name, async () => {
      const answer = String(await run());
      if (answer !== 'ok') throw new WriteRefused(answer);
    });
    dropOldest(this.#condemned);
  }

  #drain(): Promise<void> {
    this.#draining ??= this.#drainNow()
      .then(failure => {
        if (failure !== undefined) this.#fails('writes', failure);
        const isDone = this.#condemned.size === 0 && this.#waiting.size === 0;
        if (isDone) this.#pauseMs = FIRST_PAUSE_MS;
        else this.#later();
      })
      .finally(() => {
        this.#draining = undefined;
      });
    return this.#draining;
  }

  /** In a cluster what fails keeps nothing else waiting, for it may lie on another server. @returns why Redis took it not */
  async #drainNow(): Promise<unknown> {
    let failure: unknown;
    const fails = (error: unknown) => {
      failure = error;
    };
    const again = new Map<string, LookupKey>();
    const tried = new Set<string>();
    const untried = () => [...this.#condemned].filter(([name]) => !tried.has(name)).slice(0, PAGE);
    while (!this.#isClosed) {
      const condemned = untried();
      for (const [name] of condemned) tried.add(name);
      await Promise.all(
        condemned.map(([name, run]) => inTime(run()).then(() => this.#condemned.delete(name), fails)),
      );
      if (untried().length > 0) continue;
      const page = [...this.#waiting].slice(0, PAGE);
      if (page.length === 0) break;
      // Taken out before they are read: what changes meanwhile is put in again.
      for (const [name] of page) this.#waiting.delete(name);
      const outcome = await this.#publishPage(page.map(([, key]) => key));
      if (outcome === 'done') continue;
      if (outcome !== 'later') fails(outcome);
      for (const [name, key] of page) again.set(name, key);
      if (outcome === 'later' || !this.#options.connections.isCluster) break;
    }
    for (const [name, key] of again) if (!this.#waiting.has(name)) this.#waiting.set(name, key);
    return this.#isClosed ? undefined : failure;
  }

  /** @returns the failure when it is Redis', `later` when it is not */
  async #publishPage(keys: readonly LookupKey[]): Promise<'done' | 'later' | Error> {
    let answers: readonly DatabaseAnswer[];
    try {
      answers = await this.#options.database(keys);
    } catch {
      // Lookups say that of the database.
      return 'later';
    }
    try {
      await inTime(publish(this.#parts, keys, answers));
      this.#works('writes');
      return 'done';
    } catch (error) {
      if (error instanceof Interrupted) return 'later';
      if (!(error instanceof WriteRefused && error.isForRoom)) return error as Error;
      // There is nothing older there either.
      this.#fails('writes', error);
      return 'done';
    }
  }

  #later(): void {
    if (this.#isClosed) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#drain(), this.#pauseMs);
    this.#timer.unref();
    this.#pauseMs = Math.min(this.#pauseMs * 2, LONGEST_PAUSE_MS);
  }

  /** One process at a time asks the database's clock for a cell whose link is getting old; nobody waits. */
  #renew(key: SharedKey, { cell }: Found): void {
    if (this.#renewing.has(cell) || this.#isClosed) return;
    this.#renewing.add(cell);
    const wanted = {
      cacheKey: key.cacheKey,
      exchange: key.exchange,
      environment: key.environment,
      scope: key.scope,
    };
    this.publish([wanted]).finally(() => this.#renewing.delete(cell));
  }

  #missed(reason: SharedMiss | 'unreachable', found?: Found): SharedLookup {
    this.#misses[reason] = (this.#misses[reason] ?? 0) + 1;
    return found ? { reason, found } : { reason };
  }

  #tell(gone: Gone): void {
    for (const hear of this.#hearers) hear(gone);
  }

  #works(what: TroubleWith): void {
    if (this.#troubles.end(what, this.#options.now())) this.#options.log.info({}, ENDS[what]);
  }

  #fails(what: TroubleWith, error: unknown): void {
    if (this.#isClosed) return;
    const { connections, now, log } = this.#options;
    const told = this.#troubles.begin(what, connections.causeOf(error), now());
    if (told) log.warn({ ...told }, BEGINNINGS[what]);
  }
}

/** A client without a connection may answer nothing at all, and all that is owed would wait behind it. */
const inTime = <T>(work: Promise<T>): Promise<T> =>
  withDeadline(work, OWED_DEADLINE_MS, () => {
    throw new Error('Redis does not answer');
  });

function dropOldest(waiting: Map<string, unknown>): void {
  for (const oldest of waiting.keys()) {
    if (waiting.size <= MAX_WAITING) return;
    waiting.delete(oldest);
  }
}
