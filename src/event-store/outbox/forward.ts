/**
 * One batch to the event store, in order. What the store calls invalid would block everything behind it for ever, so
 * the batch is halved until the culprit stands alone, and the rest goes on.
 *
 * A refusal that waiting will not change may be the event's fault (its stream was deleted for good, it is too large) or
 * the store's (a right is missing). It is the event's if the store takes others of the same batch; if it takes
 * none, all go on waiting. Any other failure ends the batch, and what is behind goes on waiting.
 */
import { isConnectorStateError } from '../../errors.js';
import type { NewEvent, Position } from '../../events/event.js';
import type { AppendResult } from '../event-store.js';
import { toNewEvent, type WaitingEvent } from './waiting-event.js';

export interface Forwarded {
  /** Acknowledged by the store. */
  readonly stored: readonly WaitingEvent[];
  readonly dead: readonly { readonly waiting: WaitingEvent; readonly problem: string }[];
  /** Of the last event stored. */
  readonly position: Position | undefined;
  /** What the store said to the first event it did not take; `undefined` when all are stored or dead. */
  readonly failure: string | undefined;
}

/** Refused one by one, none taken: asking for each of hundreds would tell no more. */
const ENOUGH_REFUSALS = 5;

/** A store says of its failures whether they may pass. */
const isRefusal = (error: unknown): boolean =>
  isConnectorStateError(error, 'EVENT_STORE_FAILED') &&
  (error as { transient?: boolean }).transient === false;

interface Item {
  readonly waiting: WaitingEvent;
  readonly event: NewEvent;
}

export async function forward(
  batch: readonly WaitingEvent[],
  append: (events: readonly NewEvent[]) => Promise<AppendResult>,
): Promise<Forwarded> {
  const stored: WaitingEvent[] = [];
  const dead: { waiting: WaitingEvent; problem: string }[] = [];
  const refused: typeof dead = [];
  let position: Position | undefined;

  async function take(items: readonly Item[]): Promise<string | undefined> {
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
      if (items.length === 1) {
        (isInvalid ? dead : refused).push({ waiting: first.waiting, problem: message });
        return stored.length === 0 && refused.length >= ENOUGH_REFUSALS ? message : undefined;
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
  if (stored.length > 0) dead.push(...refused);
  else failure ??= refused[0]?.problem;
  return { stored, dead, position, failure };
}
