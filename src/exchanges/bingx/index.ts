export { type BingxAdapter, createBingxAdapter } from './adapter.js';
export {
  type AttachedBingxClient,
  attachedBingxClient,
  type BingxClient,
  type BingxClientClass,
} from './attached-client.js';
export {
  type AttachedBingxStream,
  attachedBingxStream,
  type BingxStream,
  type BingxStreamClass,
  isBingxStream,
  type KeptAlive,
} from './attached-stream.js';
export { BINGX_PROFILE } from './profile.js';
export { rehearseBingx } from './rehearsal.js';
