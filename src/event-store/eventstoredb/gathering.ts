/**
 * A page in the making: what a subscription was sent and has not handed out. (Cut at the server's "caught up", pages stayed
 * as small as what had just arrived after every burst.)
 *
 * Catching up, a page is complete when it is full. Live, from the server's "caught up" on, whatever is there may be one,
 * and subscription.ts asks for the head first. In a store that others use too, ours may be quiet for long: the server
 * says now and then how far it has looked, and when that is far enough from the last position handed out, it makes a page
 * without events, so that a restart need not look at all of it again. Not every time: a page costs the reader a write.
 */
import { decodeLogEvent } from '../../events/decode.js';
import type { Position, StoredEvent } from '../../events/event.js';
import type { Page } from '../event-store.js';
import { comparePositions, parsePosition } from './position.js';
import { isTombstone, type ReadMessage } from './read-message.js';
import { outOfOrder } from './read-requests.js';
import { toRawEvent } from './recorded-event.js';

/** What the reader was told last. */
export interface Told {
  readonly position: Position | undefined;
  /** Being at the head again is nothing new to it then. */
  readonly isAtHead: boolean;
}

/** How much of the log must have gone by for a position without events to be worth a page. */
const QUIET_PAGE_BYTES = 65_536n;

export class Gathering {
  readonly #pageSize: number;
  /** Of the last event, whether it was handed out or not. */
  #last: Position | undefined;
  #events: StoredEvent[] = [];
  #isLive = false;
  /** How far the server has looked beyond the last event. */
  #looked: Position | undefined;

  constructor(pageSize: number, after: Position | undefined) {
    this.#pageSize = pageSize;
    this.#last = after;
  }

  get isLive(): boolean {
    return this.#isLive;
  }

  get isFull(): boolean {
    return this.#events.length >= this.#pageSize;
  }

  get hasEvents(): boolean {
    return this.#events.length > 0;
  }

  /** Whether all up to `head` was sent, or looked at and found not to be ours. */
  reaches(head: Position | undefined): boolean {
    return comparePositions(this.#last, head) >= 0;
  }

  get count(): number {
    return this.#events.length;
  }

  /** @throws EventStoreFailure when an event lies before what was gathered already */
  add({ event, checkpoint, caughtUp }: ReadMessage): void {
    if (event) {
      const place = comparePositions(event.position, this.#last);
      if (place < 0) throw outOfOrder(event.position);
      if (place === 0) return;
      this.#last = event.position;
      if (isTombstone(event)) {
        this.#looked = event.position;
        return;
      }
      this.#events.push(decodeLogEvent(toRawEvent(event)));
      this.#looked = undefined;
    } else if (checkpoint !== undefined) {
      this.#looked = checkpoint;
    } else if (caughtUp) {
      this.#isLive = true;
    }
  }

  /** Whether it is time for a page. */
  hasPage({ position, isAtHead }: Told): boolean {
    if (this.isFull) return true;
    if (this.#isLive && (this.#events.length > 0 || !isAtHead)) return true;
    return this.#events.length === 0 && isFarFrom(position, this.#looked);
  }

  /** To be asked for when there is one. */
  takePage({ position }: Told, isAtHead: boolean): Page {
    const events = this.#events;
    this.#events = [];
    const last = events.at(-1)?.position;
    const looked = last === undefined && isFarFrom(position, this.#looked) ? this.#looked : undefined;
    return { events, position: last ?? looked ?? position, caughtUp: isAtHead };
  }
}

function isFarFrom(position: Position | undefined, looked: Position | undefined): boolean {
  if (looked === undefined) return false;
  return parsePosition(looked).commit - parsePosition(position).commit >= QUIET_PAGE_BYTES;
}
