/**
 * What an event must be before anything is folded from it.
 *
 * An append is checked against the schema of its type and nothing else: whoever may append can write any fact about
 * anybody. A fact that cannot have come about in the way that facts do is a dead letter, not a row: it waits for
 * somebody to look at it, and moves nothing.
 *
 *  - It lies in the stream of another connector than its payload's.
 *  - It knows the future. What was measured, condemned or cut off lies before the store took the event, but for how far
 *    two servers' clocks differ. A process's own clock may be years off; what it tells by that is held against its
 *    own `occurredAt`.
 *  - It counts more than a process can do in its span.
 *  - It is to be kept for longer than anything is.
 *
 * Pure, and without a look at any row: that a connector calls a row corrupt which is not, only the fold can tell
 * (exchange-clock.ts, connector-state-cache.ts).
 */
import { MAX_TTL_MS } from '../src/clock/ttl.js';
import type { FactOf, KnownEvent } from '../src/events/event.js';
import { streamOf } from '../src/events/streams.js';

/** As lookups allow it to a row. */
export const FUTURE_SLACK_MS = 60_000;
/** A lookup in memory takes a microsecond. */
const HITS_PER_MS = 2_000;
/** Both ends of a span are whole milliseconds, and a freeze may end it before the last hits were counted. */
const SPAN_SLACK_MS = 1_000;

/** Of the catalogue, whose schemas are not loaded for them: a clock further off than this is not a clock. */
export const MAX_OFFSET_MS = 1_000_000_000;
export const MAX_RATE_PPM = 1_000_000;

const HOST_CLOCK_PREFIX = 'host:';

/** @returns the reason why nothing may be folded from the event, for people to read; `undefined`: there is none */
export function whyUnbelievable(event: KnownEvent): string | undefined {
  const own = streamOf(event);
  if (event.stream !== own)
    return `stream: the facts of this connector lie in ${own}, not in ${event.stream}`;
  switch (event.type) {
    case 'ConnectorSynced':
      return ofSync(event, event.data);
    case 'ConnectorStateInvalidated':
      return tooLate('condemnedMeasuredAt', event.data.condemnedMeasuredAt, limitOf(event, event.data));
    case 'ConnectorStateHit':
      return ofHits(event, event.data);
    case 'ExpiredStatesCleaned':
      return tooLate('cutoff', event.data.cutoff, event.recordedAt);
    default:
      return undefined;
  }
}

function ofSync(event: KnownEvent, data: FactOf<'ConnectorSynced'>['data']): string | undefined {
  if (data.ttlMs > MAX_TTL_MS) return `ttlMs: nothing is kept longer than ${MAX_TTL_MS}, got ${data.ttlMs}`;
  return tooLate('measuredAt', data.measuredAt, limitOf(event, data));
}

function ofHits(event: KnownEvent, data: FactOf<'ConnectorStateHit'>['data']): string | undefined {
  const { count, firstAt, lastAt } = data;
  if (lastAt < firstAt) return `lastAt: before firstAt, ${lastAt} < ${firstAt}`;
  const most = (lastAt - firstAt + SPAN_SLACK_MS) * HITS_PER_MS;
  if (count > most) return `count: no process answers ${count} lookups in ${lastAt - firstAt} ms`;
  // By the process's own clock, and so is when it says that it happened.
  return tooLate('lastAt', lastAt, Math.max(event.recordedAt, event.occurredAt));
}

const limitOf = (event: KnownEvent, { referenceClock }: { readonly referenceClock: string }): number =>
  referenceClock.startsWith(HOST_CLOCK_PREFIX)
    ? Math.max(event.recordedAt, event.occurredAt)
    : event.recordedAt;

function tooLate(name: string, timeMs: number, limitMs: number): string | undefined {
  if (timeMs <= limitMs + FUTURE_SLACK_MS) return undefined;
  return `${name}: ${Math.ceil(timeMs - limitMs)} ms after the event was recorded`;
}
