/** An exchange's clock, asked for without an account: the call that its profile names, over a connection of its own. */
import type { ClockSample } from '../clock/offset.js';
import type { Environment } from '../events/connector.js';
import { DEFAULT_TIMEOUT_MS } from './adapter-options.js';
import { parseBaseUrl, withTls } from './base-url.js';
import { openEnvelope } from './envelope.js';
import type { ExchangeProfile } from './exchange-profile.js';
import { createHttpTransport } from './http-transport.js';
import { createSampleIntake } from './sample-intake.js';
import { sampleOf } from './server-stamp.js';
import { readStamp } from './stamp-place.js';

export interface PublicClockOptions {
  readonly environment: Environment;
  readonly baseUrl: string;
  readonly now: () => number;
  readonly wall: () => number;
}

/**
 * Two requests: the first opens the connection, so that the second bounds the clock closely.
 * @throws ExchangeError; InvalidInputError for plain http beyond loopback
 */
export async function measurePublicClock(
  profile: ExchangeProfile,
  { environment, baseUrl, now, wall }: PublicClockOptions,
): Promise<ClockSample> {
  const url = withTls(parseBaseUrl(baseUrl)) + profile.time.path;
  const transport = createHttpTransport({ timeoutMs: DEFAULT_TIMEOUT_MS, now, wall });
  const intake = createSampleIntake({ now, wall });
  const context = {
    exchange: profile.name,
    endpoint: `GET ${profile.time.path}`,
    timeoutMs: DEFAULT_TIMEOUT_MS,
    redact: (text: string) => text,
  };
  const ask = async () => {
    const headers = profile.headers?.[environment] ?? {};
    const outcome = await transport.send({ method: 'GET', url, headers });
    const { reply, body } = openEnvelope(profile, context, outcome, intake);
    const stamp = readStamp(profile.time.stamp, body, reply.headers);
    const sample = sampleOf(reply, stamp?.ms ?? Number.NaN, 'time-endpoint', stamp?.resolutionMs);
    return { context, reply, sample };
  };
  try {
    await intake.measure(ask);
    return await intake.measure(ask);
  } finally {
    transport.close();
  }
}
