/**
 * What is remembered of a signed request, so that its answer can be judged: which timestamp it bore, when that was
 * made, and which window it asked for. What an answer proves of the exchange's clock follows from these (clock/answers.ts).
 *
 * A call may be sent twice (living-connection.ts), each time signed anew: what is remembered belongs to the reply.
 */
import type { AnsweredRequest } from '../clock/answers.js';
import type { AdapterSettings } from './adapter-options.js';
import { type HttpFailure, type HttpReply, isFailure } from './http-transport.js';

/** One call, however often it is sent. */
export class Signing {
  readonly #settings: AdapterSettings;
  readonly #recvWindowMs: number;
  readonly #requests = new Map<HttpReply, AnsweredRequest>();

  constructor(settings: AdapterSettings, recvWindowMs = settings.recvWindowMs) {
    this.#settings = settings;
    this.#recvWindowMs = recvWindowMs;
  }

  /** @param send is to sign with the settings it is given, at most once, and not to reject but for what they throw */
  async attempt(
    send: (settings: AdapterSettings) => Promise<HttpReply | HttpFailure>,
  ): Promise<HttpReply | HttpFailure> {
    const settings = this.#settings;
    const recvWindowMs = this.#recvWindowMs;
    let signed: Pick<AnsweredRequest, 'timestampMs' | 'signedAtMs'> | undefined;
    const timestamp = () => {
      const signedAtMs = settings.now();
      const timestampMs = settings.timestamp();
      signed = { timestampMs, signedAtMs };
      return timestampMs;
    };
    const outcome = await send({ ...settings, recvWindowMs, timestamp });
    if (signed && !isFailure(outcome)) {
      const { earlyLimitMs } = settings;
      const { sentAtMs, receivedAtMs, wallRoundTripMs } = outcome;
      const times = { sentAtMs, receivedAtMs, wallRoundTripMs };
      this.#requests.set(outcome, { ...signed, recvWindowMs, earlyLimitMs, ...times });
    }
    return outcome;
  }

  /** The signed request that this reply answers; undefined when nothing was signed. */
  readonly answeredBy = (reply: HttpReply): AnsweredRequest | undefined => this.#requests.get(reply);
}
