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
import { type Bounds, type Interruption, interruptAfter } from './interruption.js';
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
  return context.turns.run(action, async () => {
    const interruption = interruptAfter(bounds, context, action);
    try {
      return await interruption.race(retryUntil(context, action, interruption, attempt));
    } finally {
      interruption.dispose();
    }
  });
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
  const { connection, onRetry } = context;
  const backoff = createBackoff(LONGEST_PAUSE_MS);
  let wasRedirected = false;
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
      if (node && isTransient(failure)) await connection.doubt(node, failure, startedAtMs);
      const isRedirected = failure instanceof EventStoreFailure && failure.leader !== undefined;
      if (!isTransient(failure) || !(connection.wasReached || isRedirected)) throw failure;
      onRetry(failure);
      // Two nodes that each name the other are not asked in turn without a pause.
      await sleep(isRedirected && !wasRedirected ? 0 : backoff.nextMs(), interruption.signal);
      wasRedirected = isRedirected;
      if (interruption.isOver) throw failure;
    }
  }
}

/** Every event of one read, once each and in its order, or none for a stream that does not exist. */
export async function collect(
  node: Node,
  { request, order }: OrderedRead,
  { attemptMs, signal }: { readonly attemptMs: number; readonly signal: AbortSignal },
  onEvent: (event: Recorded) => void,
): Promise<void> {
  let last: Recorded | undefined;
  const feed = new Feed(node, request, 'read', ({ event }) => {
    if (!event || !isNext(event, last, order)) return;
    last = event;
    onEvent(event);
  });
  const onAbort = () => feed.cancel();
  signal.addEventListener('abort', onAbort);
  try {
    await feed.wait(attemptMs);
    feed.check();
  } finally {
    signal.removeEventListener('abort', onAbort);
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
