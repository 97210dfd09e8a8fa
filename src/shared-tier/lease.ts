/**
 * A lease on measuring an exchange's clock, so that of many processes one does.
 *
 *   taken ──renewed every third of its life──► given back
 *     └── its holder dies, stands still or loses Redis: it ends by itself, a life later at most
 *
 * It guards nothing that must not happen twice: two that measure cost one request more. So whoever cannot ask for it, or
 * has waited long enough, measures.
 */
import { randomBytes } from 'node:crypto';
import type { RedisConnections } from './connections.js';
import { LEASE } from './scripts.js';

export interface Lease {
  /** Safe to call twice. */
  giveBack(): void;
}

export const LEASE_LIFE_MS = 2_000;

/**
 * @returns `undefined` when another holder has it
 * @throws what the client throws
 */
export async function takeLease(
  connections: Pick<RedisConnections, 'run'>,
  key: string,
  lifeMs = LEASE_LIFE_MS,
): Promise<Lease | undefined> {
  const secret = randomBytes(9).toString('base64url');
  const ask = (forMs: number) => connections.run(LEASE, [key], [secret, String(forMs)]);
  if (Number(await ask(lifeMs)) !== 1) return undefined;
  let isHeld = true;
  const timer = setInterval(() => void ask(lifeMs).catch(() => undefined), lifeMs / 3);
  timer.unref();
  return {
    giveBack() {
      if (!isHeld) return;
      isHeld = false;
      clearInterval(timer);
      void ask(0).catch(() => undefined);
    },
  };
}
