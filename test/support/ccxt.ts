/** ccxt's classes, exchange by exchange: the package's root loads more than a hundred. */
import type { CcxtClass } from '../../src/exchanges/attached-ccxt.js';
import { projectDirectory } from './run.js';

const source = `${projectDirectory}/node_modules/ccxt/js/src`;

/** @param id ccxt's name */
export async function ccxtClass(id: string): Promise<CcxtClass> {
  const { default: Class } = await import(`${source}/${id}.js`);
  return Class as CcxtClass;
}

/** One after the other: jest's loader mixes up what two imports at once have in common. */
export async function ccxtClasses(ids: readonly string[]): Promise<ReadonlyMap<string, CcxtClass>> {
  const classes = new Map<string, CcxtClass>();
  for (const id of ids) classes.set(id, await ccxtClass(id));
  return classes;
}
