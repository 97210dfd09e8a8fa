/**
 * The audit trail of one connector, a page at a time.
 *
 * A connector has two streams, what is kept for good and its hits, which are merged by their places in the log. A page
 * reads at most `limit` events of each; the cursor says for both where the next page begins, as versions, which no
 * later event changes. So pages neither skip nor repeat an event however many arrive meanwhile.
 *
 * `since` is found by halving the versions of each stream: 15 small reads in 25 000 events, whatever comes before.
 */
import { InvalidInputError } from '../base/errors.js';
import { shown } from '../base/shown.js';
import type { EventStore } from '../event-store/event-store.js';
import type { CredentialRef } from '../events/connector.js';
import type { StoredEvent } from '../events/event.js';
import { hitsStreamOf, stateStreamOf } from '../events/streams.js';

export interface HistoryOptions {
  /** Events a page, 1–10 000. Default 1 000. */
  readonly limit?: number | undefined;
  /** Only what was recorded at or after this, by the store's clock: a date or epoch milliseconds. */
  readonly since?: Date | number | undefined;
  /** The newest first. Default: the oldest first. */
  readonly newestFirst?: boolean | undefined;
  /** {@link HistoryPage.next} of the page before, asked for with the same options. */
  readonly cursor?: string | undefined;
}

export interface HistoryPage {
  readonly events: readonly StoredEvent[];
  /** Where the next page begins; `undefined`: there is none. */
  readonly next: string | undefined;
}

const DEFAULT_LIMIT = 1_000;
const LARGEST_LIMIT = 10_000;

/** The version that is read next; 0 newest first: nothing is left of the stream. `undefined`: from its end on. */
type Place = number | undefined;

/** @throws InvalidInputError for a limit, time or cursor that is none */
export async function readHistoryPage(
  store: EventStore,
  credential: CredentialRef,
  { limit = DEFAULT_LIMIT, since, newestFirst = false, cursor }: HistoryOptions = {},
): Promise<HistoryPage> {
  if (!Number.isSafeInteger(limit) || limit < 1 || limit > LARGEST_LIMIT) {
    throw new InvalidInputError(
      `limit must be a whole number from 1 to ${LARGEST_LIMIT}, got ${shown(limit)}`,
    );
  }
  const sinceMs = timeOf(since);
  const streams = [stateStreamOf(credential), hitsStreamOf(credential)];
  const places = cursor === undefined ? undefined : parseCursor(cursor, newestFirst);
  const starts = await Promise.all(
    streams.map(async (stream, i) => {
      if (places) return places[i];
      if (newestFirst) return undefined;
      return sinceMs === undefined ? 1 : firstSince(store, stream, sinceMs);
    }),
  );
  const pages = await Promise.all(
    streams.map((stream, i) => readFrom(store, stream, starts[i], limit + 1, newestFirst)),
  );
  const order = newestFirst ? -1 : 1;
  const merged = pages
    .flat()
    .filter(({ recordedAt }) => sinceMs === undefined || recordedAt >= sinceMs)
    .sort((a, b) => order * store.compare(a.position, b.position));
  const events = merged.slice(0, limit);
  if (merged.length <= limit) return { events, next: undefined };
  const nexts = streams.map((stream, i) => {
    const last = events.filter(event => event.stream === stream).at(-1);
    if (last) return newestFirst ? last.version - 1 : last.version + 1;
    return starts[i] ?? pages[i]?.[0]?.version ?? 0;
  });
  return { events, next: `${newestFirst ? 'newest' : 'oldest'}:${nexts.join(':')}` };
}

function readFrom(
  store: EventStore,
  stream: string,
  fromVersion: Place,
  limit: number,
  newestFirst: boolean,
): Promise<readonly StoredEvent[]> | readonly StoredEvent[] {
  if (fromVersion === 0) return [];
  const direction = newestFirst ? 'backwards' : 'forwards';
  return store.readStream(stream, { direction, limit, ...(fromVersion !== undefined && { fromVersion }) });
}

/** The version of the first event of a stream that was recorded at or after a time; one behind the last if none was. */
async function firstSince(store: EventStore, stream: string, sinceMs: number): Promise<number> {
  const [newest] = await store.readStream(stream, { direction: 'backwards', limit: 1 });
  if (!newest || newest.recordedAt < sinceMs) return (newest?.version ?? 0) + 1;
  let [low, high] = [1, newest.version];
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    // The first that is left from there on: those before it may have been forgotten.
    const [event] = await store.readStream(stream, { fromVersion: middle, limit: 1 });
    if (event && event.recordedAt < sinceMs) low = Math.max(middle, event.version) + 1;
    else high = middle;
  }
  return low;
}

function timeOf(since: Date | number | undefined): number | undefined {
  if (since === undefined) return undefined;
  const timeMs = since instanceof Date ? since.getTime() : since;
  if (typeof timeMs === 'number' && Number.isFinite(timeMs)) return timeMs;
  throw new InvalidInputError(`since must be a date or epoch milliseconds, got ${shown(since)}`);
}

function parseCursor(cursor: string, newestFirst: boolean): readonly Place[] {
  const text = typeof cursor === 'string' ? cursor : '';
  const [, order, state, hits] = /^(newest|oldest):(\d{1,15}):(\d{1,15})$/.exec(text) ?? [];
  const isFit =
    order === (newestFirst ? 'newest' : 'oldest') && (newestFirst || (state !== '0' && hits !== '0'));
  if (!isFit) {
    throw new InvalidInputError(
      `cursor must be the "next" of a page that was asked for with the same options, got ${shown(cursor)}`,
    );
  }
  return [Number(state), Number(hits)];
}
