export { createBybitAdapter } from './adapter.js';
export { classifyBybit } from './error-classes.js';
export { rehearseBybit } from './rehearsal.js';
