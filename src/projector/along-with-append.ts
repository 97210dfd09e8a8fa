/**
 * The short way (catch-up-in-place.ts) sent right behind an append, over its connection: the page that holds what is being
 * appended is asked for before the append has been answered, so that a function which records and projects waits once
 * less.
 *
 *   sent   the append, BEGIN, the lock, the checkpoints, the events behind them, the rows they most likely touch
 *   sent   what changed, the checkpoints, COMMIT
 *
 * The append is a transaction of its own and ends before BEGIN, so what is behind it neither holds it up nor takes it
 * back, and sees what it stored. Where the append fails, what is behind it is a look for what others recorded.
 *
 * Whatever goes wrong here is left to an attempt of the ordinary kind, which can say what is the matter.
 */
import type { ClientBase } from 'pg';
import type { NewEvent } from '../events/event.js';
import { statementNames } from '../postgres/statement-names.js';
import { catchUpInPlace, type InPlace, logTableOf } from './catch-up-in-place.js';
import type { ProjectorContext } from './context.js';
import { createSession, QueryFailure } from './session.js';
import { inItsTurn } from './transaction.js';

export interface AlongWithAppend {
  /**
   * Sends it. To be called once.
   * @returns when the connection is free again, whether it is in order
   */
  readonly send: (connection: ClientBase) => Promise<boolean>;
  /** What came of it, never rejected; `undefined` (or a promise of it) where it was not sent or has failed. */
  readonly outcome: Promise<InPlace | undefined> | undefined;
}

/**
 * @param expecting what is being appended
 * @returns `undefined` where the log lies elsewhere
 */
export function alongWithAppend(
  context: ProjectorContext,
  expecting: readonly NewEvent[],
): AlongWithAppend | undefined {
  const log = logTableOf(context);
  if (!log) return undefined;
  let outcome: Promise<InPlace | undefined> | undefined;
  return {
    get outcome() {
      return outcome;
    },
    send(connection) {
      const names = statementNames(context.pool, context.namedStatements);
      const page = inItsTurn(catchUpInPlace(context, createSession(connection, names), log, expecting));
      outcome = page.then(
        // Told also where nobody asks for the outcome, because the append failed.
        applied => tellOf(context, applied),
        error => {
          if (error instanceof QueryFailure) names.lost(error.cause);
          return undefined;
        },
      );
      return page.then(
        () => true,
        error => !(error instanceof QueryFailure),
      );
    },
  };
}

/** Once it is committed. */
export async function tellOf({ onApplied }: ProjectorContext, outcome: InPlace): Promise<InPlace> {
  if (outcome.status === 'applied' && outcome.events.length > 0) await onApplied?.(outcome.events);
  return outcome;
}
