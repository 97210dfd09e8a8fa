/**
 * What follows from a refusal for the timestamp: which of its causes it had, what is recorded of it, and what the
 * request is signed with when it is sent again. What can be told from the answer is in clock/answers.ts.
 *
 *   cause         shown by                                       recorded as                     then signed with
 *   late          the refusal contains the state                 ConnectorRequestLate            the state, at once
 *   wrong         it excludes the state, and so does a second    ConnectorAuthFailed and, unless what both say; of a guess what
 *                 answer over a fresh connection, or the         a guess, its condemnation       the refusal says, or a sync
 *                 next refusal
 *   host-clock    it excludes the state over the old link to     ConnectorAuthFailed             the state over the new link
 *                 the database's clock, and not over a new one
 *   unexplained   by its own stamp it should have been accepted, ConnectorAuthFailed             the state
 *                 or the second answer agrees with the state
 *
 * A refusal that excludes the state is one answer, and one server behind a balancer may have another clock than all others, by
 * which it refuses and stamps. So before anything is condemned the exchange is asked once more over a fresh connection,
 * which costs a round trip after a step. Where nobody answers, the refusal is believed. Where the second answer agrees with the
 * state, so that it is signed by once more, and is refused once more by the same clock as before, that clock is the one that
 * judges, and the second answer was another machine's: an edge answers public calls by a clock of its own. An acceptance in
 * between ends such a dispute.
 *
 * Where what is known is too wide to tell late from wrong (a guess, or an answer that took long) the exchange's clock is
 * measured first, and the refusal judged by that. Lateness is not an offset, and what only a wide sample says is used by
 * this connector alone; neither is kept for others (see {@link OffsetLearner.keep}).
 *
 * Each cause is healed once an init: a request may be late and its state wrong too, which shows when it is sent again.
 */
import type { Trace } from '../cache/connector-state-cache-service.js';
import type { UsableState } from '../cache/lookup.js';
import { appliedOffset } from '../cache/lookup.js';
import type { MeasuredOffset } from '../cache/measurement.js';
import { inSeconds, isExcluded, judgeRefusal, type Lateness, type Verdict } from '../clock/answers.js';
import { ContinuityGuard } from '../clock/host-clock.js';
import { intersect, type OffsetEstimate } from '../clock/offset.js';
import type { ReferenceLink } from '../clock/reference.js';
import type { SyncTrigger } from '../events/catalogue.js';
import { ExchangeError } from '../exchanges/exchange-adapter.js';
import { refusedAsLate } from '../exchanges/failures.js';
import { recordFailedRequest } from './failed-requests.js';
import type { InitParts } from './init-parts.js';
import { sharingOver } from './measurement-sharing.js';
import { isHandedOn } from './sample-learning.js';

export type RefusalCause = 'late' | 'wrong' | 'host-clock' | 'unexplained';

/** How the refused request came by its timestamp. */
export interface SignedBy {
  readonly trigger: SyncTrigger;
  /** The best clock at hand: there is no sync to blame. */
  readonly isGuess: boolean;
}

const MOST_REFUSALS = 2;

/** The refusals of one init. */
export class Healing {
  readonly #parts: InitParts;
  readonly #trace: Trace;
  readonly #continuity: ContinuityGuard;
  readonly #causes: RefusalCause[] = [];
  /** Still signed by what the init began with. */
  #isAsBegun = true;

  constructor(parts: InitParts, trace: Trace) {
    this.#parts = parts;
    this.#trace = trace;
    this.#continuity = new ContinuityGuard(parts.cache.clock);
  }

  /** Of the refusals met and healed so far, in their order. */
  get causes(): readonly RefusalCause[] {
    return this.#causes;
  }

  /** Whether the request is still signed by the state that the init began with. */
  get isAsBegun(): boolean {
    return this.#isAsBegun;
  }

  /**
   * Afterwards the offset in use is good to sign with once more.
   * @param refusal of class `timestamp`
   * @throws ExchangeError when this cause was healed already: the refusal, which says so when the request was late;
   *   or when the exchange's clock had to be measured and could not be
   */
  async heal(refusal: ExchangeError, signedBy: SignedBy): Promise<void> {
    const by: SignedBy = { ...signedBy, isGuess: signedBy.isGuess && this.#isAsBegun };
    const { offset } = this.#parts;
    if (!by.isGuess && offset.hasMovedOn) return this.#overtaken(refusal, by);
    const verdict = verdictOn(refusal, offset.applied);
    switch (verdict.cause) {
      case 'late':
        // Of a guess the refusal is the first measurement.
        if (by.isGuess) await this.#learn(refusal, by.trigger, offset.state.link, this.#trace);
        return this.#late(refusal, verdict, by);
      case 'unexplained':
        this.#refused(refusal, 'unexplained', by);
        if (by.isGuess) await this.#learn(refusal, by.trigger, offset.state.link, this.#trace);
        return;
      case 'wrong':
        return this.#wrong(refusal, by);
      case 'unclear':
        return this.#unclear(refusal, by);
    }
  }

  /** Another connector has met the same step meanwhile: what it learned is what the request is signed with next. */
  #overtaken(refusal: ExchangeError, by: SignedBy): void {
    const { ref, cache, offset } = this.#parts;
    const causedBy = this.#refused(refusal, 'wrong', by);
    this.#isAsBegun = false;
    cache.adopt(ref, offset.state, 'auth-failure', { ...this.#trace, causedBy });
  }

  #late(refusal: ExchangeError, lateness: Lateness, { isGuess }: SignedBy): void {
    const { name, ref, cache, offset } = this.#parts;
    const { uncertaintyMs } = offset.applied;
    const known = isGuess ? undefined : offset.state;
    const { exchangeCode, request, sample } = refusal;
    const { atLeastMs, atMostMs } = lateness;
    const serverTimeMs = sample?.serverTimeMs;
    if (request) {
      const late = { exchangeCode, request, atLeastMs, atMostMs, uncertaintyMs, state: known, serverTimeMs };
      cache.recordRequestLate(ref, late, this.#trace);
    }
    const how = `the request was ${inSeconds(lateness)} late; the clock was right within ${Math.ceil(uncertaintyMs)} ms`;
    if (this.#isHealedAlready('late')) throw refusedAsLate(refusal, lateness, uncertaintyMs);
    cache.log.warn(
      { cause: 'late', exchangeCode, lateAtLeastMs: atLeastMs, lateAtMostMs: atMostMs },
      `[${name}] refused for the timestamp and signed again: ${how}`,
    );
  }

  async #wrong(refusal: ExchangeError, by: SignedBy): Promise<void> {
    const { name, ref, cache, offset, learner } = this.#parts;
    // Whatever is being measured now began before the refusal.
    const after = sharingOver(cache).begun;
    const failure = this.#record(refusal, by);
    const refused: Trace = { ...this.#trace, causedBy: failure };
    const { state } = offset;
    const known = offset.applied;
    const link = await learner.relink();
    if (!by.isGuess && this.#isThisHosts(refusal, state, link)) {
      this.#admit(
        refusal,
        'host-clock',
        "this host's clock was set or stood still since the offset was read",
      );
      if (link) offset.state = { ...state, link };
      else await this.#learn(refusal, 'auth-failure', link, refused, after);
      return;
    }
    const isCondemned = !by.isGuess && isExcludedBy(refusal, known);
    // Against the same clock as a second answer, also while the database is away: else nobody elsewhere could go by it.
    const told = refusal.sample && learner.measure(refusal.sample, link ?? state.link);
    const isSaidTwice = isCondemned && learner.disputes(told);
    const second =
      isCondemned && !isSaidTwice ? await this.#second(refusal, link, after, refused) : undefined;
    const both = second && intersect(state.estimate, second.estimate);
    if (second && both) {
      learner.dispute(told);
      this.#admit(refusal, 'unexplained', 'asked again, the exchange tells the time that was signed by');
      // Over the link of now: what was signed by may have had an older one.
      offset.state = learner.keep({ ...second, estimate: both }, 'auth-failure', refused);
      return;
    }
    this.#admit(
      refusal,
      'wrong',
      by.isGuess
        ? 'the clock at hand was off'
        : isSaidTwice
          ? 'refused twice by the same clock, which is not the one that the exchange tells when it is asked for the time'
          : 'the offset in use was wrong',
    );
    const because: Trace = !isCondemned
      ? refused
      : { ...refused, causedBy: cache.condemn(ref, state, 'timestamp-refused', name, refused) };
    if (second) this.#goBy(told, second, because);
    else await this.#learn(refusal, by.isGuess ? by.trigger : 'auth-failure', link, because, after);
  }

  /** What the exchange says over a fresh connection, against the clock that the state is relative to. */
  async #second(
    refusal: ExchangeError,
    link: ReferenceLink | undefined,
    after: number,
    trace: Trace,
  ): Promise<MeasuredOffset | undefined> {
    const { offset, learner } = this.#parts;
    if (!refusal.sample || (link ?? offset.state.link).clockId !== offset.state.referenceClock)
      return undefined;
    try {
      return await learner.askAnew(
        { trigger: 'auth-failure', link: link ?? offset.state.link, after },
        trace,
      );
    } catch (error) {
      if (error instanceof ExchangeError) return undefined;
      throw error;
    }
  }

  /** The refusal and the second answer both exclude the state. Where they exclude each other the second counts. */
  #goBy(told: MeasuredOffset | undefined, second: MeasuredOffset, trace: Trace): void {
    const { offset, learner } = this.#parts;
    this.#isAsBegun = false;
    const estimate = told && intersect(told.estimate, second.estimate);
    if (!estimate) {
      offset.state = learner.keep(second, 'auth-failure', trace);
      return;
    }
    // What others hear of is one measurement: of the two that agree, the finer.
    const finer = told.estimate.uncertaintyMs < second.estimate.uncertaintyMs ? told : second;
    offset.state = learner.keep({ ...finer, estimate }, 'auth-failure', trace);
  }

  /** Measures, and judges the refusal by that. */
  async #unclear(refusal: ExchangeError, by: SignedBy): Promise<void> {
    const { name, ref, cache, offset, learner } = this.#parts;
    const { state } = offset;
    const after = sharingOver(cache).begun;
    const trigger = by.isGuess ? by.trigger : 'auth-failure';
    const link = await learner.relink();
    const before = by.isGuess || link?.clockId !== state.referenceClock ? state : { ...state, link };
    await this.#learn(refusal, trigger, link, this.#trace, after);
    const measured = offset.applied;
    const isRight = !by.isGuess && intersect(appliedOffset(before, measured.atMs), measured) !== undefined;
    const verdict = verdictOn(refusal, measured);
    if (verdict.cause === 'late' && (by.isGuess || isRight)) return this.#late(refusal, verdict, by);
    if (isRight) {
      this.#refused(refusal, 'unexplained', by);
      return;
    }
    const failure = this.#refused(refusal, 'wrong', by);
    const refused: Trace = { ...this.#trace, causedBy: failure };
    if (!by.isGuess) cache.condemn(ref, before, 'timestamp-refused', name, refused);
  }

  /** The state is true over a link that was measured since: then not the exchange's clock jumped. */
  #isThisHosts(refusal: ExchangeError, state: UsableState, link: ReferenceLink | undefined): boolean {
    if (!link) return !this.#continuity.isUnbroken();
    if (link.clockId !== state.referenceClock || !refusal.request) return false;
    return !isExcludedBy(refusal, appliedOffset({ ...state, link }, refusal.request.receivedAtMs));
  }

  /** What the refusal proves becomes the offset in use; where that is too wide to sign by, what a sync tells as well. */
  async #learn(
    refusal: ExchangeError,
    trigger: SyncTrigger,
    link: ReferenceLink | undefined,
    trace: Trace,
    after = 0,
  ): Promise<void> {
    const { offset, learner } = this.#parts;
    this.#isAsBegun = false;
    const told = refusal.sample && learner.measure(refusal.sample, link);
    if (told && isHandedOn(told)) {
      offset.state = learner.keep(told, trigger, trace);
      return;
    }
    if (told) offset.state = learner.keep(told, trigger, trace);
    try {
      offset.state = await learner.sync({ trigger, link, after, isSecond: true }, trace);
    } catch (error) {
      if (!told || !(error instanceof ExchangeError)) throw error;
    }
  }

  /** @throws ExchangeError when this cause was healed already */
  #refused(refusal: ExchangeError, cause: RefusalCause, by: SignedBy): Trace['causedBy'] {
    const failure = this.#record(refusal, by);
    const why =
      cause === 'wrong'
        ? by.isGuess
          ? 'the clock at hand was off'
          : 'the offset in use was wrong'
        : 'by all that is known it should have been accepted';
    this.#admit(refusal, cause, why);
    return failure;
  }

  #record(refusal: ExchangeError, { isGuess }: SignedBy): Trace['causedBy'] {
    const { ref, cache, offset } = this.#parts;
    return recordFailedRequest(cache, ref, refusal, isGuess ? undefined : offset.signed, this.#trace);
  }

  /** @throws ExchangeError when this cause was healed already */
  #admit(refusal: ExchangeError, cause: RefusalCause, why: string): void {
    const { name, cache } = this.#parts;
    if (this.#isHealedAlready(cause)) throw refusal;
    const { exchangeCode } = refusal;
    cache.log.warn({ cause, exchangeCode }, `[${name}] refused for the timestamp and signed again: ${why}`);
  }

  #isHealedAlready(cause: RefusalCause): boolean {
    if (this.#causes.includes(cause) || this.#causes.length >= MOST_REFUSALS) return true;
    this.#causes.push(cause);
    return false;
  }
}

const verdictOn = (refusal: ExchangeError, known: OffsetEstimate): Verdict =>
  refusal.request ? judgeRefusal(known, refusal.request, refusal.sample?.serverTimeMs) : { cause: 'unclear' };

const isExcludedBy = ({ request, sample }: ExchangeError, known: OffsetEstimate): boolean =>
  request !== undefined && isExcluded(known, request, sample?.serverTimeMs);
