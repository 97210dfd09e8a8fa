/**
 * What a log says without its old hits: the hits of a span summed up, so that a fold that is given the sums in their
 * places makes the rows that it made of the hits themselves.
 *
 * A row of a connector depends on where its hits lie among the events that are kept for good: a sync may take the row
 * over, a clean-up removes it, and its `updated_at` is that of the last of all. So hits are summed up only while
 * nothing that is kept came between them that their row could depend on, only of one tier, scope, machine and hour, and the
 * sum stands where the last of them stood: behind the same kept event, and behind the sums whose last hit came before. The
 * hours come in the order in which they came, each with the same hits, for what a fold counts from hour to hour.
 *
 *   sync₁ hit hit hit sync₂ hit          is told as         sync₁ (3 hits) sync₂ (1 hit)
 *
 * A place is named by the kept event before it, as `version@stream`: those never go away, and keep their numbers
 * wherever a log is copied to. Copying gives them other positions.
 *
 * Only hits can be summed up. What else lies in their streams (outcomes of shadow mode, what this release cannot read,
 * hits that are not believed and are dead letters) is kept whole. What is known of an exchange's edge is in no row, and
 * is let go.
 *
 * Pure; forget.ts records what comes of it, replay.ts gives it to a fold.
 */
import { whyUnbelievable } from '../../../projections/belief.js';
import { machineOf } from '../../clock/machine.js';
import type { EventData } from '../../events/catalogue.js';
import { decodeEvent, type RawEvent } from '../../events/decode.js';
import type { FactOf, Position, StoredEvent } from '../../events/event.js';
import { hitsStreamOf, isForgettable } from '../../events/streams.js';

export type ForgottenEntry = EventData['HitsForgotten']['entries'][number];
/** `version@stream` of an event that is kept for good. */
export type KeptEvent = string;

type HitEvent = Extract<StoredEvent, { decoded: 'known' }> & FactOf<'ConnectorStateHit'>;

const HOUR_MS = 3_600_000;
/** Of sums that were made before they had a host (version 1 of `HitsForgotten`). */
const HOST_NOT_KEPT = 'forgotten';
const STATE_PREFIX = 'connector_state-';

export const keptEventOf = ({ version, stream }: Pick<StoredEvent, 'version' | 'stream'>): KeptEvent =>
  `${version}@${stream}`;

/** @returns its parts; `undefined` for what is none */
export function parseKeptEvent(text: KeptEvent): { version: number; stream: string } | undefined {
  const at = text.indexOf('@');
  const version = Number(text.slice(0, at));
  return at > 0 && Number.isSafeInteger(version) ? { version, stream: text.slice(at + 1) } : undefined;
}

/** Sums up one span of the log, event by event in global order. */
export class HitsDigest {
  /** By hits stream: the sums that the next hit may still go into. */
  readonly #open = new Map<string, Map<string, HitEvent>>();
  /** In the order of their last hits. */
  readonly #entries = new Map<HitEvent | StoredEvent, ForgottenEntry>();
  #after: KeptEvent | undefined;
  /** In which the last event was recorded. A clock that was set back brings an hour twice: a sum stays within one of them. */
  #hour: number | undefined;
  /** Events taken in that are forgotten. */
  events = 0;

  /** @param after the kept event that the span begins behind; `undefined`: with the log */
  constructor(after: KeptEvent | undefined) {
    this.#after = after;
  }

  kept(event: StoredEvent): void {
    this.#after = keptEventOf(event);
    this.#enter(event);
    const { stream } = event;
    // A connector's own facts concern its row; a clean-up concerns all.
    if (stream.startsWith(STATE_PREFIX))
      this.#open.delete(`connector_state_hits-${stream.slice(STATE_PREFIX.length)}`);
    else this.#open.clear();
  }

  forget(event: StoredEvent): void {
    this.events += 1;
    this.#enter(event);
    if (event.decoded === 'known' && event.type === 'ExchangeEdgeMeasured') return;
    if (event.decoded === 'known' && event.type === 'ConnectorStateHit' && !whyUnbelievable(event)) {
      this.#sumUp(event);
      return;
    }
    this.#entries.set(event, { ...this.#entryOf(event), whole: envelopeOf(event) });
  }

  get sums(): number {
    return this.#entries.size;
  }

  entries(): readonly ForgottenEntry[] {
    return [...this.#entries.values()];
  }

  #enter({ recordedAt }: StoredEvent): void {
    const hour = hourOf(recordedAt);
    if (hour !== this.#hour) this.#open.clear();
    this.#hour = hour;
  }

  #sumUp(event: HitEvent): void {
    const sums = this.#open.get(event.stream) ?? new Map<string, HitEvent>();
    this.#open.set(event.stream, sums);
    const key = sumKeyOf(event);
    const before = sums.get(key);
    const together = before && add(before, event);
    // No process answers so many lookups in so short a time, though several do: a fold would not believe the sum.
    const sum = together && !whyUnbelievable(together) ? together : event;
    if (before && sum === together) this.#entries.delete(before);
    sums.set(key, sum);
    this.#entries.set(sum, { ...this.#entryOf(sum), host: sum.host });
  }

  #entryOf({ id, schemaVersion, occurredAt, recordedAt, data }: StoredEvent): ForgottenEntry {
    const entry = { id, schemaVersion, occurredAt, recordedAt, data };
    return this.#after === undefined ? entry : { after: this.#after, ...entry };
  }
}

const hourOf = (recordedAt: number): number => Math.floor(recordedAt / HOUR_MS);

function sumKeyOf({ host, data }: HitEvent): string {
  const { exchange, environment, scope = '', tier, stale = false } = data;
  return JSON.stringify([exchange, environment, scope, tier, stale, machineOf(host)]);
}

const add = (before: HitEvent, event: HitEvent): HitEvent => ({
  ...event,
  occurredAt: Math.max(before.occurredAt, event.occurredAt),
  data: {
    ...event.data,
    count: before.data.count + event.data.count,
    firstAt: Math.min(before.data.firstAt, event.data.firstAt),
    lastAt: Math.max(before.data.lastAt, event.data.lastAt),
  },
});

function envelopeOf(event: StoredEvent): NonNullable<ForgottenEntry['whole']> {
  const { type, stream, version, host, correlationId, causationId } = event;
  return {
    type,
    stream,
    version,
    host,
    ...(correlationId !== undefined && { correlationId }),
    ...(causationId !== undefined && { causationId }),
  };
}

/**
 * An entry as the event that a fold is given.
 * @param position of the kept event that it stands behind
 */
export function eventOf(entry: ForgottenEntry, position: Position): StoredEvent {
  const { id, schemaVersion, occurredAt, recordedAt, data, host = HOST_NOT_KEPT, whole } = entry;
  const raw: RawEvent = {
    id,
    schemaVersion,
    occurredAt,
    recordedAt,
    data,
    ...(whole ?? {
      type: 'ConnectorStateHit',
      stream: hitsStreamOf(data as EventData['ConnectorStateHit']),
      version: 1,
      host,
    }),
    position,
  };
  return decodeEvent(raw);
}

export const isKept = ({ stream }: Pick<StoredEvent, 'stream'>): boolean => !isForgettable(stream);
