/**
 * The only maker of {@link ExchangeError}s.
 *
 * Each is built from parts known to be safe: which endpoint, which code, the exchange's words after redaction.
 * No foreign error is wrapped, quoted or kept as a cause: bybit-api's hold the secret (`requestOptions.secret`)
 * and axios's the API key.
 */
import { type AnsweredRequest, inSeconds, type Lateness } from '../clock/answers.js';
import type { ClockSample } from '../clock/offset.js';
import type { SampleProblem } from '../clock/sample-check.js';
import type { AuthFailureClass, SyncFailureClass } from '../events/catalogue.js';
import type { Exchange } from '../events/connector.js';
import { ExchangeError } from './exchange-adapter.js';
import type { HttpFailure } from './http-transport.js';
import type { Redactor } from './redact.js';

/** What a failure means, for authentication and for a sync. */
export interface ErrorClasses {
  readonly authClass: AuthFailureClass;
  readonly syncClass: SyncFailureClass;
}

export interface RequestContext {
  readonly exchange: Exchange;
  /** Method and path, without the query: that is signed. */
  readonly endpoint: string;
  readonly timeoutMs: number;
  readonly redact: Redactor;
}

const SYNC_CLASS_OF_FAILURE = {
  timeout: 'timeout',
  network: 'network',
  oversized: 'bad-response',
  proxy: 'network',
} as const;

export function unreachable(context: RequestContext, { failure, code }: HttpFailure): ExchangeError {
  const { exchange, endpoint, timeoutMs } = context;
  const message = {
    timeout: `${exchange} did not answer ${endpoint} within ${timeoutMs} ms: try again, or raise timeoutMs`,
    network: `${exchange} could not be reached for ${endpoint}: ${code}; check baseUrl, the network and the exchange's status page`,
    proxy: `${exchange} could not be reached for ${endpoint}: the proxy that HTTPS_PROXY, HTTP_PROXY or ALL_PROXY names failed with ${code}; correct the variable, or except the exchange's host in NO_PROXY`,
    oversized: `${exchange} answered ${endpoint} with more than any answer of that endpoint can be: check baseUrl`,
  }[failure];
  return new ExchangeError(
    failure === 'oversized' ? 'EXCHANGE_BAD_RESPONSE' : 'EXCHANGE_UNREACHABLE',
    message,
    { exchange, exchangeCode: code, authClass: 'unknown', syncClass: SYNC_CLASS_OF_FAILURE[failure] },
  );
}

/**
 * @param what is wrong with the answer, in our words: nothing of the answer itself
 * @param problem of the time that it told
 */
export function badResponse(
  context: RequestContext,
  status: number,
  what: string,
  problem?: SampleProblem,
): ExchangeError {
  const remedy =
    problem === 'interrupted'
      ? "try again, and see to this host's clock if it goes on"
      : 'check baseUrl, and whether the exchange changed its API';
  return new ExchangeError(
    'EXCHANGE_BAD_RESPONSE',
    `${context.exchange} answered ${context.endpoint} (HTTP ${status}) with ${what}: ${remedy}`,
    {
      exchange: context.exchange,
      exchangeCode: `HTTP ${status}`,
      authClass: 'unknown',
      syncClass: 'bad-response',
    },
  );
}

const REMEDIES: Readonly<Record<AuthFailureClass, string>> = {
  timestamp: "the timestamp was outside the exchange's window; measure its clock again",
  credentials: 'check the API key and secret of this credential, and that they belong to this environment',
  permission: "check the API key's permissions and IP whitelist",
  'rate-limit': 'send fewer requests and wait before the next',
  unknown: "see the exchange's list of error codes",
};

export interface Refusal {
  /** The exchange's own code; undefined when only the HTTP status says no. */
  readonly code: number | undefined;
  readonly message: string;
  readonly status: number;
  readonly classes: ErrorClasses;
  readonly sample: ClockSample | undefined;
  readonly request?: AnsweredRequest | undefined;
}

export function refused(context: RequestContext, refusal: Refusal): ExchangeError {
  const { exchange, endpoint, redact } = context;
  const { authClass, syncClass } = refusal.classes;
  const exchangeCode = refusal.code === undefined ? `HTTP ${refusal.status}` : String(refusal.code);
  const words = redact(refusal.message);
  const remedy =
    syncClass === 'maintenance' ? 'the exchange is down or busy; try again later' : REMEDIES[authClass];
  return new ExchangeError(
    'EXCHANGE_REFUSED',
    `${exchange} refused ${endpoint} with ${exchangeCode}${words === '' ? '' : ` "${words}"`}: ${remedy}`,
    { exchange, exchangeCode, authClass, syncClass, sample: refusal.sample, request: refusal.request },
  );
}

/**
 * The same refusal, of a request of which it has been shown that it was late.
 * @param uncertaintyMs of the clock it was signed by
 */
export function refusedAsLate(
  refusal: ExchangeError,
  lateness: Lateness,
  uncertaintyMs: number,
): ExchangeError {
  const { exchange, exchangeCode, authClass, syncClass, sample, request } = refusal;
  const window = request ? ` (recvWindowMs ${request.recvWindowMs})` : '';
  return new ExchangeError(
    'EXCHANGE_REFUSED',
    `${exchange} refused the timestamp with ${exchangeCode} because the request was ${inSeconds(lateness)} late${window}; the clock was right within ${Math.ceil(uncertaintyMs)} ms: try again when the network or the exchange is faster, or allow a wider window with recvWindowMs or lateRecvWindowMs`,
    { exchange, exchangeCode, authClass, syncClass, sample, request, lateness },
  );
}
