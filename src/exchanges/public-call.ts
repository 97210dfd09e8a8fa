/** An unsigned GET to an exchange, over a connection of its own that ends with the work. */
import type { Environment } from '../events/connector.js';
import { DEFAULT_TIMEOUT_MS } from './adapter-options.js';
import { parseBaseUrl, withTls } from './base-url.js';
import { type Answer, openEnvelope } from './envelope.js';
import type { ExchangeProfile } from './exchange-profile.js';
import type { RequestContext } from './failures.js';
import { createHttpTransport } from './http-transport.js';
import { createRedactor } from './redact.js';
import { createSampleIntake, type SampleIntake } from './sample-intake.js';

export interface PublicCall {
  readonly environment: Environment;
  readonly baseUrl: string;
  readonly now: () => number;
  readonly wall: () => number;
  /** Awaited before each request: for who may send only so many. */
  readonly turn?: (() => Promise<void>) | undefined;
}

export interface PublicAnswer {
  readonly answer: Answer;
  readonly context: RequestContext;
}

/**
 * @param path with its query
 * @param work may ask more than once, over the same connection
 * @throws ExchangeError; InvalidInputError for plain http beyond loopback; what `turn` throws
 */
export async function askPublicly<T>(
  profile: ExchangeProfile,
  { environment, baseUrl, now, wall, turn }: PublicCall,
  path: string,
  work: (ask: () => Promise<PublicAnswer>, intake: SampleIntake) => Promise<T>,
): Promise<T> {
  const url = withTls(parseBaseUrl(baseUrl)) + path;
  const transport = createHttpTransport({ timeoutMs: DEFAULT_TIMEOUT_MS, now, wall });
  const intake = createSampleIntake({ now, wall });
  const context = {
    exchange: profile.name,
    endpoint: `GET ${path.split('?', 1)[0]}`,
    timeoutMs: DEFAULT_TIMEOUT_MS,
    redact: createRedactor([]),
  };
  const headers = profile.headers?.[environment] ?? {};
  try {
    return await work(async () => {
      await turn?.();
      const outcome = await transport.send({ method: 'GET', url, headers });
      return { answer: openEnvelope(profile, context, outcome, intake), context };
    }, intake);
  } finally {
    transport.close();
  }
}
