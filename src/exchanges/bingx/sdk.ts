/**
 * The one place that loads bingx-api, piece by piece.
 *
 * The package's root, and its `BingxApiClient`, load NestJS 10 and axios for an HTTP executor that we replace
 * anyway: 250 to 450 ms and 40 MB in a cold function. The account service, the endpoints and the signing
 * account lie one folder deeper, load in 10 ms, and are what the client itself is made of. The package
 * declares no `exports`, so these paths are open, and its own type declarations import by them; that they are
 * still there and still without NestJS is tested, for an update that moves them.
 */
export type { AccountInterface } from 'bingx-api/bingx/account/account.interface.js';
export { ApiAccount } from 'bingx-api/bingx/account/api-account.js';
export { DefaultSignatureParameters } from 'bingx-api/bingx/account/default-signature-parameters.js';
export { SignatureParameters } from 'bingx-api/bingx/account/signature-parameters.js';
export { BingxGetServerTimeEndpoint } from 'bingx-api/bingx/endpoints/bingx-get-server-time-endpoint.js';
export type { EndpointInterface } from 'bingx-api/bingx/endpoints/endpoint.interface.js';
export { Endpoint } from 'bingx-api/bingx/endpoints/endpoint.js';
export type { RequestExecutorInterface } from 'bingx-api/bingx/request-executor/request-executor.interface.js';
export { AccountService } from 'bingx-api/bingx-client/services/account.service.js';
