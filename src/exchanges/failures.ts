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
import type { Exchange } from '../events/connector.js';
import { ExchangeError } from './exchange-adapter.js';
import type { HttpFailure } from './http-transport.js';
import type { Redactor } from './redact.js';
import { MEANINGS, type RefusalReason } from './refusal-reason.js';

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
  undecodable: 'bad-response',
  proxy: 'network',
  'not-sent': 'unknown',
} as const;

export function unreachable(
  context: RequestContext,
  { failure, code, problem = '' }: HttpFailure,
): ExchangeError {
  const { exchange, endpoint, timeoutMs } = context;
  const message = {
    timeout: `${exchange} did not answer ${endpoint} within ${timeoutMs} ms: try again, or raise timeoutMs`,
    network: `${exchange} could not be reached for ${endpoint}: ${code}; check baseUrl, the network and the exchange's status page`,
    proxy: `${exchange} could not be reached for ${endpoint}: the proxy that HTTPS_PROXY, HTTP_PROXY or ALL_PROXY names failed with ${code}; correct the variable, or except the exchange's host in NO_PROXY`,
    'not-sent': `${endpoint} was not sent to ${exchange}: the SDK could not make the request (${context.redact(problem)})`,
    oversized: `${exchange} answered ${endpoint} with more than any answer of that endpoint can be: check baseUrl`,
    undecodable: `${exchange} answered ${endpoint} with something that is not HTTP, or not compressed as its Content-Encoding says (${code}): check baseUrl, and what stands between here and the exchange`,
  }[failure];
  const isAnswered = failure === 'oversized' || failure === 'undecodable';
  return new ExchangeError(isAnswered ? 'EXCHANGE_BAD_RESPONSE' : 'EXCHANGE_UNREACHABLE', message, {
    exchange,
    exchangeCode: code,
    authClass: 'unknown',
    syncClass: SYNC_CLASS_OF_FAILURE[failure],
  });
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

export interface Refusal {
  /** The exchange's own code; undefined when only the HTTP status says no. */
  readonly code: string | undefined;
  readonly message: string;
  readonly status: number;
  readonly reason: RefusalReason;
  /** From the answer on; undefined where the exchange says nothing of it. */
  readonly retryAfterMs?: number | undefined;
  readonly sample: ClockSample | undefined;
  readonly request?: AnsweredRequest | undefined;
}

/** A page of whoever stands in front of the exchange, or of a host that is not the exchange. */
const WITHOUT_CODE =
  'no code of the exchange came with it: check baseUrl, and what stands between here and the exchange (a redirect is not followed)';

export function refused(context: RequestContext, refusal: Refusal): ExchangeError {
  const { exchange, endpoint, redact } = context;
  const { reason, retryAfterMs, sample, request } = refusal;
  const { authClass, syncClass, remedy } = MEANINGS[reason];
  const isNobodys = reason === 'unknown' && refusal.code === undefined;
  const exchangeCode = refusal.code ?? `HTTP ${refusal.status}`;
  const words = redact(refusal.message);
  const wait =
    retryAfterMs === undefined ? '' : `; it takes requests again in ${(retryAfterMs / 1000).toFixed(1)} s`;
  return new ExchangeError(
    'EXCHANGE_REFUSED',
    `${exchange} refused ${endpoint} with ${exchangeCode}${words === '' ? '' : ` "${words}"`}: ${isNobodys ? WITHOUT_CODE : remedy}${wait}`,
    { exchange, exchangeCode, authClass, syncClass, reason, retryAfterMs, sample, request },
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
  const { exchange, exchangeCode, authClass, syncClass, reason, sample, request } = refusal;
  const window = request ? ` (recvWindowMs ${request.recvWindowMs})` : '';
  return new ExchangeError(
    'EXCHANGE_REFUSED',
    `${exchange} refused the timestamp with ${exchangeCode} because the request was ${inSeconds(lateness)} late${window}; the clock was right within ${Math.ceil(uncertaintyMs)} ms: try again when the network or the exchange is faster, or allow a wider window with recvWindowMs or lateRecvWindowMs`,
    { exchange, exchangeCode, authClass, syncClass, reason, sample, request, lateness },
  );
}
