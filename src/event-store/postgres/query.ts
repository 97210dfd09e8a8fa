/**
 * One statement on a pooled connection, ended by a deadline or a signal whatever the connection does.
 *
 * A connection whose statement did not come to an end is given up, never returned: the next user would get the
 * late answer. The pool has the server end it first (postgres/bounded-pool.ts); appends are idempotent, should it have
 * been too late for that.
 *
 * Where a pooler loses prepared statements, or the server's defaults (isolation, read only) do not do for the statement,
 * it is sent again as they allow: what was refused was not executed. See postgres/statement-names.ts, transactions.ts.
 */
import type { Pool, PoolClient, QueryArrayConfig } from 'pg';
import type { ConnectorStateError } from '../../base/errors.js';
import { pg } from '../../postgres/driver.js';
import { sendsOn, sendTogether } from '../../postgres/send-together.js';
import { statementNames } from '../../postgres/statement-names.js';
import { inTransaction, learnFrom, needsTransactions } from '../../postgres/transactions.js';
import type { AppendOptions } from '../event-store.js';
import { EventStoreFailure, isStatementError, toStoreError } from './failure.js';

export interface Statement {
  /** Also what the prepared statement is called. */
  readonly name: string;
  readonly text: string;
}

export interface Bounds {
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
  /** As {@link AppendOptions.behind}: of the first attempt, where the statement is one by itself. */
  readonly behind?: AppendOptions['behind'];
}

/** Every value as the server's text, whatever type parsers the application set: what a column means is decided here. */
export type TextRow = readonly (string | null)[];

const AS_TEXT = { getTypeParser: () => (text: string) => text } as unknown as NonNullable<
  QueryArrayConfig['types']
>;

export type RunStatement = (
  statement: Statement,
  values: readonly unknown[],
  bounds: Bounds & {
    /** Completes "the event store could not …". */
    readonly action: string;
    /** What an error of the database means here, if it is more than a failure. */
    readonly recognise?: (error: unknown) => ConnectorStateError | undefined;
    /** Is given each row as it arrives, instead of all rows at the end. The array is emptied afterwards. */
    readonly onRow?: (row: TextRow) => void;
  },
) => Promise<readonly TextRow[]>;

export function createRunner(pool: Pool, useNamedStatements: boolean): RunStatement {
  const names = statementNames(pool, useNamedStatements);
  return async ({ name: wanted, text }, values, bounds) => {
    const interruption = interruptAfter(bounds, bounds.action);
    let { behind } = bounds;
    try {
      for (;;) {
        const name = names.nameOf(wanted, text);
        const query: QueryArrayConfig = { text, values: [...values], rowMode: 'array', types: AS_TEXT };
        if (name !== undefined) query.name = name;
        const isWhole = needsTransactions(pool);
        const client = await checkOut(pool, interruption.promise);
        try {
          return await runOn(client, query, bounds.onRow, { isWhole, behind }, interruption.promise);
        } catch (error) {
          behind = undefined;
          if (name !== undefined && names.lost(error)) continue;
          if (!isWhole && learnFrom(pool, error)) continue;
          throw error;
        }
      }
    } catch (error) {
      throw bounds.recognise?.(error) ?? toStoreError(error, bounds.action);
    } finally {
      interruption.dispose();
    }
  };
}

async function checkOut(pool: Pool, interrupted: Promise<never>): Promise<PoolClient> {
  const connecting = pool.connect();
  try {
    return await Promise.race([connecting, interrupted]);
  } catch (error) {
    // Nobody waits for it any more; a failure to connect is then nobody's failure.
    connecting.then(
      late => late.release(),
      () => undefined,
    );
    throw error;
  }
}

async function runOn(
  client: PoolClient,
  query: QueryArrayConfig,
  onRow: ((row: TextRow) => void) | undefined,
  { isWhole, behind }: { readonly isWhole: boolean; readonly behind: Bounds['behind'] },
  interrupted: Promise<never>,
): Promise<readonly TextRow[]> {
  // A connection that breaks rejects its query and emits `error` too, which would end the process unheard.
  const heard = () => undefined;
  client.on('error', heard);
  let reusable = false;
  let sentBehind: Promise<boolean> | undefined;
  const giveBack = (isInOrder: boolean) => {
    client.release(!isInOrder);
    client.off('error', heard);
  };
  try {
    const run = () =>
      onRow
        ? rowByRow(client, query, onRow)
        : client.query<(string | null)[]>(query).then(result => result.rows);
    const goesOn = behind !== undefined && !isWhole && sendsOn(client);
    const rows = isWhole ? inTransaction(client, run) : goesOn ? sendTogether(client, run) : run();
    rows.catch(() => undefined);
    if (goesOn) sentBehind = behind(client);
    const answer = await Promise.race([rows, interrupted]);
    reusable = true;
    return answer;
  } catch (error) {
    reusable = isStatementError(error);
    throw error;
  } finally {
    if (reusable && sentBehind) {
      sentBehind.then(giveBack, () => giveBack(false));
    } else giveBack(reusable);
  }
}

/**
 * pg collects the rows of a statement that has a callback, and without one a timeout of the pool's would go
 * unheard. So each row is emptied when it has been looked at: the text of a page of events is many times what is
 * kept of it, and text that does not outlive its row costs the garbage collector nothing.
 */
function rowByRow(
  client: PoolClient,
  query: QueryArrayConfig,
  onRow: (row: TextRow) => void,
): Promise<readonly TextRow[]> {
  return new Promise((resolve, reject) => {
    let failure: { readonly error: unknown } | undefined;
    const streamed = new pg.Query<(string | null)[]>(query, error => {
      if (error) reject(error);
      else if (failure) reject(failure.error);
      else resolve([]);
    });
    streamed.on('row', (row: (string | null)[]) => {
      try {
        if (!failure) onRow(row);
      } catch (error) {
        // Thrown from here it would reach the socket, and end the process.
        failure = { error };
      }
      row.length = 0;
    });
    client.query(streamed);
  });
}

/** The end of a caller's patience. */
export interface Interruption {
  /** Never resolves. */
  readonly promise: Promise<never>;
  readonly isOver: boolean;
  /** To be called when it is no longer needed. */
  dispose(): void;
}

export function interruptAfter({ timeoutMs, signal }: Bounds, action: string): Interruption {
  let isOver = false;
  let reject!: (error: EventStoreFailure) => void;
  const promise = new Promise<never>((_, fail) => {
    reject = fail;
  });
  // It may come before anyone waits, or after.
  promise.catch(() => undefined);
  const end = (how: string) => {
    isOver = true;
    reject(new EventStoreFailure(`the event store could not ${action}${how}`, true));
  };
  const onAbort = () => end(": the caller's signal ended it");
  const timer = setTimeout(
    () => end(` within ${timeoutMs} ms: retry with the same event ids, or allow more time`),
    timeoutMs,
  );
  if (signal?.aborted) onAbort();
  signal?.addEventListener('abort', onAbort, { once: true });
  return {
    promise,
    get isOver() {
      return isOver;
    },
    dispose() {
      clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
    },
  };
}
