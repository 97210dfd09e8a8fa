/**
 * When the requests that are under way were signed. An SDK hands nothing from the signature to the wire but the
 * timestamp in the request, so that is what a signature is found again by. It may be a few milliseconds newer than it
 * was made: the SDK adds its own, later reading of the clock.
 *
 * Where a request holds whole seconds, those of one second cannot be told apart. The first of them stands for all: taken to have
 * been signed earlier than it was, a request proves less, and nothing that is false.
 */
import type { ClientSignature } from './client-clock.js';
import { wholeUnits } from './stamp-place.js';

/** More than a client has under way; who signs more has its oldest forgotten. */
const MOST = 512;
const LATER_BY_MS = 50;

export class RecentSignatures {
  readonly #unitMs: number;
  #signatures: ClientSignature[] = [];

  /** @param unitMs what a request's timestamp is cut down to whole ones of */
  constructor(unitMs = 1) {
    this.#unitMs = unitMs;
  }

  add(signature: ClientSignature): void {
    const unit = this.#cut(signature);
    if (this.#unitMs > 1 && this.#signatures.some(each => this.#cut(each) === unit)) return;
    this.#signatures.push(signature);
    if (this.#signatures.length > MOST) this.#signatures.shift();
  }

  /** @returns undefined when it is not among the last ones */
  take(timestampMs: number): ClientSignature | undefined {
    const signatures = this.#signatures;
    let best = -1;
    for (let i = 0; i < signatures.length; i++) {
      const laterBy = timestampMs - this.#cut(signatures[i] as ClientSignature);
      if (laterBy < 0 || laterBy > LATER_BY_MS) continue;
      if (best < 0 || laterBy < timestampMs - this.#cut(signatures[best] as ClientSignature)) best = i;
      if (laterBy === 0) break;
    }
    if (best < 0) return undefined;
    return this.#unitMs > 1 ? signatures[best] : signatures.splice(best, 1)[0];
  }

  #cut({ timestampMs }: ClientSignature): number {
    return wholeUnits(timestampMs, this.#unitMs);
  }
}
