export { type BingxAdapter, createBingxAdapter } from './adapter.js';
export {
  type AttachedBingxClient,
  attachedBingxClient,
  type BingxClient,
  type BingxClientClass,
} from './attached-client.js';
export { BINGX_CCXT } from './ccxt-profile.js';
export { classifyBingx } from './error-classes.js';
export { rehearseBingx } from './rehearsal.js';
