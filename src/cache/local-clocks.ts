/**
 * What this process itself has learned about the exchanges' clocks and not yet read back.
 *
 * A measurement reaches the read model only after a flush and a projection. Until then the next connector of
 * this process must profit from it all the same, and after a step must not walk into the refusal that the
 * previous one just met. So each measurement and condemnation is folded here too, by the very functions the
 * projection uses, and what the database says is merged in whenever it is read.
 */
import { LRUCache } from 'lru-cache';
import {
  addMeasurement,
  type Condemnation,
  condemn,
  type Measurement,
  type SharedClock,
} from '../clock/shared-clock.js';
import type { Environment, Exchange } from '../events/connector.js';

export interface ClockName {
  readonly exchange: Exchange;
  readonly environment: Environment;
  readonly scope: string;
  readonly referenceClock: string;
}

/** A state is asked about with each request: making the text and its hash anew took 2 of the 15 µs of an answer. */
const keys = new WeakMap<ClockName, string>();
/** Of many states that are new together most are of one clock, and an entry for each is dear to the garbage collector. */
const last = new Map<Exchange, { readonly name: ClockName; readonly key: string }>();

const isSame = (a: ClockName, b: ClockName): boolean =>
  a.environment === b.environment && a.scope === b.scope && a.referenceClock === b.referenceClock;

function keyOf(name: ClockName): string {
  const { exchange, environment, scope, referenceClock } = name;
  const before = last.get(exchange);
  if (before && isSame(before.name, name)) return before.key;
  const key = keyMade(name);
  last.set(exchange, { name: { exchange, environment, scope, referenceClock }, key });
  return key;
}

function keyMade(name: ClockName): string {
  const known = keys.get(name);
  if (known !== undefined) return known;
  const key = `${name.exchange} ${name.environment} ${name.scope} ${name.referenceClock}`;
  keys.set(name, key);
  return key;
}

/** More references than this are not alive at once: failovers leave their predecessors behind. */
const MAX_CLOCKS = 64;

export class LocalClocks {
  /**
   * Of a Map, of which a key is deleted and set again with each lookup, V8 makes a new table each few times, and each of the
   * old ones leads to its successor: one that has grown old keeps them all, and what they held, until a full collection.
   */
  readonly #clocks = new LRUCache<string, SharedClock>({ max: MAX_CLOCKS });
  #epochs = 0;

  /** Counts the epochs and contests that began or ended: while it stays the same nothing good has become void. */
  get epochs(): number {
    return this.#epochs;
  }

  measured(name: ClockName, measurement: Measurement): void {
    const key = keyOf(name);
    const known = this.#clocks.get(key);
    this.#set(key, addMeasurement(known, measurement));
  }

  condemned(name: ClockName, condemnation: Condemnation): void {
    const known = this.#clocks.get(keyOf(name));
    if (known) this.#set(keyOf(name), condemn(known, condemnation));
  }

  known(name: ClockName): SharedClock | undefined {
    return this.#clocks.get(keyOf(name));
  }

  /** The better informed of what is known here and what the database has. */
  merge(name: ClockName, stored: SharedClock | undefined): SharedClock | undefined {
    const known = this.#clocks.get(keyOf(name));
    if (!stored || known === stored) return known;
    if (known && isAhead(known, stored)) return known;
    const merged = withOwnConfirmation(stored, known);
    this.#set(keyOf(name), merged);
    return merged;
  }

  #set(key: string, clock: SharedClock): void {
    const before = this.#clocks.get(key);
    const isAsBefore =
      before?.epochStartedAtMs === clock.epochStartedAtMs && before.rival?.sinceMs === clock.rival?.sinceMs;
    if (!isAsBefore) this.#epochs++;
    this.#clocks.set(key, clock);
  }
}

/** That it was this process which measured the rival twice, the row does not say. */
function withOwnConfirmation(stored: SharedClock, known: SharedClock | undefined): SharedClock {
  const { rival } = stored;
  const isOwn = rival && known?.rival?.isConfirmed && known.rival.syncId === rival.syncId;
  return isOwn ? { ...stored, rival: { ...rival, isConfirmed: true } } : stored;
}

/** The local fold saw something that the stored one has not: a later measurement, a rival, a condemnation. */
function isAhead(local: SharedClock, stored: SharedClock): boolean {
  if (latestWord(local) !== latestWord(stored)) return latestWord(local) > latestWord(stored);
  return local.syncId === stored.syncId && !local.isValid;
}

const latestWord = ({ estimate, rival }: SharedClock): number =>
  Math.max(estimate.atMs, rival?.estimate?.atMs ?? rival?.sinceMs ?? estimate.atMs);
