/** What every adapter checks and completes before anything is sent. */

import { ConnectorStateError, InvalidInputError } from '../base/errors.js';
import { shown } from '../base/shown.js';
import type { AcceptedRange } from '../clock/request-window.js';
import { type Exchange, parseEnvironment } from '../events/connector.js';
import { parseBaseUrl, withTls } from './base-url.js';
import { parseCredentials } from './credentials.js';
import type { AdapterOptions } from './exchange-adapter.js';
import type { ExchangeProfile } from './exchange-profile.js';
import { hostOf } from './registry.js';
import { RESOLUTION_MS, wholeUnits } from './stamp-place.js';

export const DEFAULT_TIMEOUT_MS = 10_000;
const MAX_TIMEOUT_MS = 300_000;

/** {@link AdapterOptions} with nothing left open. */
export interface AdapterSettings extends AdapterOptions {
  /** Without a slash at the end. */
  readonly baseUrl: string;
  readonly recvWindowMs: number;
  readonly lateRecvWindowMs: number;
  readonly earlyLimitMs: number;
  readonly aheadMs?: number | undefined;
  readonly timeoutMs: number;
}

/** @throws InvalidInputError for a malformed option; the message never repeats a credential */
export function parseAdapterOptions(options: AdapterOptions, profile: ExchangeProfile): AdapterSettings {
  const environment = parseEnvironment(options.environment);
  const { defaultMs, maxMs, earlyLimitMs, aheadMs } = profile.window;
  const recvWindowMs = parseWindow('recvWindowMs', options.recvWindowMs ?? defaultMs, profile);
  return {
    environment,
    credentials: parseCredentials(options.credentials, profile),
    baseUrl: withTls(
      parseBaseUrl(options.baseUrl ?? hostOf(profile, environment, options.region)),
      options.plainHttpHosts,
    ),
    recvWindowMs,
    lateRecvWindowMs: parseWhole(
      'lateRecvWindowMs',
      options.lateRecvWindowMs ?? recvWindowMs,
      maxMs,
      recvWindowMs,
    ),
    earlyLimitMs,
    aheadMs,
    timeoutMs: parseWhole('timeoutMs', options.timeoutMs ?? DEFAULT_TIMEOUT_MS, MAX_TIMEOUT_MS),
    agent: options.agent,
    now: options.now,
    wall: options.wall,
    timestamp: () => wholeTimestamp(options.timestamp(), RESOLUTION_MS[profile.request.stamp.format]),
    onSample: options.onSample,
    onEdge: options.onEdge,
    onBadSample: options.onBadSample,
  };
}

export function closedError(exchange: Exchange): ConnectorStateError {
  return new ConnectorStateError('CLOSED', `this ${exchange} adapter was closed: create another one`);
}

/**
 * A fraction would reach the header, and an exchange refuses it as malformed rather than as mistimed. Where the header holds
 * whole seconds it is these that are judged, and that the answer is evidence of.
 */
function wholeTimestamp(value: number, unitMs: number): number {
  if (!Number.isFinite(value)) {
    throw new InvalidInputError(`timestamp() must return epoch milliseconds, got ${shown(value)}`);
  }
  return wholeUnits(Math.round(value), unitMs);
}

/** Which timestamps the exchange takes, for these settings. */
export const rangeOf = ({ recvWindowMs, earlyLimitMs, aheadMs }: AdapterSettings): AcceptedRange => ({
  recvWindowMs,
  earlyLimitMs,
  ...(aheadMs !== undefined && { aheadMs }),
});

function parseWindow(
  name: string,
  value: number,
  { name: exchange, window, request }: ExchangeProfile,
): number {
  if (request.window || value === window.defaultMs) return parseWhole(name, value, window.maxMs);
  throw new InvalidInputError(
    `${name} cannot be chosen for ${exchange}, whose window is fixed at ${window.defaultMs} ms, got ${shown(value)}: leave it out`,
  );
}

function parseWhole(name: string, value: number, max: number, min = 1): number {
  if (!Number.isInteger(value) || value < min || value > max) {
    throw new InvalidInputError(
      `${name} must be a whole number of milliseconds from ${min} to ${max}, got ${shown(value)}`,
    );
  }
  return value;
}
