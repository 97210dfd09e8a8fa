/**
 * Where things stand in Redis. Everything that one script touches lies in one slot, which in a cluster the part in braces
 * decides: one of 256, spread over its nodes. A single server has one for all, and no braces. Each of these *cells* has a link of its own,
 * for the clock of the node that it lies on. A connector's
 * key is a digest: it is short, and tells nobody who the users are.
 */
import { hash } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import { scopeOf } from '../events/connector.js';
import type { LookupKey } from '../read-model/lookup.js';
import { type AskedRef, FORMAT } from './packed.js';

/**
 * Of a digest in base64, 60 bits. On a single server a key has 14 characters then with the default prefix, which Redis keeps in
 * 16 bytes. Two connectors of one digest read as another's.
 */
const KEY_CHARACTERS = 10;

type ClockKey = Pick<LookupKey, 'exchange' | 'environment' | 'scope'>;

/**
 * A connector that is known: the same object each time, so what was worked out for it lies in it. In a WeakMap beside it a
 * thousand connectors cost a thousand places of memory that no cache holds, and the garbage collector each of them.
 */
export interface SharedKey extends LookupKey, AskedRef {
  readonly scope?: string | undefined;
  /** Where its state stands; {@link StatePlace.by} says by whose reckoning. */
  place?: StatePlace | undefined;
}

export interface KeyPlace {
  readonly cell: string;
  readonly key: string;
}

export interface StatePlace extends KeyPlace {
  readonly by: Keys;
  /** Its clock's: the same object for most of a clock's connectors. */
  readonly clock: KeyPlace;
}

const MAX_CLOCKS_KNOWN = 1_000;

export interface Keys {
  cellOfState(cacheKey: string): string;
  cellOfClock(clock: ClockKey): string;
  link(cell: string): string;
  state(cell: string, cacheKey: string): string;
  /** The same, remembered in the object that is asked with. */
  stateAsked(asked: SharedKey): StatePlace;
  clock(cell: string, clock: ClockKey): string;
  lease(clock: ClockKey): string;
  readonly channel: string;
}

export const clockNameOf = (of: ClockKey): string => `${of.exchange} ${of.environment} ${scopeOf(of)}`;
/** As the memory tier calls a connector. */
export const connectorNameOf = (of: ClockKey & Pick<LookupKey, 'cacheKey'>): string =>
  `${clockNameOf(of)} ${of.cacheKey}`;

export function createKeys(prefix: string, isCluster: boolean): Keys {
  const cellOf = (text: string): string => (isCluster ? String(hash('sha1', text, 'buffer')[0]) : '0');
  const at = (cell: string, rest: string) => `${prefix}${FORMAT}:${isCluster ? `{${cell}}:` : ''}${rest}`;
  const state = (cell: string, cacheKey: string) =>
    at(cell, hash('sha1', cacheKey, 'base64url').slice(0, KEY_CHARACTERS));
  const cellOfClock = (clock: ClockKey) => cellOf(clockNameOf(clock));
  const clock = (cell: string, of: ClockKey) => at(cell, `c:${clockNameOf(of)}`);
  const clocksKnown = new LRUCache<string, KeyPlace>({ max: MAX_CLOCKS_KNOWN });
  const clockAsked = (of: ClockKey): KeyPlace => {
    const name = clockNameOf(of);
    let place = clocksKnown.get(name);
    if (!place) {
      const cell = cellOfClock(of);
      place = { cell, key: clock(cell, of) };
      clocksKnown.set(name, place);
    }
    return place;
  };
  const keys: Keys = {
    cellOfState: cellOf,
    cellOfClock,
    link: cell => at(cell, 'link'),
    state,
    stateAsked(asked) {
      if (asked.place?.by === keys) return asked.place;
      const cell = cellOf(asked.cacheKey);
      asked.place = { by: keys, cell, key: state(cell, asked.cacheKey), clock: clockAsked(asked) };
      return asked.place;
    },
    clock,
    lease: clock => at(cellOfClock(clock), `l:${clockNameOf(clock)}`),
    channel: `${prefix}${FORMAT}:gone`,
  };
  return keys;
}
