/**
 * Calls with an end. Each attempt may be silent for a third of what its operation has left to whoever set the deadline,
 * then the node is doubted and the next attempt finds another way. It is doubted as well when the operation ends in the
 * middle of a silent attempt, by its deadline, its caller or an outbox that waits no longer: else every operation would
 * begin with the node that froze. Before the server has ever answered nothing is tried twice: the address is the first
 * suspect then, and whoever started us wants to hear of it.
 */
import { createBackoff, sleep } from '../waiting.js';
import type { PinnedWrite, Receipt } from './append-call.js';
import type { Connection, Node } from './connection.js';
import { EventStoreFailure, isTransient, toFailure } from './failure.js';
import { Feed } from './feed.js';
import { type Bounds, type Interruption, within } from './interruption.js';
import type { Recorded } from './read-message.js';
import { isNext, type OrderedRead } from './read-requests.js';
import type { Turns } from './turns.js';

export interface CallContext {
  readonly connection: Connection;
  /** Aborted when the store is closed. */
  readonly closing: AbortSignal;
  /** How long a call may go without a sign of life before it is tried anew. */
  readonly attemptTimeoutMs: number;
  /** Of reads. */
  readonly turns: Turns;
  /** Hears of what is tried again. */
  onRetry(failure: Error): void;
}

/** @param action completes "the event store could not …" */
export async function withRetries<T>(
  context: CallContext,
  action: string,
  bounds: Bounds,
  attempt: (node: Node, interruption: Interruption) => Promise<T>,
): Promise<T> {
  return context.turns.run(action, () =>
    within(bounds, context, action, operation => retryUntil(context, action, operation, attempt)),
  );
}

/**
 * Somebody waits, and a new leader refuses appends for a second before it takes them: doubling further, the first one
 * came up to 0.6 s behind it.
 */
const LONGEST_PAUSE_MS = 200;
/** Shorter than this, saying nothing is no reason for doubt. */
const SUSPICIOUS_SILENCE_MS = 300;

/** Whoever calls it races it against the interruption: an attempt may be the last to hear of that. */
export async function retryUntil<T>(
  context: CallContext,
  action: string,
  interruption: Interruption,
  attempt: (node: Node, interruption: Interruption) => Promise<T>,
): Promise<T> {
  const { connection } = context;
  const retries = new Retries(context, LONGEST_PAUSE_MS);
  for (;;) {
    let node: Node | undefined;
    const startedAtMs = performance.now();
    try {
      node = await connection.node();
      const result = await attempt(node, interruption);
      connection.noteReached();
      return result;
    } catch (error) {
      const failure = toFailure(error, action);
      if (interruption.isOver) {
        const wasLong = performance.now() - startedAtMs >= SUSPICIOUS_SILENCE_MS;
        if (node && wasLong && !node.wasHeardSince(startedAtMs))
          await connection.doubt(node, failure, startedAtMs);
        throw failure;
      }
      interruption.lastFailure = failure;
      await retries.pauseAfter(failure, node, connection.wasReached, interruption.signal, startedAtMs);
      if (interruption.isOver) throw failure;
    }
  }
}

/** What lies between two attempts of an operation or of a subscription. */
export class Retries {
  readonly #context: CallContext;
  readonly #backoff: ReturnType<typeof createBackoff>;
  #wasRedirected = false;

  constructor(context: CallContext, longestPauseMs?: number) {
    this.#context = context;
    this.#backoff = createBackoff(longestPauseMs);
  }

  /** The last attempt came to something. */
  reset(): void {
    this.#backoff.reset();
  }

  /**
   * @param mayRetry whether a failure that may pass is tried again where no node named the leader
   * @param sinceMs when the call was made, by the monotonic clock
   * @throws the failure where it is not tried again
   */
  async pauseAfter(
    failure: Error,
    node: Node | undefined,
    mayRetry: boolean,
    signal: AbortSignal,
    sinceMs?: number,
  ): Promise<void> {
    const { connection, onRetry } = this.#context;
    if (node && isTransient(failure)) await connection.doubt(node, failure, sinceMs);
    const isRedirected = failure instanceof EventStoreFailure && failure.leader !== undefined;
    if (!isTransient(failure) || !(mayRetry || isRedirected)) throw failure;
    onRetry(failure);
    // Two nodes that each name the other are not asked in turn without a pause.
    await sleep(isRedirected && !this.#wasRedirected ? 0 : this.#backoff.nextMs(), signal);
    this.#wasRedirected = isRedirected;
  }
}

/** Every event of one read, once each and in its order, or none for a stream that does not exist. */
export async function collect(
  node: Node,
  { request, order }: OrderedRead,
  operation: Interruption,
  onEvent: (event: Recorded) => void,
): Promise<void> {
  let last: Recorded | undefined;
  const feed = new Feed(node, request, 'read', ({ event }) => {
    if (!event || !isNext(event, last, order)) return;
    last = event;
    onEvent(event);
  });
  const forget = operation.onOver(() => feed.cancel());
  try {
    await feed.wait(operation.attemptMs);
    feed.check();
  } finally {
    forget();
    feed.close();
  }
}

/** One write of an event that is none of ours. @throws its failure */
export async function appendAlone(
  node: Node,
  write: PinnedWrite,
  operation: Interruption,
): Promise<Exclude<Receipt, { outcome: 'failed' }> | undefined> {
  const [receipt] = await node.appends.append([write], operation.attemptMs, stop => operation.onOver(stop));
  if (receipt?.outcome === 'failed') throw receipt.failure;
  return receipt;
}
