/**
 * A bundler that takes this package in does not see what it loads by name: `pg`, the exchanges' SDKs, its own version.
 * Then nothing of it works, and Node's words for that name an argument or a package that was never asked for.
 */
import { ConnectorStateError } from './errors.js';

export function bundledError(cause?: unknown): ConnectorStateError {
  return new ConnectorStateError(
    'PACKAGE_MISSING',
    'connector-state was taken into a bundle, or deployed without the packages it loads by name, such as pg: leave packages out of the bundle and deploy node_modules with it (esbuild: --packages=external)',
    { cause },
  );
}

// A CommonJS bundle of ES modules has no place to load anything from.
if (!import.meta.url) throw bundledError();
