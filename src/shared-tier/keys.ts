/**
 * Where things stand in Redis. Everything that one script touches lies in one slot, which the part in braces decides: one
 * for all on a single server, one of 256 in a cluster, spread over its nodes. Each of these *cells* has a link of its own,
 * for the clock of the node that it lies on. A connector's
 * key is a digest: it is short, and tells nobody who the users are.
 */
import { createHash } from 'node:crypto';
import { scopeOf } from '../events/connector.js';
import type { LookupKey } from '../read-model/lookup.js';
import { FORMAT } from './packed.js';

/** 22 characters with the default prefix, which Redis keeps in 24 bytes. Two connectors of one digest read as another's. */
const KEY_BYTES = 10;

type ClockKey = Pick<LookupKey, 'exchange' | 'environment' | 'scope'>;

export interface Keys {
  cellOfState(cacheKey: string): string;
  cellOfClock(clock: ClockKey): string;
  link(cell: string): string;
  state(cell: string, cacheKey: string): string;
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
  const at = (cell: string, rest: string) => `${prefix}${FORMAT}:{${cell}}:${rest}`;
  const cellOfClock = (clock: ClockKey) => cellOf(clockNameOf(clock));
  return {
    cellOfState: cellOf,
    cellOfClock,
    link: cell => at(cell, 'link'),
    state: (cell, cacheKey) =>
      at(cell, createHash('sha1').update(cacheKey).digest().subarray(0, KEY_BYTES).toString('base64url')),
    clock: (cell, clock) => at(cell, `c:${clockNameOf(clock)}`),
    lease: clock => at(cellOfClock(clock), `l:${clockNameOf(clock)}`),
    channel: `${prefix}${FORMAT}:gone`,
  };
}
