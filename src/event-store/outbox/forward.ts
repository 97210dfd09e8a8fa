/**
 * One batch to the event store, in order. What it does not take stands in nobody's way but its own stream's:
 *
 *   invalid    no store will ever take it (its schema, a type of a later release): set aside alone, found by halving
 *   refused    for its stream's sake or its own (the stream was deleted for good, the event is too large, a right to it
 *              is missing): it becomes the head of its stream, which waits behind it; all others go on. A store that
 *              says which stream it means spares the search; where it does not, the batch is halved, and the refusal
 *              is the event's if the store takes others of the batch, else the store's
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

/** What a store may say of a refusal: which stream it is about, and that others are not concerned. */
const refusedStreamOf = (error: unknown): string | undefined =>
  isRefusal(error) ? (error as { stream?: string }).stream : undefined;

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
      const stream = refusedStreamOf(error);
      if (items.length === 1) {
        const untaken = { waiting: first.waiting, problem: message };
        if (isInvalid) dead.push(untaken);
        else {
          held.add(first.event.stream);
          (stream === undefined ? undecided : refused).push(untaken);
        }
        const isEnough = stored.length === 0 && held.size >= ENOUGH_REFUSALS;
        return isEnough ? message : undefined;
      }
      const own = items.filter(({ event }) => event.stream === stream);
      if (own.length > 0 && own.length < items.length) {
        return (await take(own)) ?? (await take(items.filter(({ event }) => event.stream !== stream)));
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
