/**
 * What a connector needs of an exchange. One adapter an exchange, over that exchange's SDK; nothing of an
 * SDK, neither type nor error, passes this line.
 */

import type { Agent } from 'node:http';
import { ConnectorStateError, type ErrorCode } from '../base/errors.js';
import type { AnsweredRequest, Lateness } from '../clock/answers.js';
import type { ClockSample } from '../clock/offset.js';
import type { AcceptedRange } from '../clock/request-window.js';
import type { BadSample, ProblemCounts } from '../clock/sample-gate.js';
import type { AuthFailureClass, SyncFailureClass } from '../events/catalogue.js';
import type { Environment, Exchange } from '../events/connector.js';
import type { RefusalReason } from './refusal-reason.js';

export interface Credentials {
  readonly apiKey: string;
  readonly apiSecret: string;
  /** Of exchanges that want one (OKX, Bitget, KuCoin): the one that was chosen when the key was made. */
  readonly passphrase?: string | undefined;
}

export interface AdapterOptions {
  readonly environment: Environment;
  readonly credentials: Credentials;
  /** Default: the exchange's own host for `environment`, or for `region`. */
  readonly baseUrl?: string | undefined;
  /** One of the regions of the exchange's profile; see `ConnectorOptions.region`. */
  readonly region?: string | undefined;
  /** Sent with each signed request, 1–60 000 ms (BingX: at most 5000). Default 5000. */
  readonly recvWindowMs?: number | undefined;
  /**
   * The window of a request that is sent again because it came too late: `recvWindowMs` to the exchange's limit. Default:
   * `recvWindowMs`.
   */
  readonly lateRecvWindowMs?: number | undefined;
  /** For each HTTP request. Default 10 000. */
  readonly timeoutMs?: number | undefined;
  /** Hosts besides loopback that may be spoken to without TLS; see `ConnectorOptions.plainHttpHosts`. */
  readonly plainHttpHosts?: readonly string[] | undefined;
  /** The way out, in place of our own and of any proxy. Never closed by us. */
  readonly agent?: Agent | undefined;
  /** The local clock of every sample: epoch milliseconds, may be fractional. */
  readonly now: () => number;
  /**
   * The local wall clock, epoch milliseconds. With it a sample is dropped during which this host's clocks parted:
   * the clock was set, or the process was frozen. Without it nobody would notice.
   */
  readonly wall?: (() => number) | undefined;
  /**
   * The timestamp to sign with: whole epoch milliseconds of the exchange's clock, bias included. Called once
   * for each signed request, as late as possible before it is signed.
   */
  readonly timestamp: () => number;
  /**
   * Called with each clock sample that any response, refusals included, carried and that may be believed. Must not
   * throw.
   */
  readonly onSample?: ((sample: ClockSample) => void) | undefined;
  /**
   * Called with what the `Date` header of an answer of the exchange's shows: the clock of whoever stands in front of it.
   * Must not throw.
   * @param stamp the exchange's own in the same answer, where it carried one that may be believed
   */
  readonly onEdge?: ((edge: ClockSample, stamp: ClockSample | undefined) => void) | undefined;
  /** Called with each sample that may not, to be logged (the first of its kind says so). Must not throw. */
  readonly onBadSample?: ((bad: BadSample) => void) | undefined;
}

export interface FundingRate {
  /** As the exchange spells it. */
  readonly symbol: string;
  /** Fraction of the position for one interval: 0.0001 is one basis point. */
  readonly rate: number;
  readonly nextFundingTimeMs: number;
  readonly intervalHours?: number | undefined;
}

export interface ExchangeAdapter {
  readonly exchange: Exchange;
  /** Without a slash at the end. */
  readonly baseUrl: string;
  /** Which timestamps the exchange takes. */
  readonly range: AcceptedRange;
  /** The window of a request that is sent again because it came too late. Default: that of {@link range}. */
  readonly lateRecvWindowMs?: number | undefined;
  /** Opens a connection for a call that is about to follow; sends nothing, never fails. */
  openConnection(): void;
  /** What is sent next goes over a connection of its own, for it may be the one in use that answers falsely. */
  dropIdle(): void;
  /**
   * The time endpoint, unsigned, one request; a second one where the first was no good sample but a second may be.
   * @throws ExchangeError `EXCHANGE_BAD_RESPONSE` that names the problem, for a time that cannot be believed
   */
  serverTime(): Promise<ClockSample>;
  /**
   * The cheapest signed call that proves credentials, permission and timestamp.
   * @param again `late`: the one before came too late, so this one is signed with the wider window
   * @returns what was accepted
   * @throws ExchangeError
   */
  verifyAccount(again?: 'late'): Promise<AnsweredRequest | undefined>;
  /** Linear perpetuals, e.g. `BTCUSDT` (Bybit) or `BTC-USDT` (BingX); unsigned. @throws ExchangeError */
  fundingRate(symbol: string): Promise<FundingRate>;
  /**
   * A request that this adapter did not make was refused for its timestamp: a server time that is behind an earlier one
   * is then a step of the exchange's clock, and no mistake.
   * @param sentAtMs by the local clock
   */
  timestampRefused(sentAtMs: number): void;
  /** How many samples were dropped so far, by what was wrong with them. */
  badSamples(): ProblemCounts;
  /** Closes kept-alive connections. */
  close(): void;
}

/**
 * The exchange refused, answered nonsense, or could not be reached. Carries the exchange's own code and
 * message with every credential removed; never an SDK's error object.
 * @example
 * const result = await connector.initialize().catch(error => {
 *   if (error instanceof ExchangeError && error.retryAfterMs !== undefined) return later(error.retryAfterMs);
 *   throw error; // error.code, error.exchangeCode and error.reason say what to do
 * });
 */
export class ExchangeError extends ConnectorStateError {
  readonly exchange: Exchange;
  /** The exchange's own code, or the HTTP status as `HTTP 503`, or the network's as `ECONNREFUSED`. */
  readonly exchangeCode: string;
  /** What the failure means for authentication. */
  readonly authClass: AuthFailureClass;
  /** What the failure means for a sync. */
  readonly syncClass: SyncFailureClass;
  /** Why the exchange refused, finer than {@link authClass}; undefined where it did not refuse. */
  readonly reason: RefusalReason | undefined;
  /** How long to wait before the next request, milliseconds ≥ 0 from the answer on, where the exchange says so. */
  readonly retryAfterMs: number | undefined;
  /** The clock sample a refusal carried. */
  readonly sample: ClockSample | undefined;
  /** The signed request that was refused. */
  readonly request: AnsweredRequest | undefined;
  /** How late the request was, where it was refused for that alone: the clock it was signed by is right. */
  readonly lateness: Lateness | undefined;

  constructor(
    code: Extract<ErrorCode, 'EXCHANGE_REFUSED' | 'EXCHANGE_UNREACHABLE' | 'EXCHANGE_BAD_RESPONSE'>,
    message: string,
    details: {
      exchange: Exchange;
      exchangeCode: string;
      authClass: AuthFailureClass;
      syncClass: SyncFailureClass;
      reason?: RefusalReason | undefined;
      retryAfterMs?: number | undefined;
      sample?: ClockSample | undefined;
      request?: AnsweredRequest | undefined;
      lateness?: Lateness | undefined;
    },
  ) {
    super(code, message);
    this.exchange = details.exchange;
    this.exchangeCode = details.exchangeCode;
    this.authClass = details.authClass;
    this.syncClass = details.syncClass;
    this.reason = details.reason;
    this.retryAfterMs = details.retryAfterMs;
    this.sample = details.sample;
    this.request = details.request;
    this.lateness = details.lateness;
  }
}
