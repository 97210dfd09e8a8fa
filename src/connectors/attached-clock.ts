/**
 * What attached clients (exchanges/client-clock.ts) go by: the clock of the process, with each of their answers as
 * evidence, and their refusals told late from wrong as an init's are (healing.ts).
 *
 * Requests of a client are under way together, so that one step of the exchange's clock has many of them refused. One
 * of them heals; whoever was signed before that only signs again. All connectors of the process over one clock take
 * turns in this, for they share what is healed.
 *
 * When the connector or the cache is closed nothing is learned, healed or sent again, and `sign()` throws `CLOSED`:
 * nobody looks after the clock any more.
 */
import { ConnectorStateError } from '../base/errors.js';
import type { ClientAnswer, ClientClock, ClientSignature, Healed } from '../exchanges/client-clock.js';
import { readAnswer } from '../exchanges/envelope.js';
import type { ExchangeError } from '../exchanges/exchange-adapter.js';
import type { ExchangeProfile } from '../exchanges/exchange-profile.js';
import { refused } from '../exchanges/failures.js';
import type { HttpReply } from '../exchanges/http-transport.js';
import { reasonOf } from '../exchanges/refusal-rules.js';
import { retryAfterMs } from '../exchanges/retry-after.js';
import { createSampleIntake, type SampleIntake } from '../exchanges/sample-intake.js';
import type { ClockOfProcess } from './clocks-of-process.js';
import { Healing } from './healing.js';
import type { InitParts } from './init-parts.js';
import type { ProcessClock } from './process-clock.js';

export interface AttachedClockParts extends InitParts {
  readonly time: ClockOfProcess;
  readonly profile: ExchangeProfile;
  readonly isClosed: () => boolean;
  readonly timestampSafe: () => Promise<number>;
  /** As it, at once; undefined where something has to be measured first. */
  readonly timestampIfSure: () => number | undefined;
  readonly timestamp: () => number;
  readonly exchangeNow: () => number;
}

/** The turns of who heals one clock. */
interface Turns {
  last: Promise<unknown>;
  /** By this host's clock, when the last one ended well. */
  healedAtMs: number;
}
const turnsOver = new WeakMap<ProcessClock, Turns>();

function turnsOf(clock: ProcessClock): Turns {
  let turns = turnsOver.get(clock);
  if (!turns) {
    turns = { last: Promise.resolve(), healedAtMs: Number.NEGATIVE_INFINITY };
    turnsOver.set(clock, turns);
  }
  return turns;
}

export class AttachedClock implements ClientClock {
  readonly #parts: AttachedClockParts;
  readonly #intake: SampleIntake;
  /** The sample that is being taken in is its refusal's to judge. */
  #isHealed = false;

  constructor(parts: AttachedClockParts) {
    this.#parts = parts;
    const { cache, ref, learner } = parts;
    this.#intake = createSampleIntake({
      now: () => cache.clock.now(),
      wall: () => cache.clock.wall(),
      onSample: sample => {
        if (!this.#isHealed) learner.overheard(sample);
      },
      onEdge: (edge, stamp) => learner.edgeOverheard(edge, stamp),
      onBadSample: bad => cache.recordBadSample(ref, bad),
    });
  }

  get environment() {
    return this.#parts.ref.environment;
  }

  get baseUrl(): string {
    return this.#parts.adapter.baseUrl;
  }

  get recvWindowMs(): number {
    return this.#parts.adapter.range.recvWindowMs;
  }

  now(): number {
    return this.#parts.cache.clock.now();
  }

  wall(): number {
    return this.#parts.cache.clock.wall();
  }

  async sign(): Promise<ClientSignature> {
    const { timestampSafe, timestampIfSure, isClosed } = this.#parts;
    if (isClosed()) throw closed();
    const sureMs = timestampIfSure();
    if (sureMs !== undefined) return this.#signed(sureMs);
    const timestampMs = await timestampSafe();
    // It may have been closed while the clock was measured.
    if (isClosed()) throw closed();
    return this.#signed(timestampMs);
  }

  signNow(): ClientSignature {
    if (this.#parts.isClosed()) throw closed();
    return this.#signed(this.#parts.timestamp());
  }

  #signed(timestampMs: number): ClientSignature {
    return { timestampMs, signedAtMs: this.now(), signedAtWallMs: this.wall() };
  }

  knownNow(): number | undefined {
    try {
      return this.exchangeNow();
    } catch {
      // Not initialised yet, closed, or not known well enough.
      return undefined;
    }
  }

  exchangeNow(): number {
    if (this.#parts.isClosed()) throw closed();
    return this.#parts.exchangeNow();
  }

  answered(answer: ClientAnswer): ExchangeError | undefined {
    const { profile, adapter, learner, isClosed, ref } = this.#parts;
    const { body, status, headers, signed, sentAtMs, receivedAtMs, wallRoundTripMs } = answer;
    const read = readAnswer(profile, body, headers);
    const { code, saysYes, stamp } = read;
    const message = answer.message ?? read.message;
    const isListening = !isClosed();
    const reply: HttpReply = {
      status,
      headers,
      body: '',
      sentAtMs,
      receivedAtMs,
      wallRoundTripMs,
      isCold: false,
    };
    const { earlyLimitMs } = adapter.range;
    const request = signed && {
      timestampMs: signed.timestampMs,
      signedAtMs: signed.signedAtMs,
      recvWindowMs: signed.recvWindowMs,
      earlyLimitMs,
      sentAtMs,
      receivedAtMs,
      wallRoundTripMs,
    };
    if (saysYes && status < 300) {
      if (isListening) {
        this.#intake.response(reply, stamp);
        learner.overheardAcceptance(request);
      }
      return undefined;
    }
    const reason = reasonOf(profile, code, message, status);
    const isTimestamp = reason === 'timestamp' && signed !== undefined;
    if (isTimestamp) adapter.timestampRefused(sentAtMs);
    this.#isHealed = isTimestamp;
    // Without a code it is not the exchange that speaks.
    const isEvidence = isListening && code !== undefined;
    const sample = isEvidence ? this.#intake.refusal(reply, stamp, isTimestamp) : undefined;
    this.#isHealed = false;
    return refused(
      { exchange: ref.exchange, endpoint: answer.endpoint, timeoutMs: 0, redact: text => text },
      {
        code,
        message,
        status,
        reason,
        retryAfterMs: retryAfterMs(profile, reason, headers, message, stamp?.ms),
        sample,
        request,
      },
    );
  }

  async heal(refusal: ExchangeError): Promise<Healed | undefined> {
    const { time, isClosed } = this.#parts;
    const turns = turnsOf(time.clock);
    const turn = turns.last.then(() => this.#healInTurn(refusal, turns));
    turns.last = turn.catch(() => undefined);
    try {
      const wasLate = await turn;
      if (isClosed()) return undefined;
      const { range, lateRecvWindowMs = range.recvWindowMs } = this.#parts.adapter;
      return { recvWindowMs: wasLate ? lateRecvWindowMs : range.recvWindowMs };
    } catch {
      // Recorded and logged by whoever measured. The client gets the exchange's refusal, as without us.
      return undefined;
    }
  }

  async measure(): Promise<boolean> {
    const { adapter, time, learner, isClosed } = this.#parts;
    adapter.timestampRefused(this.now());
    // What it came to is recorded where it was measured.
    const isMeasured = await time.upkeep.refused(learner).then(
      () => true,
      () => false,
    );
    return isMeasured && !isClosed();
  }

  /** @returns whether the request was late, while the clock was right */
  async #healInTurn(refusal: ExchangeError, turns: Turns): Promise<boolean> {
    const { cache, time, learner, isClosed } = this.#parts;
    if (isClosed()) throw closed();
    const signedAtMs = refusal.request?.signedAtMs ?? Number.NEGATIVE_INFINITY;
    if (signedAtMs < turns.healedAtMs) return false;
    const healing = new Healing(this.#parts, {});
    if (cache.mode === 'on') {
      await healing.heal(refusal, { trigger: 'auth-failure', isGuess: false });
    } else {
      await time.upkeep.refused(learner);
    }
    turns.healedAtMs = cache.clock.now();
    return healing.causes.includes('late');
  }
}

const closed = () =>
  new ConnectorStateError(
    'CLOSED',
    'the connector that this client is attached to was closed: attach the class to another one, and make a client of that',
  );
