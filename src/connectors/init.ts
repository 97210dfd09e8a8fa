/**
 * One init: the algorithm that makes a connector ready, the same for every exchange.
 *
 *   lookup ──► decide (init-decision.ts) ──► [sync] ──► verify ──accepted──► learn ──► ready
 *                                                        │ ▲
 *                                                        │ │ sign again
 *                                  refused for the timestamp: late or wrong? (healing.ts)
 *                                  late: the state stays. wrong: record, condemn the sync it was signed
 *                                  with, take the exchange's clock out of the refusal (or sync)
 *
 * Any other refusal is recorded with its class and thrown: a bad key or signature is never treated as a clock
 * that is off, because syncing cannot mend it. The cache is never a reason to fail: without it every init signs by
 * the best clock at hand.
 *
 * What the exchange stamps on the verification response confirms the state, tightens it, or shows that a clock
 * stepped; it is recorded only when it tells something new, so that a warm init writes nothing but a hit. A state that
 * nears its end and got no sample to extend it is refreshed after the init has answered.
 *
 * After a refusal, as after a sample that the state excludes (see sample-learning.ts), the link to the database's
 * clock is measured again before anything is learned.
 */
import { randomUUID } from 'node:crypto';
import { type SpanLike, traceparentOf } from '../base/telemetry.js';
import type { Trace } from '../cache/connector-state-cache-service.js';
import type { Lookup } from '../cache/lookup.js';
import { watchOf } from '../clock/host-watch.js';
import type { Contact, SyncTrigger, Tier } from '../events/catalogue.js';
import { ExchangeError } from '../exchanges/exchange-adapter.js';
import { recordFailedRequest } from './failed-requests.js';
import { Healing, type RefusalCause } from './healing.js';
import { decideInit, type InitPlan } from './init-decision.js';
import type { InitParts } from './init-parts.js';
import { isHandedOn } from './sample-learning.js';
import { syncFailureOf } from './sync.js';

/** How an init began, and what it met. */
export interface InitCourse {
  /** How the first signed request came by its timestamp. */
  readonly contact: Contact;
  /** Where the state came from; `null` when nothing was remembered. */
  readonly tier: Tier | null;
  /** The state had ended, or was in doubt, but was still good enough for the exchange's window. */
  readonly isStale: boolean;
  /** Refusals met on the way and healed, 0 to 2. */
  readonly authFailures: number;
  /** What each of them was for, in their order; see healing.ts. */
  readonly refusals: readonly RefusalCause[];
}

interface Start extends Omit<InitCourse, 'authFailures' | 'refusals'> {
  readonly trigger: SyncTrigger;
  /** Signed by the best clock at hand: there is no sync to blame. */
  readonly isGuess: boolean;
  readonly hasSyncFailed?: true;
}

/** @throws ExchangeError; ConnectorStateError `CLOSED` */
export async function initialise(parts: InitParts, span?: SpanLike): Promise<InitCourse> {
  return new Init(parts, span).run();
}

class Init {
  readonly #parts: InitParts;
  readonly #trace: Trace;

  /** @param span what is traced of it; the facts carry its context */
  constructor(parts: InitParts, span: SpanLike | undefined) {
    this.#parts = parts;
    this.#trace = { correlationId: traceparentOf(span) ?? randomUUID() };
  }

  async run(): Promise<InitCourse> {
    const { ref, cache, adapter, offset, learner } = this.#parts;
    // Every way from here leads to a call of the exchange.
    adapter.openConnection();
    // What parts from here on is not taken for older than the answer.
    watchOf(cache.clock).look();
    const decide = (found: Lookup) =>
      decideInit({
        ref,
        lookup: found,
        toleranceMs: offset.toleranceMs,
        firstContact: cache.firstContact,
        clock: cache.clock,
        newId: randomUUID,
      });
    let lookup = await cache.get(ref);
    let plan = decide(lookup);
    const turn = plan.contact === 'sync' ? await cache.turnToMeasure(ref) : undefined;
    if (turn?.hasWaited) {
      // Another process has measured: what it found is there, unless it failed.
      lookup = await cache.get(ref);
      plan = decide(lookup);
    }
    const start = await this.#begin(plan).finally(() => turn?.done());
    const { causes, isAsBegun } = await this.#verify(start);
    await this.#learn(start, isAsBegun);
    learner.ready();
    const { contact, tier, isStale } = start;
    return { contact, tier, isStale, authFailures: causes.length, refusals: causes };
  }

  async #begin(plan: InitPlan): Promise<Start> {
    const { name, ref, cache, offset, learner } = this.#parts;
    const { contact, trigger } = plan;
    if (contact === 'sync') {
      try {
        offset.state = await learner.sync(plan, this.#trace);
        return { contact, tier: null, isStale: false, trigger, isGuess: false };
      } catch (error) {
        if (!(error instanceof ExchangeError && plan.otherwise)) throw error;
        cache.log.warn(
          { problem: error.message },
          `[${name}] the exchange's time cannot be had: signing by what is known`,
        );
        return { ...(await this.#begin(plan.otherwise)), hasSyncFailed: true };
      }
    }
    offset.found(plan.state);
    if (contact === 'verify-first') return { contact, tier: null, isStale: false, trigger, isGuess: true };
    const { tier, isStale } = plan;
    if (isStale) cache.recordStaleHit(ref, plan.state);
    else if (contact === 'exchange-clock') cache.recordExchangeClockHit(ref, plan.state);
    return { contact, tier, isStale, trigger, isGuess: false };
  }

  /** @returns the refusals that were met and healed */
  async #verify(start: Start): Promise<Healing> {
    const { ref, cache, adapter, offset, learner } = this.#parts;
    const healing = new Healing(this.#parts, this.#trace);
    for (;;) {
      await learner.relinkIfParted();
      learner.verifying();
      try {
        learner.accepted(await adapter.verifyAccount(healing.causes.includes('late') ? 'late' : undefined));
        return healing;
      } catch (error) {
        if (!(error instanceof ExchangeError)) throw error;
        if (error.authClass === 'timestamp') {
          await healing.heal(error, start);
          continue;
        }
        const isGuess = start.isGuess && healing.isAsBegun;
        recordFailedRequest(cache, ref, error, isGuess ? undefined : offset.signed, this.#trace);
        // The first contact was to be the measurement too, and came to nothing.
        if (isGuess && !start.hasSyncFailed && error.authClass === 'unknown') {
          cache.recordSyncFailure(ref, syncFailureOf(error, start.trigger, 0), this.#trace);
        }
        throw error;
      }
    }
  }

  async #learn(start: Start, isAsBegun: boolean): Promise<void> {
    const { learner } = this.#parts;
    const { contact, isGuess, isStale, trigger } = start;
    const { answer } = learner;
    if (isAsBegun && (isGuess || isStale)) {
      const learned = await learner.judge(answer);
      // What was found stale was found: it is no miss that it is replaced.
      if (learned) learner.take(learned, isGuess ? trigger : 'passive', this.#trace);
      // Nor is a contest decided but by who measures.
      if (!learned || !isHandedOn(learned)) learner.refreshLater(isGuess ? trigger : 'warm-up');
      return;
    }
    if (isAsBegun && contact === 'exchange-clock') await this.#learnOwnState(trigger);
    else await learner.learnFrom(answer, this.#trace);
    learner.refreshIfDue();
  }

  /** The shared clock proved good for this connector: it gets a state of its own, the best that is known. */
  async #learnOwnState(trigger: SyncTrigger): Promise<void> {
    const { ref, cache, learner, offset } = this.#parts;
    const learned = await learner.judge(learner.answer);
    // A row that could not be believed gives way only to a state that says so.
    if (!learned || !isHandedOn(learned) || trigger === 'corrupt')
      cache.adopt(ref, offset.state, trigger, this.#trace);
    if (learned) learner.take(learned, 'passive', this.#trace);
  }
}
