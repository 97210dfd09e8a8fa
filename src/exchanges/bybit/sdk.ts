/**
 * The one place that loads bybit-api, by `require`, for two reasons.
 *
 * With BYBITTRACE in the environment the SDK prints every request to the console, API key and signature with
 * it. It looks at that variable once, while it is loaded, so it is hidden for as long as that takes; only a
 * `require` has a before and an after. (A program that loads the SDK itself before us, with that variable
 * set, has asked for the traces and gets ours too.)
 *
 * And the REST client is taken by its own path, which the package leaves open: its root loads the WebSocket
 * clients as well, 150 ms in place of 90.
 */
import { createRequire } from 'node:module';
import type { RestClientV5 as RestClient } from 'bybit-api/lib/rest-client-v5.js';
import { requireOptional } from '../../base/optional-package.js';

interface BybitSdk {
  readonly RestClientV5: typeof RestClient;
}

// At the top and under this name: so the file tracers of serverless platforms recognise what is required below.
const require = createRequire(import.meta.url);

function loadQuietly(): BybitSdk {
  const { BYBITTRACE: hidden } = process.env;
  delete process.env.BYBITTRACE;
  try {
    return requireOptional('connector-state/bybit', () => require('bybit-api/lib/rest-client-v5.js'));
  } finally {
    if (hidden !== undefined) process.env.BYBITTRACE = hidden;
  }
}

export const { RestClientV5 } = loadQuietly();
export type RestClientV5 = RestClient;
