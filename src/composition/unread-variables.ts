/**
 * Variables that were set and that nobody reads. The environment is everybody's, so only names that begin with ours are looked
 * at, and of these only what is near a setting: `CONNECTOR_STATE_POOL_SIZE` is `POOL_SIZE` to us, `CONNECTOR_STATE_KEY` may be a
 * program's own. It is a warning and no refusal, for a program may read such a name itself and pass it as an option.
 */
import type { Logger } from '../base/logging.js';
import { nearestOf } from '../base/unknown-options.js';
import { readSettings } from './settings.js';

type Environment = Readonly<Record<string, string | undefined>>;

const PREFIX = 'CONNECTOR_STATE_';

/** What is asked for where nothing is set: all of them, by construction. */
function variablesRead(): readonly string[] {
  const asked: string[] = [];
  const get = (_: unknown, name: string) => void asked.push(name);
  readSettings({}, new Proxy<Environment>({}, { get }));
  return [...new Set(asked)];
}

/** @returns each that is set and not read, with the one that was probably meant */
export function unreadVariables(env: Environment): { readonly name: string; readonly meant: string }[] {
  const set = Object.keys(env).filter(name => name.startsWith(PREFIX) && env[name]?.trim());
  if (set.length === 0) return [];
  const read = variablesRead();
  return set.flatMap(name => {
    if (read.includes(name)) return [];
    const meant = nearestOf(name, read) ?? nearestOf(name.slice(PREFIX.length), read);
    return meant === undefined ? [] : [{ name, meant }];
  });
}

let isTold = false;

/** Once a process: it is the deployment's, whatever opens it how often. */
export function tellOfUnreadVariables(log: Logger, env: Environment = process.env): void {
  if (isTold) return;
  isTold = true;
  for (const { name, meant } of unreadVariables(env)) {
    log.warn({}, `${name} is set, and is no setting: did you mean ${meant}?`);
  }
}
