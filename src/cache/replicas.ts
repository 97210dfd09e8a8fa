/**
 * Lookups in read replicas of the database.
 *
 *   lookup ──► a replica that is one, linked and not behind ──► the answer
 *         └──► anything else ──► undefined: the primary is asked
 *
 * A replica is a tier and never a source. It is another clock than the primary, which the rows are relative to; so its answer
 * brings, beside a sample of its own clock, the link from there to the primary's (clock/stored-link.ts), which a process that
 * knows both stored on the primary and replication brought here. That row is also the replica's proof of how far it has come:
 * it is renewed every {@link RENEWED_AFTER_MS}, and a replica whose copy is older than {@link BELIEVED_FOR_MS} is not
 * believed, be it that it lags, that it is cut off, or that nobody has asked for a while. What this process itself stored it
 * must have seen altogether.
 *
 * Only hits are taken from it: who finds nothing asks the primary, for a replica may not have it *yet*.
 *
 * A process keeps to one replica, chosen by chance, until that fails; then it goes on with the next. Nothing here throws.
 */
import type { Logger } from '../base/logging.js';
import { isContinuous } from '../clock/continuous.js';
import type { HostClock } from '../clock/host-clock.js';
import { estimateFromSample } from '../clock/offset.js';
import { linkFromSample, type ReferenceLink, referenceTimeMs } from '../clock/reference.js';
import { composeLink, linkToStore, type StoredLink } from '../clock/stored-link.js';
import type { Position } from '../events/event.js';
import type { LookupKey } from '../read-model/lookup.js';
import type { GuardedLookup, LookupAnswer } from './guarded-lookup.js';

/** Why a replica's answer was not taken. */
export type ReplicaMiss =
  | 'unreachable'
  /** Nobody has measured its clock against the primary's, or not since it was started. */
  | 'no-link'
  /** It may lack what the primary has had for a while, or what this process has stored. */
  | 'behind'
  /** It is no replica any more. */
  | 'promoted'
  /** Linked to another primary than the one that this process knows. */
  | 'other-clock'
  | 'set-clock'
  /** In order, but no state to sign with. */
  | 'unusable';

export interface ReplicasStats {
  readonly hits: number;
  /** By reason; reasons that did not occur are left out. */
  readonly misses: Readonly<Partial<Record<ReplicaMiss, number>>>;
}

export interface ReplicasParts {
  readonly replicas: readonly GuardedLookup[];
  /** 0 ≤ x < 1: which one a process begins with. */
  readonly random: () => number;
  readonly clock: HostClock;
  readonly log: Logger;
  /** The primary's clock, asked for it now. */
  readonly primary: () => Promise<ReferenceLink>;
  /** On the primary. */
  readonly store: (replica: string, link: StoredLink) => Promise<unknown>;
  readonly close: () => Promise<void>;
}

export interface ReplicaAnswer {
  readonly answer: LookupAnswer;
  /** To the primary's clock. */
  readonly link: ReferenceLink;
}

/** What whoever asks knows by itself. */
export interface Asker {
  /** The primary's clock, from asking it. */
  readonly known: ReferenceLink | undefined;
  /** Whether these rows show what this process has stored. */
  readonly hasSeenOwn: (checkpoint: Position | undefined) => boolean;
}

/** A replica says nothing that is older. */
export const BELIEVED_FOR_MS = 60_000;
/** Then whoever asks stores the link anew. */
export const RENEWED_AFTER_MS = 20_000;
/** A process tries that no oftener. */
const RENEWAL_PAUSE_MS = 5_000;

export class Replicas {
  readonly #parts: ReplicasParts;
  readonly #misses: Partial<Record<ReplicaMiss, number>> = {};
  #current: number;
  #hits = 0;
  #isFailing = false;
  #renewedAtMs = Number.NEGATIVE_INFINITY;
  #isClosed = false;

  constructor(parts: ReplicasParts) {
    this.#parts = parts;
    this.#current = Math.floor(parts.random() * parts.replicas.length);
  }

  /** Never rejects. @returns `undefined`: ask the primary */
  async lookup(key: LookupKey, asker: Asker): Promise<ReplicaAnswer | undefined> {
    const asked = this.#current;
    let answer: LookupAnswer;
    try {
      answer = await (this.#parts.replicas[asked] as GuardedLookup).batcher.lookup(key);
    } catch (error) {
      this.#next(asked);
      return this.#missed('unreachable', error);
    }
    if (this.#isFailing) {
      this.#isFailing = false;
      this.#parts.log.info({}, 'a read replica answers again');
    }
    const link = judge(answer, asker, this.#parts.clock);
    if (typeof link !== 'string') {
      if (isOld(answer, link, this.#parts.clock)) this.#renew(answer);
      return { answer, link };
    }
    if (link === 'promoted') this.#next(asked);
    else this.#renew(answer);
    return this.#missed(link);
  }

  /** The answer was good; counted here, because only who judged it knows. */
  hit(): void {
    this.#hits++;
  }

  unusable(): void {
    this.#missed('unusable');
  }

  stats(): ReplicasStats {
    return { hits: this.#hits, misses: { ...this.#misses } };
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    for (const { close } of this.#parts.replicas) close();
    await this.#parts.close();
  }

  #next(from: number): void {
    if (this.#current === from) this.#current = (from + 1) % this.#parts.replicas.length;
  }

  #missed(reason: ReplicaMiss, error?: unknown): undefined {
    this.#misses[reason] = (this.#misses[reason] ?? 0) + 1;
    if (reason !== 'unreachable' || this.#isFailing) return undefined;
    this.#isFailing = true;
    const problem = error instanceof Error ? error.message : String(error);
    this.#parts.log.warn(
      { problem },
      'a read replica does not answer: lookups go on with the next, or the primary',
    );
    return undefined;
  }

  /** Nobody waits. */
  #renew({ sample, replica }: LookupAnswer): void {
    const { clock, log, primary, store } = this.#parts;
    const [nowMs, wallMs] = [clock.now(), clock.wall()];
    if (!replica?.isStandby || this.#isClosed || nowMs - this.#renewedAtMs < RENEWAL_PAUSE_MS) return;
    this.#renewedAtMs = nowMs;
    const renewed = async () => {
      const database = await primary();
      // Two samples on one timeline, or they say nothing of each other.
      if (!isContinuous(clock.now() - nowMs, clock.wall() - wallMs)) return;
      const wallMinusHereMs = clock.wall() - clock.now();
      await store(replica.name, linkToStore(database, estimateFromSample(sample), wallMinusHereMs));
    };
    renewed().catch(error => {
      if (!this.#isClosed)
        log.debug({ problem: (error as Error).message }, 'the link of a read replica was not renewed');
    });
  }
}

/** Pure: the link by which a replica's rows are to be read, or why they are not. */
export function judge(
  { clockId, sample, checkpoint, replica }: LookupAnswer,
  { known, hasSeenOwn }: Asker,
  clock: Pick<HostClock, 'now' | 'wall'>,
): ReferenceLink | ReplicaMiss {
  if (!replica?.isStandby) {
    // After a failover both addresses may lead to one server.
    return known?.clockId === clockId ? linkFromSample(clockId, sample) : 'promoted';
  }
  const { link, renewedAtMs } = replica;
  if (!link) return 'no-link';
  if (known && known.clockId !== link.clockId) return 'other-clock';
  const wallMs = clock.wall() - (clock.now() - sample.receivedAtMs);
  const composed = composeLink(link, { server: estimateFromSample(sample), wallMs, known });
  if (composed === 'set-clock') return composed;
  if (composed === 'too-old') return 'behind';
  const ageMs = referenceTimeMs(composed, sample.receivedAtMs) - renewedAtMs;
  if (!(ageMs <= BELIEVED_FOR_MS) || !hasSeenOwn(checkpoint)) return 'behind';
  return composed;
}

const isOld = ({ replica }: LookupAnswer, link: ReferenceLink, clock: Pick<HostClock, 'now'>): boolean =>
  replica !== undefined && referenceTimeMs(link, clock.now()) - replica.renewedAtMs > RENEWED_AFTER_MS;
