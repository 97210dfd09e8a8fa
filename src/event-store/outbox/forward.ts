/**
 * One batch to the event store, in order. What the store calls invalid would block everything behind it for ever, so
 * the batch is halved until the culprit stands alone, and the rest goes on. Any other refusal is the store's trouble,
 * not the event's: the batch ends there, and what is behind goes on waiting.
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
      if (!isConnectorStateError(error, 'INVALID_EVENT')) return message;
      if (items.length === 1) {
        dead.push({ waiting: first.waiting, problem: message });
        return undefined;
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
  const failure = await take(items);
  return { stored, dead, position, failure };
}
