/**
 * One long `BatchAppend` call to one node, which carries all appends in the order they are made and answers each by
 * its correlation id. The server takes them up in that order too, so that appends to many streams need not wait
 * for one another to lie in the log as they were made.
 *
 * The map of what awaits an answer belongs to this call. Writes that are sent together have a deadline together. When it
 * passes, or nobody waits for them any more, their outcome is unknown, and whoever made them tries again under the same
 * ids. Has the call been silent since they were sent, it is stuck and is given up, with what else it carried; one that
 * answers others goes on.
 *
 * An answer to a correlation id that is not awaited is dropped (a refusal may be followed by a second answer); one that
 * cannot be understood leaves its write's outcome unknown. Nothing throws where only gRPC would hear it.
 */
import { randomUUID } from 'node:crypto';
import type { ClientDuplexStream } from '@grpc/grpc-js';
import type { Position } from '../../events/event.js';
import { type AppendAnswer, encodeAppend, type Proposal } from './append-message.js';
import { EventStoreFailure, toBatchFailure, toFailure } from './failure.js';
import { WrongExpectedVersion } from './protocol.js';

/** Taken when the stream is exactly at `version`, or when these very events are what follows it already. */
export interface PinnedWrite {
  readonly stream: string;
  /** 0: the stream must not exist. */
  readonly version: number;
  readonly events: readonly Proposal[];
}

export type Receipt =
  /** `position` of the last event; `undefined` where the server does not say. `version` of the last event. */
  | { readonly outcome: 'stored'; readonly version: number; readonly position: Position | undefined }
  | { readonly outcome: 'conflict'; readonly actual: number }
  /** A transient failure leaves open whether it was stored. */
  | { readonly outcome: 'failed'; readonly failure: Error };

/** What a node hears of its call. */
export interface AppendCallObserver {
  onHeard(): void;
  /** Writes are on their way. @returns is called when they no longer are */
  onBusy(): () => void;
}

/** Writes sent together. */
interface Shipment {
  readonly receipts: Receipt[];
  left: number;
  resolve(receipts: readonly Receipt[]): void;
}

interface Pending {
  readonly shipment: Shipment;
  readonly index: number;
  readonly stream: string;
  readonly eventCount: number;
}

type Call = ClientDuplexStream<Buffer, AppendAnswer>;

const CONFLICT = 'event_store.client.WrongExpectedVersion';
/** The server's −1 as an unsigned number, or what comes near it. */
const NO_REVISION = 2n ** 63n;

export class AppendCall {
  readonly #open: () => Call;
  readonly #pending = new Map<string, Pending>();
  /** Correlation ids have to be UUIDs, and unlike each other; a counter behind something random is. */
  readonly #correlationStart = randomUUID().slice(0, -12);
  #sent = 0;
  #call: Call | undefined;
  #heardAtMs = Number.NEGATIVE_INFINITY;
  readonly #observer: AppendCallObserver;

  constructor(open: () => Call, observer: AppendCallObserver) {
    this.#open = open;
    this.#observer = observer;
  }

  /**
   * All are sent before this returns, in this order. Never rejects: each write has a receipt, at its place.
   * @param onOver is given what is called when nobody waits for the answer any more, and returns what takes that back
   */
  append(
    writes: readonly PinnedWrite[],
    timeoutMs: number,
    onOver: (stop: () => void) => () => void,
  ): Promise<readonly Receipt[]> {
    if (writes.length === 0) return Promise.resolve([]);
    return new Promise(resolve => {
      const sentAtMs = performance.now();
      const over = this.#observer.onBusy();
      const abandon = () => this.#abandon(shipment, sentAtMs);
      const timer = setTimeout(abandon, timeoutMs);
      let forget = () => {};
      const shipment: Shipment = {
        receipts: new Array(writes.length),
        left: writes.length,
        resolve: receipts => {
          clearTimeout(timer);
          forget();
          over();
          resolve(receipts);
        },
      };
      const messages = writes.map(({ stream, version, events }, index) => {
        const correlation = this.#nextCorrelation();
        this.#pending.set(correlation, { shipment, index, stream, eventCount: events.length });
        return encodeAppend(correlation, stream, version, events);
      });
      try {
        this.#call ??= this.#start();
        for (const message of messages) this.#call.write(message);
      } catch (error) {
        this.#giveUp(toFailure(error, 'append'));
      }
      forget = onOver(abandon);
    });
  }

  #abandon(shipment: Shipment, sentAtMs: number): void {
    const failure = new EventStoreFailure(
      'the event store could not append (no answer in time): retry',
      true,
    );
    if (this.#heardAtMs < sentAtMs) {
      this.#giveUp(failure);
      return;
    }
    for (const [correlation, pending] of this.#pending) {
      if (pending.shipment !== shipment) continue;
      this.#pending.delete(correlation);
      note(pending, { outcome: 'failed', failure });
    }
  }

  close(): void {
    this.#giveUp(new EventStoreFailure('the event store could not append: the connection was closed', true));
  }

  #nextCorrelation(): string {
    this.#sent += 1;
    return this.#correlationStart + this.#sent.toString(16).padStart(12, '0');
  }

  #start(): Call {
    const call = this.#open();
    call.on('data', (answer: AppendAnswer) => this.#settle(answer));
    const onOver = (error?: unknown) => {
      if (this.#call !== call) return;
      this.#giveUp(
        error
          ? toFailure(error, 'append')
          : new EventStoreFailure('the event store could not append: the server ended the call', true),
      );
    };
    call.on('error', onOver);
    call.on('end', () => onOver());
    return call;
  }

  /** An answer nobody waits for belongs to an append that was given up. */
  #settle(answer: AppendAnswer): void {
    this.#heardAtMs = performance.now();
    this.#observer.onHeard();
    const pending = this.#pending.get(answer.correlation);
    if (!pending) return;
    this.#pending.delete(answer.correlation);
    note(pending, understand(answer, pending));
  }

  #giveUp(failure: Error): void {
    const call = this.#call;
    this.#call = undefined;
    call?.cancel();
    const given = [...this.#pending.values()];
    this.#pending.clear();
    for (const pending of given) note(pending, { outcome: 'failed', failure });
  }
}

function note({ shipment, index }: Pending, receipt: Receipt): void {
  shipment.receipts[index] = receipt;
  shipment.left -= 1;
  if (shipment.left === 0) shipment.resolve(shipment.receipts);
}

function understand(answer: AppendAnswer, pending: Pending): Receipt {
  try {
    return toReceipt(answer, pending);
  } catch (error) {
    return { outcome: 'failed', failure: toFailure(error, 'understand the answer to an append') };
  }
}

function toReceipt({ success, error }: AppendAnswer, { stream, eventCount }: Pending): Receipt {
  if (success) {
    if (success.version >= eventCount && Number.isSafeInteger(success.version))
      return { outcome: 'stored', ...success };
    throw new RangeError(`stored at revision ${success.version - 1}`);
  }
  const details = error?.getDetails();
  const typeName = details?.getTypeName() ?? '';
  if (typeName !== CONFLICT) {
    return { outcome: 'failed', failure: toBatchFailure(typeName, error?.getMessage() ?? '', stream) };
  }
  const conflict = details?.unpack(WrongExpectedVersion.deserializeBinary, CONFLICT);
  // A stream that does not exist is said in two ways: as none, and as the largest unsigned number.
  const current = conflict?.hasCurrentStreamRevision() ? BigInt(conflict.getCurrentStreamRevision()) : -1n;
  return { outcome: 'conflict', actual: current < 0n || current >= NO_REVISION ? 0 : Number(current) + 1 };
}
