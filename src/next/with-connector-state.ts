/** What a Next.js app must be told so that connector-state is deployed as it is installed. */
import { relative, sep } from 'node:path';
import { InvalidInputError } from '../base/errors.js';
import { OPTIONAL_PACKAGES, packageName } from '../base/optional-package.js';
import { kindOf } from '../base/shown.js';
import { packagesWithModuleSync } from './module-sync.js';

/** Of Next.js's own type, which is not imported: whoever uses this has one, in his version. */
interface NextConfig {
  serverExternalPackages?: string[] | undefined;
  outputFileTracingIncludes?: Record<string, string[]> | undefined;
}

/**
 * Loaded by Node as they are: bundled and minified they lose class names that they go by, and files that they load by path.
 */
const EXTERNAL = ['connector-state', 'pg', ...Object.values(OPTIONAL_PACKAGES).flat().map(packageName)];

/** Of every route. */
const ALL_ROUTES = '/**';

/**
 * A Next.js configuration (15.1 or newer, with Turbopack or webpack) that keeps connector-state and its packages out of
 * the bundle and lets all of their files be deployed. What the configuration says by itself is kept.
 *
 * @param config an object, or a function that makes one, as Next.js takes it
 * @example
 * ```ts
 * // next.config.ts
 * import { withConnectorState } from 'connector-state/next';
 * import type { NextConfig } from 'next';
 *
 * const config: NextConfig = { output: 'standalone' };
 * export default withConnectorState(config);
 * ```
 * @throws InvalidInputError for what is no configuration
 */
export function withConnectorState<C extends object>(config: C = {} as C): C {
  if (typeof config === 'function') {
    const make = config as unknown as (...args: unknown[]) => unknown;
    const wrapped = async (...args: unknown[]) => extended(checked(await make(...args)));
    return wrapped as unknown as C;
  }
  return extended(checked(config)) as C;
}

function checked(config: unknown): NextConfig {
  if (typeof config === 'object' && config !== null && !Array.isArray(config)) return config as NextConfig;
  throw new InvalidInputError(
    `withConnectorState() takes Next.js's configuration, or a function that makes one, got ${kindOf(config)}`,
  );
}

function extended(config: NextConfig): NextConfig {
  const project = process.cwd();
  const external = [...new Set([...(config.serverExternalPackages ?? []), ...EXTERNAL])];
  const files = packagesWithModuleSync(EXTERNAL, project).map(
    home => `${relative(project, home).split(sep).join('/')}/**/*.{js,cjs,mjs,json}`,
  );
  const includes = config.outputFileTracingIncludes ?? {};
  return {
    ...config,
    serverExternalPackages: external,
    ...(files.length > 0 && {
      outputFileTracingIncludes: { ...includes, [ALL_ROUTES]: [...(includes[ALL_ROUTES] ?? []), ...files] },
    }),
  };
}
