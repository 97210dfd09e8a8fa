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
import { isKept, type KeptEvent, parseKeptEvent } from './digest.js';

type Part = EventData['HitsForgotten'];
type PartEvent = StoredEvent & { readonly decoded: 'known'; readonly data: Part };
type PartOf = { readonly data: Pick<Part, 'forgetting' | 'part' | 'parts'> };

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

/** Few: each may be a quarter of a megabyte, and more once it is read. */
const PARTS_A_READ = 4;

/** All that there are, in order. @throws ConnectorStateError `PROJECTION_FAILED` when one cannot be read */
export async function* readParts(
  store: EventStore,
  { fromVersion: first = 1, limit = PARTS_A_READ } = {},
): AsyncGenerator<PartEvent, void, void> {
  for (let fromVersion = first; ; fromVersion += limit) {
    const page = await store.readStream(FORGOTTEN_STREAM, { fromVersion, limit });
    for (const event of page) yield toPart(event);
    if (page.length < limit) return;
  }
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
export function wholeOnes<P extends PartOf>(parts: readonly P[]): readonly (readonly P[])[] {
  const whole: P[][] = [];
  let group: P[] = [];
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
