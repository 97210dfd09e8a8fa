/** `connector-state/next` */
export { sharedConnectorState } from './shared-connector-state.js';
export { withConnectorState } from './with-connector-state.js';
