/**
 * Which kept connections are too old to be trusted with a request.
 *
 * A function that was frozen wakes with connections that the other side, or a NAT between, gave up long ago: one
 * answers the first bytes with a reset, the other with nothing at all. Two things tell before anything is sent: how
 * long a connection has lain idle, by whichever clock went further (a freeze may stop the monotonic one), and that
 * this host's clocks parted since the last look. What neither tells is met in living-connection.ts.
 */
import type { Agent } from 'node:http';
import type { Duplex } from 'node:stream';
import { ContinuityGuard } from '../clock/host-clock.js';

/**
 * Load balancers keep an idle connection for 60 s and longer, and a request a minute is worth no connection. Node's
 * agent drops one earlier where the server announced it (`Keep-Alive: timeout=…`).
 */
export const MAX_IDLE_MS = 30_000;

export interface Clocks {
  /** Epoch milliseconds, monotonic. */
  readonly now: () => number;
  /** Epoch milliseconds by the wall clock. */
  readonly wall?: (() => number) | undefined;
}

export interface ConnectionAge {
  /** How long it lay idle before it was taken for a request, milliseconds; ∞ for one that never did. */
  idleMs(socket: Duplex): number;
  /** Ends the idle connections that may be dead; to be asked before each request. */
  dropStale(): void;
  /** Ends all idle connections. Those in use go on. */
  dropIdle(): void;
}

export function watchConnectionAge(agent: Agent, { now, wall = now }: Clocks): ConnectionAge {
  const guard = new ContinuityGuard({ now, wall });
  const idleSince = new WeakMap<Duplex, { readonly now: number; readonly wall: number }>();
  agent.on('free', (socket: Duplex) => idleSince.set(socket, { now: now(), wall: wall() }));

  const idle = () => Object.values(agent.freeSockets).flatMap(sockets => sockets ?? []);
  const idleMs = (socket: Duplex) => {
    const since = idleSince.get(socket);
    return since ? Math.max(now() - since.now, wall() - since.wall) : Number.POSITIVE_INFINITY;
  };
  const isTooOld = (socket: Duplex) => idleSince.has(socket) && idleMs(socket) > MAX_IDLE_MS;
  const dropIdle = () => {
    for (const socket of idle()) socket.destroy();
  };
  return {
    idleMs,
    dropStale() {
      if (!guard.isUnbroken()) return dropIdle();
      for (const socket of idle()) if (isTooOld(socket)) socket.destroy();
    },
    dropIdle,
  };
}
