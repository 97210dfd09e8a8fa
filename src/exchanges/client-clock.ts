/**
 * The connector's clock, as a client of the user's own goes by it: an SDK's client that builds, signs, sends and reads
 * its requests itself, and only asks what time it is.
 *
 *   before it signs      {@link ClientClock.sign}: the timestamp, measured first where that is needed
 *   with each answer     {@link ClientClock.answered}: stamp, acceptance and refusal are evidence
 *   refused for time     {@link ClientClock.heal}, and then the request is signed and sent once more
 *
 * A request that was refused for its timestamp was refused before it was executed, so that sending it again cannot
 * execute it twice. That holds for no other failure: no answer, half an answer, and an error of the exchange's own may
 * each follow an order that was placed. Nothing else is ever sent again.
 */
import type { IncomingHttpHeaders } from 'node:http';
import type { Environment } from '../events/connector.js';
import type { ExchangeError } from './exchange-adapter.js';

/** What one request is signed with. */
export interface ClientSignature {
  /** Whole epoch milliseconds by the exchange's clock. */
  readonly timestampMs: number;
  /** By this host's clock, and by its wall clock. */
  readonly signedAtMs: number;
  readonly signedAtWallMs: number;
}

/** An answer of a client's, whole. Times are by {@link ClientClock.now}. */
export interface ClientAnswer {
  /** Method and path, without the query. */
  readonly endpoint: string;
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** Parsed; undefined for what is no JSON. */
  readonly body: unknown;
  /** In place of the exchange's own message: the text of a body that is no JSON, or what was redacted. */
  readonly message?: string | undefined;
  readonly sentAtMs: number;
  readonly receivedAtMs: number;
  readonly wallRoundTripMs: number;
  /** Undefined for a public request. */
  readonly signed?: (ClientSignature & { readonly recvWindowMs: number }) | undefined;
}

export interface Healed {
  /** The window to ask for: wider where the request was late, while the clock was right. */
  readonly recvWindowMs: number;
}

export interface ClientClock {
  readonly environment: Environment;
  /** The host whose clock this is, without a slash at the end. */
  readonly baseUrl: string;
  readonly recvWindowMs: number;
  /** This host's clock, epoch milliseconds. */
  now(): number;
  wall(): number;
  /** @throws ConnectorStateError `CLOSED`, ClockUncertainError `CLOCK_UNCERTAIN` */
  sign(): Promise<ClientSignature>;
  /** At once, for who has awaited {@link sign} and cannot wait any more. @throws as it */
  signNow(): ClientSignature;
  /** As {@link exchangeNow}; undefined where that throws. */
  knownNow(): number | undefined;
  /**
   * The exchange's time without bias, for what is no timestamp of a request: whole epoch milliseconds.
   * @throws ConnectorStateError `CLOSED`, ClockUncertainError `CLOCK_UNCERTAIN`
   */
  exchangeNow(): number;
  /** Never throws. @returns what the exchange said when it did not say yes */
  answered(answer: ClientAnswer): ExchangeError | undefined;
  /**
   * @param refusal for the timestamp
   * @returns how the request is to be signed and sent once more; undefined: not at all; never rejects
   */
  heal(refusal: ExchangeError): Promise<Healed | undefined>;
  /** As {@link heal}, true for once more, of a refusal that no request over HTTP got: the exchange is asked for its time. Never rejects. */
  measure(): Promise<boolean>;
}
