export { createBybitAdapter } from './adapter.js';
export { attachedBybitClient, type BybitRestClient, type BybitRestClientClass } from './attached-client.js';
export {
  attachedBybitSocket,
  type BybitSocket,
  type BybitSocketApi,
  type BybitSocketClass,
} from './attached-socket.js';
export { BYBIT_PROFILE } from './profile.js';
export { rehearseBybit } from './rehearsal.js';
