/**
 * A transaction whose statements are sent without waiting for one another: BEGIN goes along with the first, COMMIT with
 * the last. It costs as many round trips as `work` waits for answers, and one for the COMMIT.
 *
 * What that changes: behind a statement that failed the others fail as its consequence (25P02, or 26000 where the
 * failed one was to name a statement), and a COMMIT does *not* fail, it resolves as ROLLBACK. So every statement is
 * looked at, in the order of sending; the first that failed is the cause. All have been answered when this returns
 * or throws, so the connection is as good as before; or it is lost, and what became of the COMMIT nobody knows: whoever
 * tries again finds out by the checkpoints.
 */
import { BEGIN } from '../postgres/transactions.js';
import type { Session } from './session.js';

export interface Transaction extends Pick<Session, 'query'> {
  /**
   * The same, for statements that speak for somebody: what they throw goes through `blame` first.
   */
  blaming(blame: (error: unknown) => unknown): Pick<Session, 'query'>;
}

/** What `work` gives back when there is nothing to keep: the transaction is rolled back. */
export class Abandoned<T> {
  readonly outcome: T;

  constructor(outcome: T) {
    this.outcome = outcome;
  }
}

/**
 * Of who borrows a connection of the pool, whose own timeout (30 s) ends a connection with all that is under way on
 * it: the server is to say so before.
 */
export const GUEST_TIMEOUTS = {
  statementTimeoutMs: 25_000,
  lockTimeoutMs: 2_000,
  silenceMs: 10_000,
} as const;

export interface Timeouts {
  readonly statementTimeoutMs?: number;
  /** Of each wait for a table or row that somebody else has locked. */
  readonly lockTimeoutMs?: number;
  /** Between two statements, where all it does meanwhile is to fold. */
  readonly silenceMs?: number;
}

/** @throws what the first statement that failed threw; else what `work` threw */
export async function inTransaction<T>(
  session: Session,
  work: (transaction: Transaction) => Promise<T | Abandoned<T>>,
  { statementTimeoutMs, lockTimeoutMs, silenceMs }: Timeouts = {},
): Promise<T> {
  const { transaction, keep, settled } = withinTransaction(session);
  const limits = {
    statement_timeout: statementTimeoutMs,
    lock_timeout: lockTimeoutMs,
    idle_in_transaction_session_timeout: silenceMs,
  };
  const set = Object.entries(limits).flatMap(([name, ms]) =>
    ms === undefined ? [] : [`SET LOCAL ${name} = ${ms}`],
  );
  void transaction.query([BEGIN, ...set].join('; '));
  const ended = await work(transaction).then(
    result => ({ result }),
    (error: unknown) => ({ error }),
  );
  const keeps = 'result' in ended && !(ended.result instanceof Abandoned);
  void keep<unknown>(keeps ? session.commit() : session.query('ROLLBACK'));
  await settled();
  if ('error' in ended) throw ended.error;
  return ended.result instanceof Abandoned ? ended.result.outcome : ended.result;
}

/** For an answer that is looked at later: until then its failure must not count as unhandled. */
export function inItsTurn<T>(answer: Promise<T>): Promise<T> {
  answer.catch(() => undefined);
  return answer;
}

/** The statements of a transaction that somebody else begins and ends. */
export function withinTransaction(session: Session) {
  const sent: Promise<unknown>[] = [];
  const keep = <R>(answer: Promise<R>): Promise<R> => {
    sent.push(inItsTurn(answer));
    return answer;
  };
  const blaming: Transaction['blaming'] = blame => ({
    query: (...statement) =>
      keep(
        session.query(...statement).catch(error => {
          throw blame(error);
        }),
      ),
  });
  const transaction: Transaction = { ...blaming(error => error), blaming };
  return {
    transaction,
    keep,
    /** Once all have been answered. @throws what the first that failed threw */
    async settled(): Promise<void> {
      const answers = await Promise.allSettled(sent);
      const failed = answers.find(answer => answer.status === 'rejected');
      if (failed) throw failed.reason;
    },
  };
}
