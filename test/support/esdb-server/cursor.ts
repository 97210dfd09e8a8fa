/** A place in the log to read on from, which a scavenge does not move. */
import type { EventLog, LoggedEvent, LogPosition } from './event-log.js';

export class Cursor {
  readonly #log: EventLog;
  #events: readonly LoggedEvent[];
  #index: number;
  #last: LogPosition;

  /** @param index of the next event */
  constructor(log: EventLog, index: number) {
    this.#log = log;
    this.#events = log.events;
    this.#index = index;
    this.#last = log.events[index - 1]?.position ?? { commit: 0n, prepare: 0n };
  }

  get isAtEnd(): boolean {
    this.#settle();
    return this.#index >= this.#events.length;
  }

  next(): LoggedEvent {
    this.#settle();
    const event = this.#events[this.#index++] as LoggedEvent;
    this.#last = event.position;
    return event;
  }

  #settle(): void {
    if (this.#events === this.#log.events) return;
    this.#events = this.#log.events;
    this.#index = this.#log.indexAt(this.#last, false);
  }
}
