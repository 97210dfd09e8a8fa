/**
 * One call through bybit-api, and all that came of it.
 *
 * The SDK builds and signs the request; sending is ours, through the axios adapter it lets us pass. What the
 * SDK returns or throws is not looked at: it drops headers and times on success, its errors hold the secret
 * (`requestOptions.secret`) and the API key. The outcome is taken from our own adapter instead, and the SDK's
 * error dies in the one place where it arrives.
 *
 * Each call has a client of its own. A client is a plain object over the shared transport, made in
 * microseconds, and what it keeps between the steps of a request (`timeOffset`) then belongs to that request
 * only, however many run at once.
 *
 * The timestamp goes in by the one public way there is: `syncTimeBeforePrivateRequests` makes the SDK await
 * `fetchTimeOffset()` before it signs, and it signs `Date.now() + offset`. So the override returns the
 * timestamp minus `Date.now()`, both whole; the SDK reads `Date.now()` again a few microtasks later, so once
 * in some thousand requests the timestamp is one millisecond late. `enable_time_sync` stays off: with it the
 * constructor would call the override before the subclass has its fields.
 *
 * Between the two readings, and from there to the transport, lie microtasks alone: no timer and no I/O, so nothing that
 * a freeze would wait for. What is left between the timestamp and the wire is a new connection (DNS, TCP, TLS)
 * and a machine that stops in the middle of it all. Each makes the timestamp
 * older than it was meant, never newer; the window is placed for that (clock/request-window.ts), and beyond it the
 * exchange's refusal is the cure.
 *
 * HMAC secrets are signed with node:crypto, which the SDK allows: its own way through WebCrypto adds 2 ms to
 * the first request of a process (12.4 against 14.5 ms at the median of seven) and two trips to the thread
 * pool between the timestamp and the wire to every other. RSA keys are left to the SDK.
 */
import { createHmac } from 'node:crypto';
import type { AdapterSettings } from '../adapter-options.js';
import type { HttpFailure, HttpReply } from '../http-transport.js';
import { isFailure } from '../http-transport.js';
import type { Sender } from '../living-connection.js';
import { RestClientV5 } from './sdk.js';

type NetworkOptions = NonNullable<ConstructorParameters<typeof RestClientV5>[1]>;
type AxiosAdapter = Extract<NonNullable<NetworkOptions['adapter']>, (...args: never[]) => unknown>;
type AxiosConfig = Parameters<AxiosAdapter>[0];

export async function callBybit(
  settings: AdapterSettings,
  sender: Sender,
  call: (client: RestClientV5) => Promise<unknown>,
): Promise<HttpReply | HttpFailure> {
  let outcome: HttpReply | HttpFailure | undefined;
  let problem = 'the SDK gave no reason';
  let timestampError: { error: unknown } | undefined;

  const adapter: AxiosAdapter = async config => {
    outcome = await sender.send(requestFrom(config));
    if (isFailure(outcome)) throw new Error(outcome.code);
    const { body, status, headers } = outcome;
    return { data: body, status, statusText: '', headers: { ...headers } as Record<string, string>, config };
  };
  const fetchOffset = () => {
    try {
      return settings.timestamp() - Date.now();
    } catch (error) {
      timestampError = { error };
      throw error;
    }
  };

  try {
    await call(new ClientOfOneCall(settings, adapter, fetchOffset));
  } catch (error) {
    // See above: the outcome says what happened, and this error also says the secret. Where there is no outcome the
    // SDK made no request, and its message alone says why.
    problem = error instanceof Error ? error.message : 'the SDK gave no reason';
  }
  if (timestampError) throw timestampError.error;
  return outcome ?? { failure: 'not-sent', code: 'NOT_SENT', problem };
}

class ClientOfOneCall extends RestClientV5 {
  readonly #fetchOffset: () => number;

  constructor(settings: AdapterSettings, adapter: AxiosAdapter, fetchOffset: () => number) {
    super(
      {
        key: settings.credentials.apiKey,
        secret: settings.credentials.apiSecret,
        baseUrl: settings.baseUrl,
        recv_window: settings.recvWindowMs,
        syncTimeBeforePrivateRequests: true,
        enable_time_sync: false,
        ...(isRsaKey(settings.credentials.apiSecret) ? {} : { customSignMessageFn: hmac }),
      },
      { adapter, timeout: settings.timeoutMs },
    );
    this.#fetchOffset = fetchOffset;
  }

  override async fetchTimeOffset(): Promise<number> {
    return this.#fetchOffset();
  }
}

/** As the SDK tells them apart. */
const isRsaKey = (secret: string) => secret.includes('PRIVATE KEY');

const hmac = async (message: string, secret: string) =>
  createHmac('sha256', secret).update(message).digest('hex');

function requestFrom(config: AxiosConfig) {
  // Signed calls carry their query in the URL, exactly as signed; public ones leave it to the sender.
  const query = new URLSearchParams(config.params ?? {}).toString();
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(config.headers.toJSON())) {
    if (value !== null && value !== undefined) headers[name] = String(value);
  }
  return {
    method: (config.method ?? 'get').toUpperCase(),
    url: query === '' ? String(config.url) : `${config.url}?${query}`,
    headers,
    body: typeof config.data === 'string' ? config.data : undefined,
  };
}
