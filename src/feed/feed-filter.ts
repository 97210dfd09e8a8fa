/**
 * Which events a follower wants. Each field narrows; what is left out does not. An event that has no such field (a
 * clean-up has no user) is not wanted by who asks for one: whoever is bound to a user sees nothing but his own.
 */
import { InvalidInputError } from '../base/errors.js';
import { shown } from '../base/shown.js';
import { parseEnvironment, parseExchange, parseId } from '../events/connector.js';
import type { StoredEvent } from '../events/event.js';

export interface FeedFilter {
  readonly exchange?: string | undefined;
  readonly environment?: string | undefined;
  readonly userId?: string | undefined;
  readonly credentialId?: string | undefined;
  /** Any of these; at least one. A type that this version does not know is no error: a newer one may write it. */
  readonly types?: readonly string[] | undefined;
}

export type WantsEvent = (event: StoredEvent) => boolean;

const MAX_TYPES = 50;
const TYPE = /^[A-Za-z][A-Za-z0-9]{0,63}$/;

/**
 * @returns `undefined` where everything is wanted
 * @throws InvalidInputError for an exchange or environment that there is not, a malformed id or type
 */
export function createFilter(filter: FeedFilter = {}): WantsEvent | undefined {
  const { exchange, environment, userId, credentialId, types } = filter;
  const wanted: [field: string, value: string][] = [];
  if (exchange !== undefined) wanted.push(['exchange', parseExchange(exchange)]);
  if (environment !== undefined) wanted.push(['environment', parseEnvironment(environment)]);
  if (userId !== undefined) wanted.push(['userId', parseId('userId', userId)]);
  if (credentialId !== undefined) wanted.push(['credentialId', parseId('credentialId', credentialId)]);
  const ofTypes = types === undefined ? undefined : new Set(checkTypes(types));
  if (wanted.length === 0 && !ofTypes) return undefined;
  return ({ type, data }) => {
    if (ofTypes && !ofTypes.has(type)) return false;
    const fields = (data ?? {}) as Readonly<Record<string, unknown>>;
    return wanted.every(([field, value]) => fields[field] === value);
  };
}

function checkTypes(types: readonly string[]): readonly string[] {
  if (!Array.isArray(types) || types.length === 0 || types.length > MAX_TYPES) {
    throw new InvalidInputError(`types must be a list of 1 to ${MAX_TYPES} event types`);
  }
  const bad = types.find(type => typeof type !== 'string' || !TYPE.test(type));
  if (bad === undefined) return types;
  throw new InvalidInputError(`an event type must be a name like ConnectorSynced, got ${shown(bad)}`);
}
