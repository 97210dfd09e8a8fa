/**
 * What lies before the window, read once for all who go the same way.
 *
 *   kept:      [page 7][page 8] … [page 22]      the newest at most KEPT_PAGES
 *               ▲ 180 followers      ▲ 3 of them, who want page 23
 *
 * A page that somebody behind still needs is not let go. So whoever is so far ahead that there is no room for his next page
 * waits until those furthest behind have moved on. Without that a few sockets that the operating system serves first run
 * away (160 pages of 200 have been seen), and each of the others reads every page for himself.
 *
 * Nobody waits for who stands still: when those furthest behind have not moved for {@link PATIENCE_MS} they are left, and
 * read on by themselves. So a slow reader slows those who began where he did to a page a second at worst, and only until
 * they are at the live end. As long as more are behind than wait, they are waited for while any of them moves
 * ({@link PATIENCE_WITH_MOST_MS}): on a busy machine it is they who are served late.
 *
 * Correctness rests on none of this: a page that is not kept is read again.
 *
 * It lives as long as the tail it was made for (tail.ts): pages of a log that was exchanged are nobody's.
 */
import type { EventStore, EventsFrom } from '../event-store/event-store.js';
import type { Position } from '../events/event.js';

const KEPT_PAGES = 16;
const PATIENCE_MS = 1_000;
const PATIENCE_WITH_MOST_MS = 3_000;

/** One follower's place among those who read. */
export interface PageReader {
  /** @throws what the store throws */
  after(position: Position | undefined): Promise<EventsFrom>;
  /** He needs nothing more. */
  close(): void;
}

export interface SharedReads {
  open(): PageReader;
}

export interface SharedReadsOptions {
  readonly pageSize: number;
  readonly keptPages?: number;
  readonly patienceMs?: number;
  /** With those behind who are more than those who wait. */
  readonly patienceWithMostMs?: number;
}

/** A place that a page lies behind; '' is the log's beginning. */
type Place = Position | '';

interface Page {
  readonly read: Promise<EventsFrom>;
  /** Where the next begins, as soon as it has been read. */
  end: Place | undefined;
}

export function createSharedReads(
  store: Pick<EventStore, 'readFrom'>,
  {
    pageSize,
    keptPages = KEPT_PAGES,
    patienceMs = PATIENCE_MS,
    patienceWithMostMs = PATIENCE_WITH_MOST_MS,
  }: SharedReadsOptions,
): SharedReads {
  /** By the place they lie behind, the oldest first. */
  const pages = new Map<Place, Page>();
  /** How many followers need the page behind a place next. */
  const needed = new Map<Place, number>();
  let moves = signal();

  function move(from: Place | undefined, to: Place | undefined): void {
    if (from === to) return;
    if (from !== undefined) {
      const left = (needed.get(from) ?? 0) - 1;
      if (left > 0) needed.set(from, left);
      else needed.delete(from);
    }
    if (to !== undefined) needed.set(to, (needed.get(to) ?? 0) + 1);
    const before = moves;
    moves = signal();
    before.fire();
  }

  /** What somebody still needs; and of it, what leads to `place`, and how many are on that way. */
  function survey(place: Place) {
    const kept = new Set<Place>();
    const way = new Set<Place>();
    let behind = 0;
    for (const [start, followers] of needed) {
      const passed: Place[] = [];
      let at: Place | undefined = start;
      for (let page = pages.get(start); page && at !== undefined && at !== place; page = pages.get(at)) {
        kept.add(at);
        passed.push(at);
        at = page.end;
        if (at === undefined) break;
      }
      if (at !== place || passed.length === 0) continue;
      behind += followers;
      for (const each of passed) way.add(each);
    }
    return { kept, way: [...pages.keys()].filter(each => way.has(each)), behind };
  }

  /** @returns whether the page behind `place` may be kept */
  async function makeRoom(place: Place): Promise<boolean> {
    let watched = '';
    let stillSinceMs = 0;
    while (pages.size > keptPages) {
      const { kept, way, behind } = survey(place);
      const spare = [...pages.keys()].find(each => each !== place && !kept.has(each));
      if (spare !== undefined) {
        pages.delete(spare);
        continue;
      }
      const [furthest] = way;
      // All that is kept is needed by others, who go another way.
      if (furthest === undefined) return false;
      const isMost = behind > (needed.get(place) ?? 0);
      const standing = (isMost ? way : [furthest]).map(each => `${each} ${needed.get(each)}`).join();
      if (standing !== watched) {
        watched = standing;
        stillSinceMs = performance.now();
      }
      const patience = isMost ? patienceWithMostMs : patienceMs;
      const leftMs = patience - (performance.now() - stillSinceMs);
      if (leftMs <= 0) pages.delete(furthest);
      else await moves.within(leftMs);
    }
    return true;
  }

  function read(place: Place): Page {
    const load = async (): Promise<EventsFrom> => {
      let isKept = false;
      try {
        isKept = await makeRoom(place);
        const found = await store.readFrom({ after: place === '' ? undefined : place, limit: pageSize });
        page.end = found.events.at(-1)?.position;
        // Where nothing lies yet, something will.
        if (page.end === undefined) isKept = false;
        return found;
      } finally {
        if (!isKept && pages.get(place) === page) pages.delete(place);
      }
    };
    // In the map before `load` begins, so that whoever comes meanwhile waits for the same.
    const started = signal();
    const page: Page = { read: started.promise.then(load), end: undefined };
    pages.set(place, page);
    started.fire();
    return page;
  }

  return {
    open() {
      let at: Place | undefined;
      const goTo = (place: Place | undefined) => {
        const from = at;
        at = place;
        move(from, place);
      };
      return {
        async after(position) {
          const place: Place = position ?? '';
          goTo(place);
          const page = pages.get(place) ?? read(place);
          const found = await page.read;
          if (at === place && page.end !== undefined) goTo(page.end);
          return found;
        },
        close: () => goTo(undefined),
      };
    },
  };
}

function signal() {
  let fire: () => void = () => undefined;
  const promise = new Promise<void>(resolve => {
    fire = resolve;
  });
  return {
    promise,
    fire,
    /** Resolves when it fires, after so long at the latest. */
    async within(ms: number): Promise<void> {
      let timer: NodeJS.Timeout | undefined;
      const late = new Promise<void>(resolve => {
        timer = setTimeout(resolve, ms);
      });
      await Promise.race([promise, late]);
      clearTimeout(timer);
    },
  };
}
