/**
 * Hosts that an operator does not believe: their word on one shared clock counts for nothing until he takes it back.
 *
 * What such a host measured before cannot be taken out again: a clock remembers four bounds and a few sums, not who
 * said what of it. So who names the time since when it lied has the clock measured anew, if anything has been
 * measured since: what was known is void, whoever measured it, and the next measurement of another host begins an epoch.
 * That costs one measurement and is never too little. A clock that nobody else vouches for is begun anew in any case.
 *
 * Without a time the host counts no more from here on; an open contest that it started is over.
 */
import { memoryOf, type SharedClock } from './shared-clock.js';
import { type Distrusted, isNamed, nameOf } from './witness.js';

const isSame = (a: Distrusted, b: Distrusted): boolean =>
  nameOf(a.host) === nameOf(b.host) && a.login === b.login;

/** Longer lists are no decisions of a person. The latest are kept. */
const MAX_REFUSED = 64;

/** @param sinceMs reference time from which on it has lied; `undefined`: it is only not to be heard any more */
export function distrust(clock: SharedClock, who: Distrusted, sinceMs: number | undefined): SharedClock {
  const memory = memoryOf(clock);
  const one: Distrusted = who.login === undefined ? { host: who.host } : { host: who.host, login: who.login };
  const others = (memory.refused ?? []).filter(other => !isSame(other, one));
  const isOther = ({ host }: { readonly host: string }) => !isNamed(one, host);
  const supporters = memory.supporters.filter(isOther);
  const former = memory.former?.filter(isOther);
  const isVoid = supporters.length === 0 || (sinceMs !== undefined && sinceMs <= clock.estimate.atMs);
  const { rival } = clock;
  return {
    ...clock,
    ...(isVoid && {
      isValid: false,
      epochStartedAtMs: Math.max(clock.epochStartedAtMs, Math.floor(clock.estimate.atMs) + 1),
    }),
    rival: isVoid || (rival && isNamed(one, rival.host)) ? undefined : rival,
    memory: { ...memory, supporters, former, refused: [one, ...others].slice(0, MAX_REFUSED) },
  };
}

/** It counts again from here on. The same clock back: it was not refused. */
export function trust(clock: SharedClock, who: Distrusted): SharedClock {
  const { memory } = clock;
  const refused = memory?.refused?.filter(other => !isSame(other, who));
  if (!memory || refused?.length === memory.refused?.length) return clock;
  return { ...clock, memory: { ...memory, refused: refused?.length === 0 ? undefined : refused } };
}
