import { withDeadline } from '../../base/deadline.js';
import { ConnectorStateError } from '../../base/errors.js';
import type { NewEvent } from '../../events/event.js';
import type { AppendResult, EventStore } from '../event-store.js';

/**
 * An append with an end, also over a store that does not keep its own deadline. Its outcome is unknown then: the
 * events may be stored all the same, so they may only be appended again, under the same ids.
 * @throws ConnectorStateError `EVENT_STORE_FAILED` after `timeoutMs`; otherwise what the store threw
 */
export async function appendWithin(
  store: Pick<EventStore, 'append'>,
  events: readonly NewEvent[],
  timeoutMs: number,
  signal?: AbortSignal,
): Promise<AppendResult> {
  const late = new AbortController();
  const end = () => late.abort();
  signal?.addEventListener('abort', end, { once: true });
  if (signal?.aborted) end();
  try {
    return await withDeadline(store.append(events, { signal: late.signal, timeoutMs }), timeoutMs, () => {
      end();
      throw new ConnectorStateError(
        'EVENT_STORE_FAILED',
        `the event store did not take ${events.length} event(s) within ${timeoutMs} ms`,
      );
    });
  } finally {
    signal?.removeEventListener('abort', end);
  }
}
