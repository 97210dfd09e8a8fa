/**
 * A connector that was checked once, with the names it goes by in this process.
 *
 * A connector asks with the same object every time, and checking it and building its key anew cost several
 * times what the lookup in memory does, most of it for hashing a string that is new each time (a string that
 * is kept keeps its hash). So what came of an object is remembered with it, and used as long as the object
 * still says the same.
 *
 * Who asks for many at once, as the service does, asks with objects that are new each time. To remember each of them costs the
 * garbage collector more than the lookup, so those are found by what they say: by one text in place of two checks and two keys. An
 * object that asked alone before is known all the same.
 */
import { LRUCache } from 'lru-cache';
import { type ConnectorRef, cacheKeyOf, parseConnectorRef, scopeOf } from '../events/connector.js';
import type { SharedKey } from '../shared-tier/keys.js';
import type { CountedRef } from './hit-counts.js';

export interface KnownConnector extends CountedRef, SharedKey {
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
  readonly #byText: LRUCache<string, KnownConnector> | undefined;

  /** @param mostByText how many of {@link knowOneOfMany} are remembered; 0: none */
  constructor(mostByText = 0) {
    if (mostByText > 0) this.#byText = new LRUCache({ max: mostByText });
  }

  /** @throws InvalidInputError for a malformed connector */
  know(ref: ConnectorRef): KnownConnector {
    const known = this.#byRef.get(ref);
    if (known && isSame(known, ref)) return known;
    const made = madeOf(ref);
    this.#byRef.set(ref, made);
    return made;
  }

  /**
   * The same for an object that may never be seen again.
   * @throws InvalidInputError for a malformed connector
   */
  knowOneOfMany(ref: ConnectorRef): KnownConnector {
    const asked = this.#byRef.get(ref);
    if (asked && isSame(asked, ref)) return asked;
    const text = this.#byText && textOf(ref);
    if (text === undefined) return madeOf(ref);
    const known = this.#byText?.get(text);
    // Texts of two malformed ones may be the same.
    if (known && isSame(known, ref)) return known;
    const made = madeOf(ref);
    this.#byText?.set(text, made);
    return made;
  }
}

function madeOf(ref: ConnectorRef): KnownConnector {
  const checked = parseConnectorRef(ref);
  const cacheKey = cacheKeyOf(checked);
  return {
    ...checked,
    cacheKey,
    key: connectorKeyOf(checked),
    place: undefined,
    whose: undefined,
    counted: null,
  };
}

/** `undefined`: it is malformed. */
function textOf(ref: ConnectorRef): string | undefined {
  if (typeof ref?.userId !== 'string' || typeof ref.credentialId !== 'string') return undefined;
  if (typeof ref.exchange !== 'string' || typeof ref.environment !== 'string') return undefined;
  const scope = scopeOf(ref);
  if (typeof scope !== 'string') return undefined;
  return `${ref.userId}\n${ref.credentialId}\n${ref.exchange}\n${ref.environment}\n${scope}`;
}

const isSame = (a: ConnectorRef, b: ConnectorRef): boolean =>
  a.userId === b.userId &&
  a.credentialId === b.credentialId &&
  a.exchange === b.exchange &&
  a.environment === b.environment &&
  scopeOf(a) === scopeOf(b);
