/**
 * Where things stand in Redis. Everything that one script touches lies in one slot, which in a cluster the part in braces
 * decides: one of 256, spread over its nodes. A single server has one for all, and no braces. Each of these *cells* has a link of its own,
 * for the clock of the node that it lies on. A connector's
 * key is a digest: it is short, and tells nobody who the users are.
 */
import { createHash } from 'node:crypto';
import { scopeOf } from '../events/connector.js';
import type { LookupKey } from '../read-model/lookup.js';
import { FORMAT } from './packed.js';

/**
 * Of a digest in base64, 60 bits. On a single server a key has 14 characters then with the default prefix, which Redis keeps in
 * 16 bytes. Two connectors of one digest read as another's.
 */
const KEY_CHARACTERS = 10;

type ClockKey = Pick<LookupKey, 'exchange' | 'environment' | 'scope'>;

interface StatePlace {
  readonly cell: string;
  readonly key: string;
}

export interface Keys {
  cellOfState(cacheKey: string): string;
  cellOfClock(clock: ClockKey): string;
  link(cell: string): string;
  state(cell: string, cacheKey: string): string;
  /** The same, remembered with the object that is asked with. */
  stateAsked(asked: Pick<LookupKey, 'cacheKey'>): StatePlace;
  clock(cell: string, clock: ClockKey): string;
  lease(clock: ClockKey): string;
  readonly channel: string;
}

export const clockNameOf = (of: ClockKey): string => `${of.exchange} ${of.environment} ${scopeOf(of)}`;
/** As the memory tier calls a connector. */
export const connectorNameOf = (of: ClockKey & Pick<LookupKey, 'cacheKey'>): string =>
  `${clockNameOf(of)} ${of.cacheKey}`;

export function createKeys(prefix: string, isCluster: boolean): Keys {
  const cellOf = (text: string): string =>
    isCluster ? String(createHash('sha1').update(text).digest()[0]) : '0';
  const statesKnown = new WeakMap<object, StatePlace>();
  const at = (cell: string, rest: string) => `${prefix}${FORMAT}:${isCluster ? `{${cell}}:` : ''}${rest}`;
  const state = (cell: string, cacheKey: string) =>
    at(cell, createHash('sha1').update(cacheKey).digest('base64url').slice(0, KEY_CHARACTERS));
  const cellOfClock = (clock: ClockKey) => cellOf(clockNameOf(clock));
  return {
    cellOfState: cellOf,
    cellOfClock,
    link: cell => at(cell, 'link'),
    state,
    stateAsked(asked) {
      let known = statesKnown.get(asked);
      if (!known) {
        const cell = cellOf(asked.cacheKey);
        known = { cell, key: state(cell, asked.cacheKey) };
        statesKnown.set(asked, known);
      }
      return known;
    },
    clock: (cell, clock) => at(cell, `c:${clockNameOf(clock)}`),
    lease: clock => at(cellOfClock(clock), `l:${clockNameOf(clock)}`),
    channel: `${prefix}${FORMAT}:gone`,
  };
}
