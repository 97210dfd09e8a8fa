/**
 * A read call as something to pull from. Messages wait in the call's small buffer and then in the network, so that
 * whoever does not pull holds the server back; and what has arrived can be taken without waiting.
 */
import type { ClientReadableStream } from '@grpc/grpc-js';
import type { ReadResponse } from './protocol.js';

export class Pull {
  readonly #call: ClientReadableStream<ReadResponse>;
  #failure: unknown;
  #isOver = false;
  #wake = () => {};

  constructor(call: ClientReadableStream<ReadResponse>) {
    this.#call = call;
    call.on('readable', () => this.#wake());
    call.on('end', () => this.#finish());
    // Stays for as long as the call lives: an error nobody listens to would end the process.
    call.on('error', error => {
      this.#failure ??= error;
      this.#finish();
    });
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  /** What has arrived, if anything. */
  take(): ReadResponse | undefined {
    return (this.#call.read() as ReadResponse | null) ?? undefined;
  }

  /** The next message; `undefined` at the end of the call. @throws the call's error */
  async next(): Promise<ReadResponse | undefined> {
    for (;;) {
      const message = this.take();
      if (message) return message;
      if (this.#failure !== undefined) throw this.#failure;
      if (this.#isOver) return undefined;
      await this.changed();
    }
  }

  /** Until something arrives or the call ends. One waiter at a time. */
  changed(): Promise<void> {
    return new Promise(resolve => {
      this.#wake = resolve;
      if (this.#isOver || this.#call.readableLength > 0) resolve();
    });
  }

  /** Ends a wait, as if something had changed. */
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

  #finish(): void {
    this.#isOver = true;
    this.#wake();
  }
}
