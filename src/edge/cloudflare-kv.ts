/**
 * Workers KV from outside of Workers, over Cloudflare's REST API.
 * Source: Cloudflare API, "Write key-value pair with optional metadata": `PUT
 * /accounts/{account_id}/storage/kv/namespaces/{namespace_id}/values/{key_name}?expiration_ttl=…`. Not verified live.
 */
import { ConnectorStateError, InvalidInputError } from '../base/errors.js';
import { kindOfFailure } from './no-answer.js';
import type { ClockStore } from './publisher.js';

export interface CloudflareKvOptions {
  readonly accountId: string;
  readonly namespaceId: string;
  /** Needs "Workers KV Storage: Edit" on the account, and nothing else. */
  readonly apiToken: string;
  readonly fetch?: typeof fetch | undefined;
  /** Default Cloudflare's own. */
  readonly apiUrl?: string | undefined;
  /** Default 10 000. */
  readonly timeoutMs?: number | undefined;
}

const API_URL = 'https://api.cloudflare.com/client/v4';

/**
 * @example
 * const store = cloudflareKv({ accountId, namespaceId, apiToken });
 * @throws InvalidInputError for a token that is none
 */
export function cloudflareKv(options: CloudflareKvOptions): ClockStore {
  const { accountId, namespaceId, apiToken, apiUrl = API_URL, timeoutMs = 10_000 } = options;
  const send = options.fetch ?? fetch;
  // What no header can hold, or a file's quotes, would be refused at each write, for ever.
  if (!/^[\w.~+/=-]+$/.test(apiToken)) {
    throw new InvalidInputError(
      'apiToken (CLOUDFLARE_API_TOKEN) must be letters, digits and . _ ~ + / = -, got others: look for quotes, or a line break or blank at its ends',
    );
  }
  const namespace = `${apiUrl}/accounts/${encodeURIComponent(accountId)}/storage/kv/namespaces/${encodeURIComponent(namespaceId)}`;
  return {
    async put(key, value, { expirationTtl }) {
      const url = `${namespace}/values/${encodeURIComponent(key)}?expiration_ttl=${expirationTtl}`;
      const response = await send(url, {
        method: 'PUT',
        headers: { authorization: `Bearer ${apiToken}`, 'content-type': 'text/plain' },
        body: value,
        signal: AbortSignal.timeout(timeoutMs),
      }).catch(error => {
        throw failure(`gave no answer (${kindOfFailure(error)}): check the network, it is tried again later`);
      });
      await response.body?.cancel();
      if (!response.ok) throw failure(`answered ${response.status}: ${remedyFor(response.status)}`);
    },
  };
}

const failure = (problem: string) =>
  new ConnectorStateError('PUBLISHING_FAILED', `Workers KV could not be written to, Cloudflare ${problem}`);

function remedyFor(status: number): string {
  if (status === 401 || status === 403) return 'check the token and that it may edit Workers KV storage';
  if (status === 404) return 'check the account and the namespace';
  return status === 429 ? 'too many writes, they go on later' : 'try again later';
}
