/**
 * A worker forgets by itself what is older than the setting says. What stays is copied (PostgreSQL), so it does so when
 * the oldest hit is half as old again: each hit is then copied twice in its life.
 */
import type { ProjectorContext } from '../context.js';
import { withPooledSession } from '../session.js';
import { forgetHits } from './forget.js';

/** Whoever starts a worker wants to see it project first. */
const FIRST_LOOK_MS = 60_000;
const BETWEEN_LOOKS_MS = 3_600_000;
const OVERDUE = 1.5;

/** Resolves when the signal is aborted; a failure is told in the log and tried again. */
export async function keepForgetting(
  context: ProjectorContext,
  maxAgeMs: number,
  signal: AbortSignal,
): Promise<void> {
  const { log, sleep } = context;
  for (let pauseMs = FIRST_LOOK_MS; !signal.aborted; pauseMs = BETWEEN_LOOKS_MS) {
    try {
      await sleep(pauseMs, signal);
      const now = await databaseTime(context);
      const before = Math.floor(now - maxAgeMs);
      const onlyIfBefore = now - maxAgeMs * OVERDUE;
      const result = await forgetHits(context, { before, onlyIfBefore, by: 'worker', signal });
      if (result.forgotten > 0 || result.dropped > 0) log.info({ ...result }, 'old hits were forgotten');
    } catch (error) {
      if (signal.aborted) return;
      log.warn(
        { error: (error as Error).message },
        'old hits could not be forgotten; tried again in an hour',
      );
    }
  }
}

async function databaseTime({ pool, namedStatements }: ProjectorContext): Promise<number> {
  const [now] = await withPooledSession(pool, namedStatements, session =>
    session.query('SELECT extract(epoch from clock_timestamp()) * 1000'),
  );
  return Number(now?.[0]);
}
