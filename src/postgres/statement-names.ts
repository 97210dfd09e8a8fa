/**
 * Prepared statements by name, where they survive, and without where they do not.
 *
 * A transaction pooler gives each transaction whatever server connection is free. One that does not follow prepared
 * statements (PgBouncer before 1.21, and with `max_prepared_statements = 0`; Supavisor) then has the name on one server
 * connection and the client on another: 26000, or 42P05 when the other had it already. Both are said before anything
 * is executed, so the same statement is sent again without a name, and from then on this pool uses none.
 *
 * A name holds a digest of its text. Two releases behind one pooler would otherwise, where a name happens to be
 * there, execute each other's statement.
 */
import { createHash } from 'node:crypto';
import type { Pool } from 'pg';
import { isLostStatement } from './database-error.js';

export interface StatementNames {
  /** @returns the name to prepare `text` under; `undefined` where names do not survive */
  nameOf(name: string, text: string): string | undefined;
  /** @returns whether the statement must be sent again without a name: nothing of it was executed */
  lost(error: unknown): boolean;
  readonly areLost: boolean;
}

interface State {
  lost: boolean;
  onLoss?: () => void;
}

const byPool = new WeakMap<object, State>();

function stateOf(pool: object): State {
  const known = byPool.get(pool);
  if (known) return known;
  const state: State = { lost: false };
  byPool.set(pool, state);
  return state;
}

/** Called once, when the first name is lost. */
export const onLostStatements = (pool: Pool, tell: () => void): void => {
  stateOf(pool).onLoss = tell;
};

/** All users of a pool learn from each other. @param wanted the setting `NAMED_STATEMENTS` */
export function statementNames(pool: Pool, wanted: boolean): StatementNames {
  const state = stateOf(pool);
  return {
    nameOf: (name, text) => (wanted && !state.lost ? withDigest(name, text) : undefined),
    lost(error) {
      if (!wanted || !isLostStatement(error)) return false;
      if (!state.lost) state.onLoss?.();
      state.lost = true;
      return true;
    },
    get areLost() {
      return state.lost;
    },
  };
}

/** The texts are constants, or made from the columns of tables: there are few. */
const digests = new Map<string, string>();

/** PostgreSQL cuts names off at 63 bytes. */
const LONGEST_PREFIX = 50;

function withDigest(name: string, text: string): string {
  let digest = digests.get(text);
  if (digest === undefined) {
    digest = createHash('sha1').update(text).digest('hex').slice(0, 12);
    digests.set(text, digest);
  }
  return `${name.slice(0, LONGEST_PREFIX)}_${digest}`;
}
