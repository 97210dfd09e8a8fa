import { createRequire } from 'node:module';

/** Of this package. By its own name, since compiled files and published ones lie at different depths. */
export function packageVersion(): string {
  const { version } = createRequire(import.meta.url)('connector-state/package.json') as { version: string };
  return version;
}
