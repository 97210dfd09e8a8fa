/**
 * Whether anybody still works on what a session has asked. A network that forgot the connection, or a server whose machine
 * is gone, answers nothing for a quarter of an hour, and behind a proxy for good; and its end of the session, on a server
 * that lives, keeps the lock meanwhile, so that nobody else may lead, or rebuild. No statement of theirs has a time of its own,
 * for a large page may take long. So the server is asked, over a connection beside it:
 *
 *   unanswered ──asked──► at work ────────────────────────────────► it is waited for
 *                     ├─► knows it, and waits for us to say something ─► ended there, and cut here
 *                     ├─► knows no such session ────────────────────► cut here
 *                     └─► nobody answers for {@link GIVE_UP_MS} ────► cut here
 */
import type { ClientBase } from 'pg';
import { AT_WORK, askBeside, type DriverClient } from '../postgres/cancel.js';
import type { Session } from './session.js';

/** Of a session, or of the one transaction that is ours of a session that a pooler lends. */
export type Began = 'backend_start' | 'xact_start';

/** The numbers of processes are given again, and a pooler tells its own. */
const startedAt = (began: Began) => `to_char(${began} AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US')`;
const thisOne = (began: Began) =>
  `SELECT pid::text, ${startedAt(began)} FROM pg_stat_activity WHERE pid = pg_backend_pid()`;
const thatOne = (began: Began) =>
  `FROM pg_stat_activity WHERE pid = $1::integer AND ${startedAt(began)} = $2`;

const ASK_TIMEOUT_MS = 2_000;
const GIVE_UP_MS = 60_000;

/**
 * @param silentMs how long nothing may be heard of a statement
 * @param began what is watched: the session, or the transaction that is open
 * @returns ends the watch
 */
export async function cutWhenForgotten(
  { client, query }: Pick<Session, 'query'> & { readonly client: ClientBase },
  silentMs: number,
  began: Began,
): Promise<() => void> {
  const [itself] = await query(thisOne(began));
  if (!itself) return () => undefined;
  const driver = client as DriverClient;
  let heard = -1;
  let silentSinceMs = 0;
  let isAsking = false;
  /** Something is asked, and nothing has come since the last look. */
  const isSilent = () => !driver.readyForQuery && driver.connection.stream.bytesRead === heard;

  const look = async (): Promise<void> => {
    const isAtWork = await askBeside(driver, ASK_TIMEOUT_MS, async probe => {
      const { rowCount } = await probe.query(`SELECT ${thatOne(began)} AND ${AT_WORK}`, [...itself]);
      if (rowCount === 0 && isSilent())
        await probe.query(`SELECT pg_terminate_backend(pid) ${thatOne(began)}`, [...itself]);
      return rowCount === 1;
    });
    const isGivenUp = isAtWork === undefined && performance.now() - silentSinceMs >= GIVE_UP_MS;
    if (isSilent() && (isAtWork === false || isGivenUp)) driver.connection.stream.destroy();
  };

  const timer = setInterval(() => {
    if (isAsking) return;
    if (!isSilent()) {
      heard = driver.connection.stream.bytesRead;
      silentSinceMs = performance.now();
      return;
    }
    isAsking = true;
    void look().finally(() => {
      isAsking = false;
    });
  }, silentMs);
  timer.unref();
  return () => clearInterval(timer);
}
