/**
 * When the requests that are under way were signed. An SDK hands nothing from the signature to the wire but the
 * timestamp in the request, so that is what a signature is found again by. It may be a few milliseconds newer than it
 * was made: the SDK adds its own, later reading of the clock.
 */
import type { ClientSignature } from './client-clock.js';

/** More than a client has under way; who signs more has its oldest forgotten. */
const MOST = 512;
const LATER_BY_MS = 50;

export class RecentSignatures {
  #signatures: ClientSignature[] = [];

  add(signature: ClientSignature): void {
    this.#signatures.push(signature);
    if (this.#signatures.length > MOST) this.#signatures.shift();
  }

  /** @returns undefined when it is not among the last ones */
  take(timestampMs: number): ClientSignature | undefined {
    const signatures = this.#signatures;
    let best = -1;
    for (let i = 0; i < signatures.length; i++) {
      const laterBy = timestampMs - (signatures[i] as ClientSignature).timestampMs;
      if (laterBy < 0 || laterBy > LATER_BY_MS) continue;
      if (best < 0 || laterBy < timestampMs - (signatures[best] as ClientSignature).timestampMs) best = i;
      if (laterBy === 0) break;
    }
    return best < 0 ? undefined : signatures.splice(best, 1)[0];
  }
}
