/**
 * The newest events of the log, in memory once for all followers.
 *
 * The tail appends pages at one end; at the other the oldest go as soon as what remains is as many events as the
 * window is to hold. Followers only hold a place in it, so a slow one costs no memory: the window is as far as he may
 * fall behind, and when his place is gone from it he is cut off.
 */
import type { Position, StoredEvent } from '../events/event.js';

/** Events as they were read, one after the other, never empty. Shared: its identity is what frames are kept by. */
export type EventPage = readonly StoredEvent[];

type Compare = (a: Position | undefined, b: Position | undefined) => number;

/** A follower's place: the number of the page that he is given next. */
export type PageNumber = number;

export class LiveWindow {
  readonly #compare: Compare;
  readonly #maxEvents: number;
  readonly #pages: EventPage[] = [];
  #firstNumber = 0;
  #events = 0;
  #start: Position | undefined;
  #changed = newSignal();
  #quarterFull = newSignal();
  #sinceQuarter = 0;

  /** @param start the window is of what lies behind it */
  constructor(start: Position | undefined, maxEvents: number, compare: Compare) {
    this.#start = start;
    this.#maxEvents = maxEvents;
    this.#compare = compare;
  }

  /** Before the oldest event that it holds. */
  get start(): Position | undefined {
    return this.#start;
  }

  get end(): Position | undefined {
    return this.#pages.at(-1)?.at(-1)?.position ?? this.#start;
  }

  get events(): number {
    return this.#events;
  }

  push(page: EventPage): void {
    if (page.length === 0) return;
    this.#pages.push(page);
    this.#events += page.length;
    while (this.#pages.length > 1) {
      const oldest = this.#pages[0] as EventPage;
      if (this.#events - oldest.length < this.#maxEvents) break;
      this.#pages.shift();
      this.#firstNumber += 1;
      this.#events -= oldest.length;
      this.#start = oldest.at(-1)?.position;
    }
    this.#sinceQuarter += page.length;
    if (this.#sinceQuarter >= this.#maxEvents / 4) this.wake();
    else this.#fireChanged();
  }

  /** Whoever waits looks again. */
  wake(): void {
    this.#sinceQuarter = 0;
    const before = this.#quarterFull;
    this.#quarterFull = newSignal();
    before.fire();
    this.#fireChanged();
  }

  /** Resolves at the next push. */
  changed(): Promise<void> {
    return this.#changed.promise;
  }

  /** Resolves when another quarter of what it holds has come: who waits no longer than that is not left behind. */
  quarterFull(): Promise<void> {
    return this.#quarterFull.promise;
  }

  /** Whether everything behind `position` is in it, or yet to come. */
  covers(position: Position | undefined): boolean {
    return this.#compare(position, this.#start) >= 0;
  }

  /**
   * The page behind `position`, in part if it lies within one, and the number of the one after it.
   * @param position one that the window covers
   */
  enter(position: Position | undefined): { readonly rest: EventPage; readonly next: PageNumber } {
    for (let i = this.#pages.length - 1; i >= 0; i--) {
      const page = this.#pages[i] as EventPage;
      if (this.#compare(page.at(-1)?.position, position) <= 0) {
        return { rest: [], next: this.#firstNumber + i + 1 };
      }
      const from = page.findIndex(event => this.#compare(event.position, position) > 0);
      if (i > 0 && from === 0) continue;
      return { rest: from === 0 ? page : page.slice(from), next: this.#firstNumber + i + 1 };
    }
    return { rest: [], next: this.#firstNumber };
  }

  /** `gone`: it was dropped; `undefined`: it is yet to come. */
  page(number: PageNumber): EventPage | 'gone' | undefined {
    if (number < this.#firstNumber) return 'gone';
    return this.#pages[number - this.#firstNumber];
  }

  #fireChanged(): void {
    const before = this.#changed;
    this.#changed = newSignal();
    before.fire();
  }

  /** The event at a position, where the window holds it. */
  eventAt(position: Position): StoredEvent | undefined {
    for (const page of this.#pages) {
      if (this.#compare(page.at(-1)?.position, position) < 0) continue;
      return page.find(event => event.position === position);
    }
    return undefined;
  }
}

function newSignal() {
  let fire: () => void = () => undefined;
  const promise = new Promise<void>(resolve => {
    fire = resolve;
  });
  return { promise, fire };
}
