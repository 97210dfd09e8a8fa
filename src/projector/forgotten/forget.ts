/**
 * Forgetting old hits, so that a crash between any two steps leaves a log that folds to the same rows:
 *
 *   1. survey: which hits are old enough, and what a rebuild needs of them (digest.ts). Catch up past them
 *   2. record it in the log. Part by part, each at the version that is expected; holds with the last (forgotten.ts)
 *   3. catch up past it: the checkpoint then stands behind everything that is forgotten, on an event that is kept
 *   4. drop them, as the store does. What a crash left undropped goes with the next
 *
 * Forgotten is what was recorded before a time and lies before a kept event, the first that was recorded well after that
 * time. Nothing appended later can lie there, whatever clock the store goes by. Should the clock have been set back
 * among the last of them, so that old hits lie behind newer ones, less is forgotten: up to the first of those.
 */
import { hostname } from 'node:os';
import { ConnectorStateError, InvalidInputError, isConnectorStateError } from '../../base/errors.js';
import { shown } from '../../base/shown.js';
import type { EventStore } from '../../event-store/event-store.js';
import type { NewEvent, Position, StoredEvent } from '../../events/event.js';
import { newEventId } from '../../events/ids.js';
import { FORGOTTEN_STREAM } from '../../events/streams.js';
import { catchUp } from '../catch-up.js';
import { positionsOf, readCheckpoints } from '../checkpoints.js';
import type { ProjectorContext } from '../context.js';
import { lowest } from '../lowest.js';
import { withPooledSession } from '../session.js';
import { type ForgottenEntry, HitsDigest, isKept, type KeptEvent, keptEventOf } from './digest.js';
import { type ForgottenSpan, isCovered, positionOf, readForgotten } from './forgotten.js';

export interface ForgetOptions {
  /** Hits recorded before this are forgotten; epoch milliseconds, the store's clock. */
  readonly before: number;
  /** Who wants it: at most 200 characters. */
  readonly by: string;
  /** Nothing is done while no hit is from before this; epoch milliseconds. Default: `before`. */
  readonly onlyIfBefore?: number;
  /** Say what would be forgotten, and do nothing. */
  readonly dryRun?: boolean;
  readonly signal?: AbortSignal;
}

export interface ForgetResult {
  /** Events that are forgotten by this call; with `dryRun`, that would be. */
  readonly forgotten: number;
  /** What a rebuild goes by instead of them. */
  readonly sums: number;
  /** As it was recorded; `undefined` where nothing was. */
  readonly before: number | undefined;
  /** Events that the store let go, those of earlier calls that were interrupted included. */
  readonly dropped: number;
}

interface Survey {
  readonly before: number;
  readonly until: KeptEvent;
  readonly untilPosition: Position;
  readonly next: KeptEvent | undefined;
  readonly events: number;
  readonly entries: readonly ForgottenEntry[];
}

/** The first kept event this long after the time stands behind everything from before it, small steps of a clock included. */
const SLACK_MS = 60_000;
const TRIES = 20;
/** An event of an event store may be a megabyte. */
const PART_BYTES = 256 * 1024;

/**
 * @throws ConnectorStateError `PROJECTION_FAILED` while the read tables have not applied what would be forgotten;
 *   `EVENT_STORE_FAILED`
 */
export async function forgetHits(context: ProjectorContext, options: ForgetOptions): Promise<ForgetResult> {
  const { before, dryRun = false, signal } = options;
  if (!Number.isSafeInteger(before)) {
    throw new InvalidInputError(`before must be whole epoch milliseconds, got ${shown(before)}`);
  }
  const { store } = context;
  for (let tries = 1; ; tries++) {
    signal?.throwIfAborted();
    const known = await readForgotten(store);
    const survey = await surveyed(store, known.span, options);
    if (dryRun) return { ...outcome(survey), dropped: 0 };
    if (survey) {
      await catchUp(context, { until: survey.untilPosition, ...(signal && { signal }) });
      await requireApplied(context, survey.untilPosition);
      try {
        await record(store, survey, known.version, options.by);
      } catch (error) {
        // Somebody else forgets at the same time: what was surveyed may be his by now.
        if (isConnectorStateError(error, 'VERSION_CONFLICT') && tries < TRIES) continue;
        throw error;
      }
    }
    return { ...outcome(survey), dropped: await drop(context, signal) };
  }
}

const outcome = (survey: Survey | undefined) => ({
  forgotten: survey?.events ?? 0,
  sums: survey?.entries.length ?? 0,
  before: survey?.before,
});

async function surveyed(
  store: EventStore,
  span: ForgottenSpan | undefined,
  options: ForgetOptions,
): Promise<Survey | undefined> {
  for (let before = options.before; span === undefined || before > span.before; ) {
    const found = await survey(store, span, { ...options, before });
    if (!('lower' in found)) return found.survey;
    before = found.lower;
  }
  return undefined;
}

/** `lower`: the time to try next, for an older hit lies behind a newer one. */
async function survey(
  store: EventStore,
  span: ForgottenSpan | undefined,
  { before, onlyIfBefore = before, signal }: ForgetOptions,
): Promise<{ readonly survey: Survey | undefined } | { readonly lower: number }> {
  const PAGE = 5_000;
  const digest = new HitsDigest(span?.next);
  let position = span?.next === undefined ? undefined : await positionOf(store, span.next);
  let kept = span?.next;
  let until: StoredEvent | undefined;
  /** Those behind the last kept event: whether they are forgotten is told by the next. */
  let hits: StoredEvent[] = [];
  let newer: { readonly behind: KeptEvent | undefined } | undefined;
  let isPast = false;
  let isDone = false;
  for (;;) {
    signal?.throwIfAborted();
    const events = await store.readAll({ after: position, limit: PAGE });
    for (const event of events) {
      isPast ||= event.recordedAt >= before + SLACK_MS;
      if (!isKept(event)) {
        if (!isCovered(store.compare, span, event)) hits.push(event);
        continue;
      }
      for (const hit of hits) {
        if (digest.events === 0 && !newer && hit.recordedAt >= onlyIfBefore) return { survey: undefined };
        if (hit.recordedAt >= before) newer ??= { behind: kept };
        else if (newer) return { lower: hit.recordedAt };
        else digest.forget(hit);
      }
      hits = [];
      digest.kept(event);
      kept = keptEventOf(event);
      until = event;
      isDone = isPast;
      if (isDone) break;
    }
    position = events.at(-1)?.position;
    if (events.length < PAGE || isDone) break;
  }
  if (!until || digest.events === 0) return { survey: undefined };
  return {
    survey: {
      before,
      until: keptEventOf(until),
      untilPosition: until.position,
      next: newer ? newer.behind : keptEventOf(until),
      events: digest.events,
      entries: digest.entries(),
    },
  };
}

async function requireApplied(context: ProjectorContext, until: Position): Promise<void> {
  const position = await appliedUpTo(context);
  if (context.store.compare(position, until) >= 0) return;
  throw new ConnectorStateError(
    'PROJECTION_FAILED',
    `nothing is forgotten: the read tables have applied events up to ${position ?? 'none'}, and hits up to ${until} would be forgotten. Run \`connector-state project --once\` first`,
  );
}

async function appliedUpTo({ pool, namedStatements, projections, store }: ProjectorContext) {
  const checkpoints = await withPooledSession(pool, namedStatements, session =>
    readCheckpoints(session, projections),
  );
  return lowest(store.compare, positionsOf(checkpoints));
}

async function record(store: EventStore, survey: Survey, version: number, by: string): Promise<void> {
  const { before, until, next, entries } = survey;
  const chunks = inParts(entries);
  const forgetting = newEventId();
  for (const [index, chunk] of chunks.entries()) {
    const expected = version + index;
    const event: NewEvent = {
      id: newEventId(),
      stream: FORGOTTEN_STREAM,
      occurredAt: Date.now(),
      host: `${hostname()}/${process.pid}`.slice(-200),
      type: 'HitsForgotten',
      data: {
        forgetting,
        part: index + 1,
        parts: chunks.length,
        by,
        before,
        until,
        ...(next !== undefined && { next }),
        entries: [...chunk],
      },
    };
    await store.append([event], {
      expectedVersions: { [FORGOTTEN_STREAM]: expected === 0 ? 'no-stream' : expected },
    });
  }
}

function inParts(entries: readonly ForgottenEntry[]): readonly (readonly ForgottenEntry[])[] {
  const parts: ForgottenEntry[][] = [[]];
  let bytes = 0;
  for (const entry of entries) {
    const size = Buffer.byteLength(JSON.stringify(entry));
    if (bytes + size > PART_BYTES && bytes > 0) {
      parts.push([]);
      bytes = 0;
    }
    parts.at(-1)?.push(entry);
    bytes += size;
  }
  return parts;
}

/** Only once the checkpoints stand behind the record: never on a hit that goes. */
async function drop(context: ProjectorContext, signal: AbortSignal | undefined): Promise<number> {
  const { store } = context;
  const { span } = await readForgotten(store);
  if (!span || !store.dropForgotten) return 0;
  await catchUp(context, { until: span.recorded, ...(signal && { signal }) });
  if (store.compare(await appliedUpTo(context), span.recorded) < 0) return 0;
  return store.dropForgotten(span, signal);
}
