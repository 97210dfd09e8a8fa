/**
 * The idle connections of an agent that is not ours, as an SDK's client keeps them: of Node's global agent, where its user
 * says nothing else. After a suspend, or when the client has lain idle too long, they may be dead (see connection-age.ts),
 * and an SDK's own patience is minutes. They are ended before the next request, so that this opens a fresh one.
 *
 * Nothing is listened to and no connection in use is touched. Those of other users to the same host are ended too: that
 * costs them a connection.
 */
import type { Agent } from 'node:http';
import { ContinuityGuard, type HostClock } from '../clock/host-clock.js';
import { MAX_IDLE_MS } from './connection-age.js';

/** Of one client. */
export class ForeignConnections {
  readonly #guard: ContinuityGuard;
  #usedAtMs: number;
  #usedAtWallMs: number;

  constructor(clocks: Pick<HostClock, 'now' | 'wall'>) {
    this.#guard = new ContinuityGuard(clocks);
    this.#usedAtMs = clocks.now();
    this.#usedAtWallMs = clocks.wall();
  }

  /**
   * To be called before each request.
   * @param nowMs and `wallMs` by the clocks, read just now
   * @param agentOf only asked where connections are to be ended
   */
  use(nowMs: number, wallMs: number, url: string, agentOf: (url: URL) => Agent): void {
    const idleMs = Math.max(nowMs - this.#usedAtMs, wallMs - this.#usedAtWallMs);
    this.#usedAtMs = nowMs;
    this.#usedAtWallMs = wallMs;
    if (this.#guard.isUnbroken() && idleMs <= MAX_IDLE_MS) return;
    const to = new URL(url);
    endIdle(agentOf(to), to);
  }
}

function endIdle({ freeSockets }: Agent, { hostname, port, protocol }: URL): void {
  // As Agent.getName() begins.
  const name = `${hostname}:${port || (protocol === 'https:' ? 443 : 80)}:`;
  for (const [to, sockets] of Object.entries(freeSockets ?? {})) {
    if (to.startsWith(name)) for (const socket of sockets ?? []) socket.destroy();
  }
}
