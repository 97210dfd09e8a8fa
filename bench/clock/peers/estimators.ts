/**
 * How others estimate the offset, each at its best: measured at the very init that uses it, so that nothing has aged.
 *
 * All see the same requests to the exchange's time endpoint, the first of them on a cold connection, as in a
 * function that has just started. Who times a request from the call on, as all of these do, has name resolution, TCP
 * and TLS in the time before the server's stamp.
 *
 *  - `bybit-api` 4.7.7, `BaseRestClient.fetchTimeOffset`: one request, `ceil(server − end + (end − start) / 2)`, by
 *    `Date.now()`.
 *  - `ccxt` 4.5, `loadTimeDifference`: one request, `server − after`; the time on the way counts for nothing.
 *  - `hummingbot`, `TimeSynchronizer`: five requests, each taken at its middle by a monotonic clock; the mean of their
 *    median and their average weighted 1, 3, 5, 7, 9, the latest most.
 *  - `min-of-8`: the middle of the quickest of eight, the textbook's filter (RFC 5905 takes the least delay of eight).
 *  - `cold-single`: the middle of one, not rounded.
 *
 * Returned is the error: what each believes exchange minus host to be, less what it is when the last answer is in.
 */
import type { SimulatedExchange } from '../world/exchange.js';
import type { Host } from '../world/host.js';
import type { Weather } from '../world/weather.js';

export const PEERS = ['min-of-8', 'hummingbot', 'ccxt', 'bybit-api', 'cold-single'] as const;
export type Peer = (typeof PEERS)[number];

const HUMMINGBOT_WEIGHTS = [1, 3, 5, 7, 9];
const REQUESTS = 8;

/** A request, timed the way a stopwatch around the call does. */
interface Timed {
  readonly serverTimeMs: number;
  /** True time. */
  readonly startMs: number;
  readonly endMs: number;
}

export function requestsAt(startMs: number, weather: Weather, exchange: SimulatedExchange): Timed[] {
  const requests: Timed[] = [];
  let at = startMs;
  for (let k = 0; k < REQUESTS; k++) {
    const { setUpMs, upMs, processingMs, downMs } = weather.trip(k);
    const stampedAtMs = at + (k === 0 ? setUpMs : 0) + upMs + processingMs;
    const endMs = stampedAtMs + downMs;
    requests.push({ serverTimeMs: exchange.stamp(stampedAtMs).serverTimeMs, startMs: at, endMs });
    at = endMs;
  }
  return requests;
}

export function errorsOf(
  requests: readonly Timed[],
  exchange: SimulatedExchange,
  host: Host,
): Record<Peer, number> {
  const middles = requests.map(request => middleError(request, exchange, host));
  const [first] = requests as [Timed];
  const quickest = requests.reduce((a, b) => (b.endMs - b.startMs < a.endMs - a.startMs ? b : a));
  return {
    'min-of-8': middles[requests.indexOf(quickest)] as number,
    hummingbot: hummingbot(middles.slice(0, HUMMINGBOT_WEIGHTS.length)),
    ccxt: first.serverTimeMs - wholeWall(host, first.endMs) - offsetAt(first.endMs, exchange, host),
    'bybit-api': bybitApi(first, host) - offsetAt(first.endMs, exchange, host),
    'cold-single': middles[0] as number,
  };
}

/** Exchange minus host. */
const offsetAt = (trueMs: number, exchange: SimulatedExchange, host: Host) =>
  exchange.clock.read(trueMs) - host.wall(trueMs);

const wholeWall = (host: Host, trueMs: number) => Math.floor(host.wall(trueMs));

/** The formula of bybit-api, by the wall clock. */
export function bybitApi({ serverTimeMs, startMs, endMs }: Timed, host: Host): number {
  const [start, end] = [wholeWall(host, startMs), wholeWall(host, endMs)];
  return Math.ceil(serverTimeMs - end + (end - start) / 2);
}

/** Of server minus middle, by a monotonic clock with fractions. */
function middleError(
  { serverTimeMs, startMs, endMs }: Timed,
  exchange: SimulatedExchange,
  host: Host,
): number {
  const [start, end] = [host.monotonic(startMs), host.monotonic(endMs)];
  return serverTimeMs - (start + end) / 2 - (exchange.clock.read(endMs) - end);
}

function hummingbot(errors: readonly number[]): number {
  const sorted = [...errors].sort((a, b) => a - b);
  const median = sorted[Math.floor(sorted.length / 2)] as number;
  let [sum, weights] = [0, 0];
  errors.forEach((error, k) => {
    const weight = HUMMINGBOT_WEIGHTS[k] as number;
    sum += weight * error;
    weights += weight;
  });
  return (median + sum / weights) / 2;
}
