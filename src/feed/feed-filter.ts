/**
 * Which events a follower wants. Each field narrows; what is left out does not. An event that has no such field (a
 * clean-up has no user) is not wanted by who asks for one: whoever is bound to a user sees nothing but his own.
 */
import { InvalidInputError } from '../base/errors.js';
import { shown } from '../base/shown.js';
import { nearestOf, refuseUnknownOptions } from '../base/unknown-options.js';
import { SCHEMA_VERSIONS } from '../events/catalogue.js';
import { parseEnvironment, parseExchange, parseId } from '../events/connector.js';
import type { StoredEvent } from '../events/event.js';

export interface FeedFilter {
  readonly exchange?: string | undefined;
  readonly environment?: string | undefined;
  readonly userId?: string | undefined;
  readonly credentialId?: string | undefined;
  /** Any of these; at least one. A name that is none of the catalogue's would follow nothing in silence: it is refused. */
  readonly types?: readonly string[] | undefined;
}

export type WantsEvent = (event: StoredEvent) => boolean;

const MAX_TYPES = 50;
const FIELDS: readonly (keyof FeedFilter)[] = ['exchange', 'environment', 'userId', 'credentialId', 'types'];
const TYPES = Object.keys(SCHEMA_VERSIONS);

/**
 * @returns `undefined` where everything is wanted
 * @throws InvalidInputError for an exchange, environment or type that there is not, a malformed id, an unknown field
 */
export function createFilter(filter: FeedFilter = {}): WantsEvent | undefined {
  refuseUnknownOptions(filter, FIELDS, 'a filter of the feed');
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
  const unknown = types.find(type => !TYPES.includes(type));
  if (unknown === undefined) return types;
  const nearest = typeof unknown === 'string' ? nearestOf(unknown, TYPES) : undefined;
  throw new InvalidInputError(
    `there is no event type ${shown(unknown)}${nearest ? `; did you mean ${nearest}?` : `: there are ${TYPES.join(', ')}`}`,
  );
}
