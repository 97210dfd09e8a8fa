/**
 * Reads the log page by page, and the next page while the last is being written: reading and decoding events
 * costs as much as writing rows. One page ahead, never more, so memory stays bounded. A page that could not
 * be applied because somebody else was at it is kept, and not read again when its turn comes.
 */
import type { Position } from '../events/event.js';
import type { ProjectorContext } from './context.js';
import type { Batch } from './write-page.js';

/** The events after a position; `undefined` when there are none. */
export type ReadPage = (after: Position | undefined) => Promise<Batch | undefined>;

interface Reading {
  readonly after: Position | undefined;
  readonly page: Promise<Batch | undefined>;
}

export function createPageReader({ store, pageSize }: ProjectorContext): ReadPage {
  let held: Reading | undefined;
  let ahead: Reading | undefined;

  const fetch = (after: Position | undefined): Reading => {
    const page = store.readAll({ after, limit: pageSize }).then(events => {
      const last = events.at(-1);
      return last && { after, events, position: last.position };
    });
    // Looked at when its turn comes; until then a failure must not count as unhandled.
    page.catch(() => undefined);
    return { after, page };
  };

  return async after => {
    const known = [held, ahead].find(reading => reading?.after === after);
    held = undefined;
    // What was read ahead may have come too early: only a page with events is worth anything later.
    const early = await known?.page;
    const reading = known && early ? known : fetch(after);
    const page = await reading.page;
    if (!page) return undefined;
    held = reading;
    if (ahead?.after !== page.position) {
      ahead = page.events.length >= pageSize ? fetch(page.position) : undefined;
    }
    return page;
  };
}
