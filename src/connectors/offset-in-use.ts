/**
 * The offset a connector signs with, and where in the exchange's window it places its timestamps.
 *
 * The offset is exchange minus reference plus reference minus this host; the second part is a link that was measured
 * once and breaks when this host's clock steps or the machine is frozen (host-clock.ts). Only the database can then
 * tell what time it is, so a break is reported to who can ask it, and timestamps go on by the old link meanwhile.
 */
import { appliedOffset, type UsableState } from '../cache/lookup.js';
import { ContinuityGuard, type HostClock } from '../clock/host-clock.js';
import type { ClockSample, OffsetEstimate } from '../clock/offset.js';
import {
  type AcceptedRange,
  biasOf,
  type RequestWindow,
  requestWindow,
  WORST_LATENCY_MS,
} from '../clock/request-window.js';
import { ConnectorStateError } from '../errors.js';

/** Of so many responses the round trips are remembered. */
const ROUND_TRIPS = 8;

export class OffsetInUse {
  readonly #clock: HostClock;
  readonly #continuity: ContinuityGuard;
  readonly #range: AcceptedRange;
  readonly #onBreak: () => void;
  #roundTripsMs: readonly number[] = [];
  #state: UsableState | undefined;

  /** @param onBreak called when a timestamp is asked for after this host's clock broke off */
  constructor(clock: HostClock, range: AcceptedRange, onBreak: () => void) {
    this.#clock = clock;
    this.#continuity = new ContinuityGuard(clock);
    this.#range = range;
    this.#onBreak = onBreak;
  }

  /** Whether there is a {@link state}. */
  get isKnown(): boolean {
    return this.#state !== undefined;
  }

  /** @throws ConnectorStateError `CLOSED` before the first one is known */
  get state(): UsableState {
    if (this.#state) return this.#state;
    throw new ConnectorStateError('CLOSED', 'the connector has no offset yet: call initialize() first');
  }

  set state(state: UsableState) {
    this.#state = state;
  }

  /** Exchange minus this host, now. */
  get applied(): OffsetEstimate {
    return appliedOffset(this.state, this.#clock.now());
  }

  /** Where timestamps are placed now: moves with what is known of the offset, and before the first offset is known the middle. */
  get window(): RequestWindow {
    return requestWindow(this.#range, this.#state && this.applied.uncertaintyMs);
  }

  /** The largest uncertainty to sign by. */
  get toleranceMs(): number {
    return requestWindow(this.#range).toleranceMs;
  }

  /** Now, by the clock that the state is relative to. */
  get referenceNowMs(): number {
    return this.#clock.now() + this.state.link.offsetMs;
  }

  /** @throws ConnectorStateError `CLOSED` before the first state is known */
  timestamp(): number {
    const { state } = this;
    if (!this.#continuity.isUnbroken()) this.#onBreak();
    const now = this.#clock.now();
    const { offsetMs, uncertaintyMs } = appliedOffset(state, now);
    return Math.floor(now + offsetMs + biasOf(this.#range, uncertaintyMs));
  }

  /** The uncertainty that a measurement over the connection in use would have. */
  get attainableMs(): number {
    const { uncertaintyMs } = this.state.link;
    return Math.min(...this.#roundTripsMs, WORST_LATENCY_MS) / 2 + uncertaintyMs;
  }

  /** A link was measured just now: what happened to this host's clock before is of no importance. */
  linkedAnew(): void {
    this.#continuity.isUnbroken();
  }

  observe({ sentAtMs, receivedAtMs }: Pick<ClockSample, 'sentAtMs' | 'receivedAtMs'>): void {
    this.#roundTripsMs = [receivedAtMs - sentAtMs, ...this.#roundTripsMs].slice(0, ROUND_TRIPS);
  }
}
