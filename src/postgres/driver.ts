/**
 * The one place that loads `pg`.
 *
 * On Node 20 `pg` asks whether it runs on Cloudflare by constructing a `Response`, which makes Node load its
 * whole built-in fetch: 25 of the 45 ms that importing pg costs there (measured; Node 21 and later have a
 * `navigator`, which pg asks first). A cold function pays that on every start, so for the length of this one
 * synchronous require we show pg the `navigator` that Node 21 would.
 */
import { createRequire } from 'node:module';
import type pgModule from 'pg';
import { bundledError } from '../base/bundled.js';

// At the top and under this name: so the file tracers of serverless platforms recognise what is required below.
const require = createRequire(import.meta.url);

function load(): typeof pgModule {
  if ('navigator' in globalThis) return require('pg');
  Object.defineProperty(globalThis, 'navigator', {
    value: { userAgent: `Node.js/${process.versions.node.split('.')[0]}` },
    configurable: true,
  });
  try {
    return require('pg');
  } finally {
    Reflect.deleteProperty(globalThis, 'navigator');
  }
}

function loadOrSay(): typeof pgModule {
  try {
    return load();
  } catch (error) {
    throw (error as NodeJS.ErrnoException).code === 'MODULE_NOT_FOUND' ? bundledError(error) : error;
  }
}

export const pg = loadOrSay();
