/**
 * What the log says has been forgotten, and how it is folded without it.
 *
 * A forgetting is told in one or several facts, one behind the other in a stream of their own; it holds when the last is
 * there. Two that are recorded at once cannot both hold: each part is appended at the version that its writer expects, so
 * the writer that was overtaken gives up, and its parts mean nothing.
 *
 * From then on whoever folds the log from its beginning leaves out the hits that are covered, whether they are still
 * there or not, and takes the sums in their places. So it makes no difference when, or whether, or how many of them are
 * dropped. The live projector has applied them before (forget.ts sees to that) and takes no notice; one whose
 * checkpoint lies before what is forgotten cannot go on from there, and the tables are made anew.
 */
import { ConnectorStateError } from '../../base/errors.js';
import type { EventStore } from '../../event-store/event-store.js';
import type { EventData } from '../../events/catalogue.js';
import type { Position, StoredEvent } from '../../events/event.js';
import { FORGOTTEN_STREAM } from '../../events/streams.js';
import type { Batch } from '../write-page.js';
import {
  eventOf,
  type ForgottenEntry,
  isKept,
  type KeptEvent,
  keptEventOf,
  parseKeptEvent,
} from './digest.js';

type Part = EventData['HitsForgotten'];
type PartEvent = StoredEvent & { readonly decoded: 'known'; readonly data: Part };

/** The span that is forgotten: hits recorded before `before` that lie before the kept event `until`. */
export interface ForgottenSpan {
  /** Epoch milliseconds, the store's clock. */
  readonly before: number;
  /** Where `until` lies in this log. */
  readonly until: Position;
  /** Where the last fact lies that tells of it: who has applied that has passed all that is forgotten. */
  readonly recorded: Position;
  /** The kept event from which on hits have not been looked at; `undefined`: from the first. */
  readonly next: KeptEvent | undefined;
}

export interface Forgotten {
  /** Of the stream that tells; 0 while nothing does. Another number means that something was added. */
  readonly version: number;
  /** `undefined`: nothing is forgotten. */
  readonly span: ForgottenSpan | undefined;
  readonly entries: readonly ForgottenEntry[];
}

const NOTHING: Forgotten = { version: 0, span: undefined, entries: [] };
const PARTS_A_READ = 20;

/** @throws ConnectorStateError `PROJECTION_FAILED` when a fact of it cannot be read, or speaks of an event that is not there */
export async function readForgotten(store: EventStore): Promise<Forgotten> {
  const parts: PartEvent[] = [];
  for (let fromVersion = 1; ; fromVersion += PARTS_A_READ) {
    const page = await store.readStream(FORGOTTEN_STREAM, { fromVersion, limit: PARTS_A_READ });
    for (const event of page) parts.push(toPart(event));
    if (page.length < PARTS_A_READ) break;
  }
  const last = parts.at(-1);
  if (!last) return NOTHING;
  const whole = wholeOnes(parts);
  const latest = whole.at(-1)?.at(-1);
  return {
    version: last.version,
    span: latest && (await spanOf(store, latest)),
    entries: whole.flatMap(group => group.flatMap(({ data }) => data.entries)),
  };
}

/**
 * Without the sums, which may be many. A last part never stands without the others: it was appended at the version
 * behind them.
 */
export async function readForgottenSpan(store: EventStore): Promise<ForgottenSpan | undefined> {
  let fromVersion: number | undefined;
  for (;;) {
    const [last] = await store.readStream(FORGOTTEN_STREAM, {
      direction: 'backwards',
      limit: 1,
      ...(fromVersion !== undefined && { fromVersion }),
    });
    if (!last) return undefined;
    const part = toPart(last);
    if (part.data.part === part.data.parts) return spanOf(store, part);
    if (last.version === 1) return undefined;
    fromVersion = last.version - 1;
  }
}

export async function forgottenVersion(store: EventStore): Promise<number> {
  const [last] = await store.readStream(FORGOTTEN_STREAM, { direction: 'backwards', limit: 1 });
  return last?.version ?? 0;
}

function toPart(event: StoredEvent): PartEvent {
  if (event.decoded === 'known' && event.type === 'HitsForgotten') return event as PartEvent;
  throw new ConnectorStateError(
    'PROJECTION_FAILED',
    `event ${event.version} of ${FORGOTTEN_STREAM} cannot be read, so nobody knows what was forgotten: upgrade connector-state`,
  );
}

/** The forgettings all of whose parts are there, one behind the other. */
function wholeOnes(parts: readonly PartEvent[]): readonly (readonly PartEvent[])[] {
  const whole: PartEvent[][] = [];
  let group: PartEvent[] = [];
  for (const event of parts) {
    const { forgetting, part, parts: count } = event.data;
    const goesOn = group.length === part - 1 && group[0]?.data.forgetting === forgetting;
    group = part === 1 ? [event] : goesOn ? [...group, event] : [];
    if (group.length === count) {
      whole.push(group);
      group = [];
    }
  }
  return whole;
}

async function spanOf(store: EventStore, { data, position }: PartEvent): Promise<ForgottenSpan> {
  return {
    before: data.before,
    until: await positionOf(store, data.until),
    recorded: position,
    next: data.next,
  };
}

/** Where a kept event lies in this log. */
export async function positionOf(store: EventStore, kept: KeptEvent): Promise<Position> {
  const { version = 1, stream = '' } = parseKeptEvent(kept) ?? {};
  const [event] = await store.readStream(stream, { fromVersion: version, limit: 1 });
  if (event?.version === version) return event.position;
  throw new ConnectorStateError(
    'PROJECTION_FAILED',
    `the log lacks event ${version} of ${stream}, which what was forgotten is told by: it is not the log it was recorded in`,
  );
}

export const isCovered = (
  compare: EventStore['compare'],
  span: Pick<ForgottenSpan, 'before' | 'until'> | undefined,
  event: StoredEvent,
): boolean =>
  span !== undefined &&
  !isKept(event) &&
  event.recordedAt < span.before &&
  compare(event.position, span.until) < 0;

/**
 * Gives a page of the log as it is folded: without what is covered, with the sums. They bear the position of the event
 * that they stand behind, so that they are applied with it or not at all.
 */
export function createReplay({ compare }: EventStore, { span, entries }: Forgotten): (page: Batch) => Batch {
  if (!span) return page => page;
  const byPlace = new Map<KeptEvent | undefined, ForgottenEntry[]>();
  for (const entry of entries) {
    const there = byPlace.get(entry.after);
    if (there) there.push(entry);
    else byPlace.set(entry.after, [entry]);
  }
  return page => {
    const first = page.events[0];
    const events: StoredEvent[] = [];
    const replay = (place: KeptEvent | undefined, position: Position) => {
      for (const entry of byPlace.get(place) ?? []) events.push(eventOf(entry, position));
    };
    if (first && page.after === undefined) replay(undefined, first.position);
    for (const event of page.events) {
      if (isCovered(compare, span, event)) continue;
      events.push(event);
      if (isKept(event)) replay(keptEventOf(event), event.position);
    }
    return { ...page, events, read: page.events };
  };
}
