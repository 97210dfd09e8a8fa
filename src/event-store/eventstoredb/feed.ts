/**
 * A subscription's call as something that flows while its reader wants more, and stands still otherwise: then
 * messages wait in the call's small buffer, behind that in the network, and behind that with the server.
 *
 * A message that cannot be taken ends the call with that failure: thrown on from the call's handler it would reach
 * nobody and end the process (an empty log's first checkpoint did).
 */
import type { ClientReadableStream } from '@grpc/grpc-js';
import type { ReadMessage } from './read-message.js';

export class Feed {
  readonly #call: ClientReadableStream<ReadMessage>;
  #failure: unknown;
  #isOver = false;
  #wake = () => {};

  /** It flows at once. */
  constructor(call: ClientReadableStream<ReadMessage>, onMessage: (message: ReadMessage) => void) {
    this.#call = call;
    call.on('data', message => {
      if (this.#isOver) return;
      try {
        onMessage(message);
      } catch (error) {
        this.end(error);
      }
    });
    call.on('end', () => this.#finish());
    // Stays for as long as the call lives: an error nobody listens to would end the process.
    call.on('error', error => this.#fail(error));
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  pause(): void {
    this.#call.pause();
  }

  resume(): void {
    this.#call.resume();
  }

  /** Until {@link wake} is called, or the call ends. One waiter at a time. */
  wait(): Promise<void> {
    return new Promise(resolve => {
      this.#wake = resolve;
      if (this.#isOver) resolve();
    });
  }

  wake(): void {
    this.#wake();
  }

  /** @throws the call's error, if it ended with one */
  check(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }

  cancel(): void {
    this.#call.cancel();
  }

  /** Ends it as if the call had failed so. */
  end(error: unknown): void {
    this.#fail(error);
    this.#call.cancel();
  }

  #fail(error: unknown): void {
    this.#failure ??= error;
    this.#finish();
  }

  #finish(): void {
    this.#isOver = true;
    this.#wake();
  }
}
