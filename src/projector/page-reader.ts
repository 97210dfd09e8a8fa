/**
 * Reads the log page by page, and the next page while the last is being written: reading and decoding events
 * costs as much as writing rows. One page ahead, never more, so memory stays bounded. A page that could not
 * be applied because somebody else was at it is kept, and not read again when its turn comes.
 *
 * Each page is read from the event before it on, inclusive, which must be the one that is expected there: that is
 * how continuity (continuity.ts) is checked without a round trip of its own. The first page of a projector is read
 * from the beginning of the tail on, at most 128 events more, and checks all of it.
 */
import type { EventAt } from '../event-store/event-store.js';
import { LogChangedError } from '../event-store/log-changed-error.js';
import type { Position, StoredEvent } from '../events/event.js';
import type { ProjectorContext } from './context.js';
import { isContained, isTailOf } from './continuity.js';
import type { LogMark } from './log-mark.js';
import type { Batch } from './write-page.js';

/**
 * The events after a position; `undefined` when there are none.
 * @param mark of the checkpoint there, or the event that lies there; left out where nothing is known of it
 * @throws LogChangedError when it does not lie there
 */
export type ReadPage = (
  after: Position | undefined,
  mark?: Pick<LogMark, 'at' | 'tail'>,
) => Promise<Batch | undefined>;

interface Reading {
  readonly after: Position | undefined;
  readonly page: Promise<Batch | undefined>;
}

export function createPageReader({ store, pageSize, checks }: ProjectorContext): ReadPage {
  let held: Reading | undefined;
  let ahead: Reading | undefined;

  async function readAfter(
    after: Position | undefined,
    mark: Pick<LogMark, 'at' | 'tail'> | undefined,
  ): Promise<readonly StoredEvent[]> {
    if (mark?.tail && !checks.hasCheckedTail) {
      const { from, events: length } = mark.tail;
      const { events } = await store.readFrom({ after: from, limit: length + pageSize });
      if (!isTailOf(store, mark, events)) throw new LogChangedError(mark.at);
      checks.hasCheckedTail = true;
      return events
        .filter(({ position }) => store.compare(position, mark.at.position) > 0)
        .slice(0, pageSize);
    }
    const { at, events } = await store.readFrom({ after: mark?.at.position ?? after, limit: pageSize });
    if (mark && at?.id !== mark.at.id && !(await wasForgotten(mark, at))) throw new LogChangedError(mark.at);
    return events;
  }

  const wasForgotten = async (mark: Pick<LogMark, 'at' | 'tail'>, at: EventAt | undefined) =>
    at === undefined && mark.tail !== undefined && isContained(store, { log: undefined, ...mark });

  const fetch = (after: Position | undefined, mark?: Pick<LogMark, 'at' | 'tail'>): Reading => {
    const page = readAfter(after, mark).then(events => {
      const last = events.at(-1);
      return last && { after, events, position: last.position };
    });
    // Looked at when its turn comes; until then a failure must not count as unhandled.
    page.catch(() => undefined);
    return { after, page };
  };

  return async (after, mark) => {
    const known = [held, ahead].find(reading => reading?.after === after);
    held = undefined;
    // What was read ahead may have come too early: only a page with events is worth anything later.
    const early = await known?.page;
    const reading = known && early ? known : fetch(after, mark);
    const page = await reading.page;
    if (!page) return undefined;
    held = reading;
    if (ahead?.after !== page.position) {
      const last = page.events.at(-1);
      ahead =
        last && page.events.length >= pageSize
          ? fetch(page.position, { at: { id: last.id, position: last.position }, tail: undefined })
          : undefined;
    }
    return page;
  };
}
