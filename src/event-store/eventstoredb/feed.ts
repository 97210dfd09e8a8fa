/**
 * The call of a read or a subscription as something that flows while its reader wants more, and stands still otherwise:
 * then messages wait in the call's small buffer, behind that in the network, and behind that with the server.
 *
 * It is one of the node's calls until it is closed. Silence is a failure only for whoever waits, and says for how long.
 *
 * A message that cannot be taken ends the call with that failure: thrown on from the call's handler it would reach
 * nobody and end the process (an empty log's first checkpoint did).
 */
import type { ClientReadableStream } from '@grpc/grpc-js';
import type { Node } from './connection.js';
import { EventStoreFailure } from './failure.js';
import type { ReadRequest } from './protocol.js';
import type { ReadMessage } from './read-message.js';

export class Feed {
  readonly #call: ClientReadableStream<ReadMessage>;
  readonly #action: string;
  readonly #over: () => void;
  #patience: NodeJS.Timeout | undefined;
  #failure: unknown;
  #isOver = false;
  #wake = () => {};

  /**
   * It flows at once.
   * @param action completes "the event store could not …"
   */
  constructor(node: Node, request: ReadRequest, action: string, onMessage: (message: ReadMessage) => void) {
    this.#action = action;
    this.#over = node.begin(() => this.#endUnanswered());
    this.#call = node.stub.read(request, node.metadata);
    this.#call.on('data', message => {
      if (this.#isOver) return;
      node.heard();
      this.#patience?.refresh();
      try {
        onMessage(message);
      } catch (error) {
        this.end(error);
      }
    });
    this.#call.on('end', () => this.#finish());
    // Stays for as long as the call lives: an error nobody listens to would end the process.
    this.#call.on('error', error => this.#fail(error));
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

  /**
   * Until {@link wake} is called, or the call ends. One waiter at a time.
   * @param patienceMs the longest silence; after it the call ends with that failure
   */
  async wait(patienceMs?: number): Promise<void> {
    if (this.#isOver) return;
    if (patienceMs !== undefined) this.#patience = setTimeout(() => this.#endUnanswered(), patienceMs);
    await new Promise<void>(resolve => {
      this.#wake = resolve;
    });
    clearTimeout(this.#patience);
    this.#patience = undefined;
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

  /** Nobody wants more of it, and nobody waits. */
  close(): void {
    this.cancel();
    this.wake();
    this.#over();
  }

  /** Ends it as if the call had failed so. */
  end(error: unknown): void {
    this.#fail(error);
    this.#call.cancel();
  }

  #endUnanswered(): void {
    const message = `the event store could not ${this.#action} (no answer in time): retry`;
    this.end(new EventStoreFailure(message, true));
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
