/**
 * Which machine a process ran on, out of the name the process gives its clock (`host:<hostname>/<pid>-<start>`,
 * see host-clock.ts).
 *
 * What comes after the machine's name changes with every process. A table with a row per process would, under
 * functions, have nearly as many rows as there are measurements. And in the sandboxes that functions run in even the
 * hostname is one process's own: AWS Lambda, and what is built on it, gives each its link-local address. Such an
 * address names no machine (RFC 3927: it is not unique beyond its link), so all of them are one. Containers keep
 * their names: they live for days, and a step or a bad path of one of them is worth seeing.
 */

const HOST_PREFIX = 'host:';
const LINK_LOCAL = '169.254.';

/** What all sandboxes that are named by a link-local address are called. */
export const SANDBOXES = '169.254.*';

export function machineOf(host: string): string {
  const from = host.startsWith(HOST_PREFIX) ? HOST_PREFIX.length : 0;
  if (host.startsWith(LINK_LOCAL, from)) return SANDBOXES;
  const end = host.indexOf('/', from);
  return host.slice(from, end < 0 ? undefined : end);
}

/** The offset was kept against the measuring process's own clock, because no database's could be read. */
export const isOwnClock = (referenceClock: string): boolean => referenceClock.startsWith(HOST_PREFIX);
