/** Letting forgotten hits go: one call of one SQL function, which goes by what is recorded in the log (see its migration). */
import { EventStoreFailure } from './failure.js';
import type { RunStatement } from './query.js';

const DROP = { name: 'connector_state_forget_hits', text: 'SELECT connector_event_forget_hits($1)' };

/** What stays is copied, a million events in some ten seconds. */
const DROP_TIMEOUT_MS = 3_600_000;
const LOCK_WAIT_MS = 5_000;
const INSUFFICIENT_PRIVILEGE = '42501';

const toMissingRight = (error: unknown): EventStoreFailure | undefined =>
  (error as { code?: unknown }).code === INSUFFICIENT_PRIVILEGE
    ? new EventStoreFailure(
        'the event store could not drop forgotten hits: use the role of the worker or the owner of the tables (`connector-state migrate --grant-worker`)',
        false,
      )
    : undefined;

/** @returns how many events were dropped */
export async function dropForgotten(run: RunStatement, signal: AbortSignal | undefined): Promise<number> {
  const [row] = await run(DROP, [LOCK_WAIT_MS], {
    action: 'drop forgotten hits',
    timeoutMs: DROP_TIMEOUT_MS,
    signal,
    recognise: toMissingRight,
  });
  return Number(row?.[0] ?? 0);
}
