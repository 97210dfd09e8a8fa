/**
 * The one place that loads bingx-api, piece by piece.
 *
 * The package's root, and its `BingxApiClient`, load NestJS 10 and axios for an HTTP executor that we replace
 * anyway: 250 to 450 ms and 40 MB in a cold function. The account service, the endpoints and the signing
 * account lie one folder deeper, load in 10 ms, and are what the client itself is made of. The package
 * declares no `exports`, so these paths are open, and its own type declarations import by them; that they are
 * still there and still without NestJS is tested, for an update that moves them.
 *
 * By `require`: the SDK is an optional peer, and an import that fails at the head of a module can be explained by nobody.
 */
import { createRequire } from 'node:module';
import type * as Account from 'bingx-api/bingx/account/api-account.js';
import type * as DefaultParameters from 'bingx-api/bingx/account/default-signature-parameters.js';
import type * as Parameters from 'bingx-api/bingx/account/signature-parameters.js';
import type * as ServerTime from 'bingx-api/bingx/endpoints/bingx-get-server-time-endpoint.js';
import type * as Endpoints from 'bingx-api/bingx/endpoints/endpoint.js';
import type * as Service from 'bingx-api/bingx-client/services/account.service.js';
import { requireOptional } from '../../base/optional-package.js';

export type { AccountInterface } from 'bingx-api/bingx/account/account.interface.js';
export type { EndpointInterface } from 'bingx-api/bingx/endpoints/endpoint.interface.js';
export type { RequestExecutorInterface } from 'bingx-api/bingx/request-executor/request-executor.interface.js';

// At the top and under this name: so the file tracers of serverless platforms recognise what is required below.
const require = createRequire(import.meta.url);

const load = () => ({
  ...(require('bingx-api/bingx/account/api-account.js') as typeof Account),
  ...(require('bingx-api/bingx/account/default-signature-parameters.js') as typeof DefaultParameters),
  ...(require('bingx-api/bingx/account/signature-parameters.js') as typeof Parameters),
  ...(require('bingx-api/bingx/endpoints/bingx-get-server-time-endpoint.js') as typeof ServerTime),
  ...(require('bingx-api/bingx/endpoints/endpoint.js') as typeof Endpoints),
  ...(require('bingx-api/bingx-client/services/account.service.js') as typeof Service),
});

export const {
  ApiAccount,
  DefaultSignatureParameters,
  SignatureParameters,
  BingxGetServerTimeEndpoint,
  Endpoint,
  AccountService,
} = requireOptional('connector-state/bingx', load);
