/**
 * One batch to the event store, in order. What it does not take stands in nobody's way but its own stream's:
 *
 *   invalid    no store will ever take it (its schema, a type of a later release): set aside alone, found by halving
 *   refused    for its stream's sake or its own (the stream was deleted for good, the event is too large, a right to it
 *              is missing): it becomes the head of its stream, which waits behind it; all others go on. A store that
 *              says which streams it means spares the search (named one by one, 500 of them cost forty appends of the
 *              whole batch, in which the transaction is silent and nothing is known of any); where it does not, the batch
 *              is halved, and the refusal is the event's if the store takes others of the batch, else the store's
 *   failed     anything else: the store cannot be used now. The batch ends, and what is behind goes on waiting
 */
import { isConnectorStateError } from '../../base/errors.js';
import type { NewEvent, Position } from '../../events/event.js';
import type { AppendResult } from '../event-store.js';
import { toNewEvent, type WaitingEvent } from './waiting-event.js';

export interface Untaken {
  readonly waiting: WaitingEvent;
  readonly problem: string;
}

export interface Forwarded {
  /** Acknowledged by the store. */
  readonly stored: readonly WaitingEvent[];
  /** Invalid. */
  readonly dead: readonly Untaken[];
  /** Heads of streams that wait from now on. */
  readonly refused: readonly Untaken[];
  /** Of the last event stored. */
  readonly position: Position | undefined;
  /** Why the store cannot be used now; `undefined`: the batch came to its end. */
  readonly failure: string | undefined;
}

/** So many refusals and nothing taken: the rest of the batch is for the next, which leaves these streams out. */
const ENOUGH_REFUSALS = 20;

/** A store says of its failures whether they may pass. */
const isRefusal = (error: unknown): boolean =>
  isConnectorStateError(error, 'EVENT_STORE_FAILED') &&
  (error as { transient?: boolean }).transient === false;

/** What a store may say of a refusal: the streams it is about, each with why, and that others are not concerned. */
const refusedStreamsOf = (error: unknown): ReadonlyMap<string, string> =>
  (isRefusal(error) && (error as { refused?: ReadonlyMap<string, string> }).refused) || new Map();

interface Item {
  readonly waiting: WaitingEvent;
  readonly event: NewEvent;
}

export async function forward(
  batch: readonly WaitingEvent[],
  append: (events: readonly NewEvent[]) => Promise<AppendResult>,
): Promise<Forwarded> {
  const stored: WaitingEvent[] = [];
  const dead: Untaken[] = [];
  const refused: Untaken[] = [];
  /** Of a refusal that names no stream: whose fault it is shows at the end. */
  const undecided: Untaken[] = [];
  const held = new Set<string>();
  let position: Position | undefined;

  const isEnough = () => stored.length === 0 && held.size >= ENOUGH_REFUSALS;

  function hold(as: Untaken[], { waiting, event }: Item, problem: string): void {
    held.add(event.stream);
    as.push({ waiting, problem });
  }

  async function take(all: readonly Item[]): Promise<string | undefined> {
    const items = all.filter(({ event }) => !held.has(event.stream));
    const [first] = items;
    if (!first) return undefined;
    try {
      const result = await append(items.map(({ event }) => event));
      stored.push(...items.map(({ waiting }) => waiting));
      position = result.position ?? position;
      return undefined;
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      const isInvalid = isConnectorStateError(error, 'INVALID_EVENT');
      if (!isInvalid && !isRefusal(error)) return message;
      const streams = refusedStreamsOf(error);
      const heads = headsOf(items);
      const named = heads.filter(({ event }) => streams.has(event.stream));
      if (named.length > 0 && heads.length > 1) {
        if (heads.length < items.length) {
          // Which of its events each is refused for is not said. Of the first of each stream, one append tells all.
          const behind = items.filter(item => !heads.includes(item));
          return (await take(heads)) ?? (await take(behind));
        }
        for (const item of named) hold(refused, item, streams.get(item.event.stream) as string);
        return named.length === 1 && isEnough() ? message : take(items);
      }
      if (items.length === 1) {
        if (isInvalid) dead.push({ waiting: first.waiting, problem: message });
        else hold(streams.size === 0 ? undecided : refused, first, message);
        return isEnough() ? message : undefined;
      }
      const half = Math.ceil(items.length / 2);
      return (await take(items.slice(0, half))) ?? (await take(items.slice(half)));
    }
  }

  const items: Item[] = [];
  for (const waiting of batch) {
    const event = toNewEvent(waiting);
    if ('problem' in event) dead.push({ waiting, problem: event.problem });
    else items.push({ waiting, event });
  }
  let failure = await take(items);
  if (stored.length > 0) refused.push(...undecided);
  else failure ??= undecided[0]?.problem;
  return { stored, dead, refused, position, failure };
}

/** The first of each stream. */
function headsOf(items: readonly Item[]): readonly Item[] {
  const seen = new Set<string>();
  return items.filter(({ event: { stream } }) => !seen.has(stream) && seen.add(stream));
}
