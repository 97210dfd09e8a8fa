export { createBingxAdapter } from './adapter.js';
export { classifyBingx } from './error-classes.js';
export { rehearseBingx } from './rehearsal.js';
