/**
 * The offset a connector signs with, and where in the exchange's window it places its timestamps.
 *
 * The state is that of the process (process-clock.ts): what another connector learns is what this one signs by next.
 * Its own are the range of timestamps that the exchange takes, and {@link OffsetInUse.signed}: what its last timestamp
 * was made with is what a refusal says something about, whatever the process has learned meanwhile.
 */

import { ConnectorStateError } from '../base/errors.js';
import type { UsableState } from '../cache/lookup.js';
import type { MeasuredOffset } from '../cache/measurement.js';
import type { HostClock } from '../clock/host-clock.js';
import type { ClockSample, OffsetEstimate } from '../clock/offset.js';
import type { ReferenceLink } from '../clock/reference.js';
import {
  type AcceptedRange,
  biasOf,
  type RequestWindow,
  requestWindow,
  toleranceOf,
  WORST_LATENCY_MS,
} from '../clock/request-window.js';
import type { ProcessClock } from './process-clock.js';

/** Of so many responses the round trips are remembered. */
const ROUND_TRIPS = 8;
/** So long a guess that the exchange accepted is signed by, if nothing better comes. */
const ACCEPTED_FOR_MS = 10 * 60_000;

export class OffsetInUse {
  readonly #clock: HostClock;
  readonly #process: ProcessClock;
  readonly #range: AcceptedRange;
  readonly #roundTripsMs: number[] = [];
  #hasBegun = false;
  #signed: UsableState | undefined;
  #accepted: { readonly syncId: string; readonly atMs: number } | undefined;

  constructor(clock: HostClock, process: ProcessClock, range: AcceptedRange) {
    this.#clock = clock;
    this.#process = process;
    this.#range = range;
  }

  /** Whether there is a {@link state}. */
  get isKnown(): boolean {
    return this.#hasBegun && this.#process.state !== undefined;
  }

  /** @throws ConnectorStateError `CLOSED` before this connector's first one is known */
  get state(): UsableState {
    const { state } = this.#process;
    if (this.#hasBegun && state) return state;
    throw new ConnectorStateError('CLOSED', 'the connector has no offset yet: call initialize() first');
  }

  /** Learned just now. */
  set state(state: UsableState) {
    this.#hasBegun = true;
    this.#process.learned(state);
  }

  /** What was found somewhere, or measured by itself; the process may know better. */
  found(state: UsableState): void {
    this.#hasBegun = true;
    this.#process.found(state);
  }

  /** The way to the reference clock, as it was measured just now. */
  linked(link: ReferenceLink): void {
    this.#process.linked(link);
  }

  /** It was stamped before a step that the process has noticed since. */
  isOutOfOrder(measured: MeasuredOffset): boolean {
    return this.#process.isOutOfOrder(measured);
  }

  /** What the last timestamp was made with. */
  get signed(): UsableState {
    return this.#signed ?? this.state;
  }

  /** The process goes by something that excludes what the last timestamp was made with. */
  get hasMovedOn(): boolean {
    return this.#process.excludes(this.signed);
  }

  /** Exchange minus this host, now; the bound includes what this host's clocks have parted. */
  get applied(): OffsetEstimate {
    return this.#process.applied(this.state);
  }

  /** Where timestamps are placed now: moves with what is known of the offset, and before the first offset is known the middle. */
  get window(): RequestWindow {
    return requestWindow(this.#range, this.isKnown ? this.applied.uncertaintyMs : undefined);
  }

  /** The largest uncertainty to sign by. */
  get toleranceMs(): number {
    return toleranceOf(this.#range);
  }

  /** Now, by the clock that the state is relative to. */
  get referenceNowMs(): number {
    return this.#process.referenceNowMs(this.state);
  }

  /** This host's clocks have parted since the link to the reference clock was measured. */
  get isParted(): boolean {
    return this.#process.partedMs(this.state) > 0;
  }

  /** Whether a timestamp made now lies within the exchange's window, for all that is known. */
  get isTolerable(): boolean {
    if (this.applied.uncertaintyMs <= this.toleranceMs) return true;
    const accepted = this.#accepted;
    if (accepted?.syncId !== this.state.syncId || this.isParted) return false;
    return this.#clock.now() - accepted.atMs <= ACCEPTED_FOR_MS;
  }

  /** The exchange has accepted what was signed: so it will what is signed the same way soon. */
  accepted(): void {
    this.#accepted = { syncId: this.signed.syncId, atMs: this.#clock.now() };
  }

  /**
   * A timestamp for now, however large the bound is.
   * @throws ConnectorStateError `CLOSED` before the first state is known
   */
  sign(): number {
    const { state } = this;
    this.#signed = state;
    const { offsetMs, uncertaintyMs } = this.#process.applied(state);
    return Math.floor(this.#clock.now() + offsetMs + biasOf(this.#range, uncertaintyMs));
  }

  /** The uncertainty that a measurement over the connection in use would have. */
  get attainableMs(): number {
    const { uncertaintyMs } = this.state.link;
    return Math.min(...this.#roundTripsMs, WORST_LATENCY_MS) / 2 + uncertaintyMs;
  }

  observe({ sentAtMs, receivedAtMs }: Pick<ClockSample, 'sentAtMs' | 'receivedAtMs'>): void {
    this.#roundTripsMs.push(receivedAtMs - sentAtMs);
    if (this.#roundTripsMs.length > ROUND_TRIPS) this.#roundTripsMs.shift();
  }
}
