/**
 * A connector that was checked once, with the names it goes by in this process.
 *
 * A connector asks with the same object every time, and checking it and building its key anew cost several
 * times what the lookup in memory does, most of it for hashing a string that is new each time (a string that
 * is kept keeps its hash). So what came of an object is remembered with it, and used as long as the object
 * still says the same.
 */
import { type ConnectorRef, cacheKeyOf, parseConnectorRef, scopeOf } from '../events/connector.js';

export interface KnownConnector extends ConnectorRef {
  readonly scope: string;
  readonly cacheKey: string;
  /** See {@link connectorKeyOf}. */
  readonly key: string;
}

/** Unlike the cache key it tells apart one credential's connectors on several exchanges and scopes. */
export const connectorKeyOf = (ref: ConnectorRef): string =>
  `${ref.exchange} ${ref.environment} ${scopeOf(ref)} ${cacheKeyOf(ref)}`;

export class KnownConnectors {
  readonly #byRef = new WeakMap<ConnectorRef, KnownConnector>();

  /** @throws InvalidInputError for a malformed connector */
  know(ref: ConnectorRef): KnownConnector {
    const known = this.#byRef.get(ref);
    if (known && isSame(known, ref)) return known;
    const checked = parseConnectorRef(ref);
    const made = { ...checked, cacheKey: cacheKeyOf(checked), key: connectorKeyOf(checked) };
    this.#byRef.set(ref, made);
    return made;
  }
}

const isSame = (a: ConnectorRef, b: ConnectorRef): boolean =>
  a.userId === b.userId &&
  a.credentialId === b.credentialId &&
  a.exchange === b.exchange &&
  a.environment === b.environment &&
  scopeOf(a) === scopeOf(b);
