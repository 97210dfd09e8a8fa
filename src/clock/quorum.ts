/**
 * Whose word on a shared clock suffices to end its epoch.
 *
 * One host cannot be told from a liar by what it says, only by who else is there. A deployment of one machine must heal
 * by that machine's word; in a fleet no host's word may, however quiet the others are. Being quiet is no sign of being
 * gone: an exchange that tells its time only when asked is measured once an hour or so by whichever host comes by, and the others
 * sign by it all the while. (A host whose clock ran wild was "alone" after an hour in which nobody else had had to
 * measure. Refused for its own fault, it voided what a fleet knew, and all signed by what it measured next.)
 *
 * But once a clock is contested, every init of every host measures. So whoever is there is heard within minutes, and who is
 * not heard in an hour of contest is gone.
 */
import { loginIn } from './witness.js';

/** A host that measured what was believed. */
export interface Supporter {
  readonly host: string;
  /** Reference time of its latest measurement. */
  readonly atMs: number;
}

export interface Contest {
  readonly host: string;
  /** Reference time. */
  readonly sinceMs: number;
}

export interface Heard {
  /** Of this epoch. */
  readonly supporters: readonly Supporter[];
  /** Of before. */
  readonly former?: readonly Supporter[] | undefined;
}

/** In a contest of so long everybody who is there has measured. */
export const LONE_AFTER_MS = 3_600_000;
/** Who has not measured for so long is gone: no clock is kept longer without anybody's measuring it. */
const GONE_AFTER_MS = 24 * 3_600_000;
/** So many are remembered. */
export const MAX_HOSTS = 8;

/** The hosts that are there, as far as is known. */
export function presentAt({ supporters, former = [] }: Heard, atMs: number): readonly Supporter[] {
  const names = new Set(supporters.map(({ host }) => host));
  return [...supporters, ...former.filter(({ host }) => !names.has(host))]
    .filter(heard => heard.atMs >= atMs - GONE_AFTER_MS)
    .slice(0, MAX_HOSTS);
}

/**
 * Whether a host's own word ends the epoch.
 * @param contest `undefined`: nothing is contested yet
 */
export function decidesAlone(
  heard: Heard,
  host: string,
  atMs: number,
  contest: Contest | undefined,
): boolean {
  if (!heard.supporters.some(s => s.host === host)) return false;
  const others = presentAt(heard, atMs).filter(s => s.host !== host);
  if (others.length === 0) return true;
  const isLong = contest?.host === host && atMs - contest.sinceMs >= LONE_AFTER_MS;
  return isLong && others.every(s => s.atMs < contest.sinceMs);
}

/** Whether two hosts that contradict the clock together end its epoch. Two of one login do not, where another is heard. */
export function settleTogether(
  supporters: readonly Supporter[],
  rival: string,
  host: string,
  atMs: number,
): boolean {
  const login = loginIn(host);
  if (loginIn(rival) !== login) return true;
  return supporters.every(s => [login, ''].includes(loginIn(s.host)) || s.atMs < atMs - LONE_AFTER_MS);
}
