/** Writes the answers of a read, no faster than the client takes them, and cuts it off where a fault says so. */
import { once } from 'node:events';
import type { ReadReq as Request, ReadResp as Response } from '@eventstore/db-client/generated/streams_pb.js';
import type { ServerWritableStream } from '@grpc/grpc-js';
import type { LoggedEvent, LogPosition } from './event-log.js';
import { identifierOf } from './failures.js';
import { ReadResp, UUID } from './protocol.js';
import { TOMBSTONE_REVISION, TOMBSTONE_REVISION_TEXT } from './record.js';

/** Before everything, −1 as the protocol writes it; backwards it means the end. */
export const NOTHING: LogPosition = { commit: 2n ** 64n - 1n, prepare: 2n ** 64n - 1n };
const TICKS_PER_MS = 10_000n;

/** Every reader of an event is sent the same bytes. */
const serialised = new WeakMap<LoggedEvent, Buffer>();

/** What a call answers with: a message, or the bytes of one. */
export const serialise = (response: { serializeBinary(): Uint8Array } | Buffer): Buffer =>
  Buffer.isBuffer(response) ? response : Buffer.from(response.serializeBinary());

export class Writer {
  readonly call: ServerWritableStream<Request, Response>;
  /** Thrown by every method once the call is to end here. */
  readonly cutOff = new Error('cut off');
  /** The connection takes no more for now. */
  isFull = false;
  readonly #onMessage: () => void;
  #left: number;

  constructor(
    call: ServerWritableStream<Request, Response>,
    cutAfter: number | undefined,
    onMessage: () => void,
  ) {
    this.call = call;
    this.#onMessage = onMessage;
    this.#left = cutAfter ?? Number.POSITIVE_INFINITY;
  }

  get isOver(): boolean {
    return this.call.cancelled || this.call.destroyed;
  }

  async send(response: Response | Buffer): Promise<void> {
    if (this.#left-- <= 0) throw this.cutOff;
    this.#onMessage();
    if (this.isOver || this.call.write(response as Response)) return;
    this.isFull = true;
    // A call that was cancelled drains no more.
    const over = new AbortController();
    const { signal } = over;
    await Promise.race([
      once(this.call, 'drain', { signal }),
      once(this.call, 'cancelled', { signal }),
      once(this.call, 'close', { signal }),
    ]).finally(() => {
      this.isFull = false;
      over.abort();
    });
  }

  event(event: LoggedEvent): Promise<void> {
    let bytes = serialised.get(event);
    if (!bytes) {
      const read = new ReadResp.ReadEvent();
      read.setEvent(toRecorded(event));
      read.setCommitPosition(String(event.position.commit));
      const response = new ReadResp();
      response.setEvent(read);
      bytes = serialise(response);
      serialised.set(event, bytes);
    }
    return this.send(bytes);
  }

  confirmation(): Promise<void> {
    const confirmation = new ReadResp.SubscriptionConfirmation();
    confirmation.setSubscriptionId(crypto.randomUUID());
    const response = new ReadResp();
    response.setConfirmation(confirmation);
    return this.send(response);
  }

  checkpoint({ commit, prepare }: LogPosition): Promise<void> {
    const checkpoint = new ReadResp.Checkpoint();
    checkpoint.setCommitPosition(String(commit));
    checkpoint.setPreparePosition(String(prepare));
    const response = new ReadResp();
    response.setCheckpoint(checkpoint);
    return this.send(response);
  }

  firstStreamPosition(revision: number): Promise<void> {
    const response = new ReadResp();
    response.setFirstStreamPosition(String(revision));
    return this.send(response);
  }

  lastStreamPosition(revision: number): Promise<void> {
    const response = new ReadResp();
    response.setLastStreamPosition(String(revision));
    return this.send(response);
  }

  caughtUp(): Promise<void> {
    const response = new ReadResp();
    response.setCaughtUp(new ReadResp.CaughtUp());
    return this.send(response);
  }
}

function toRecorded(event: LoggedEvent) {
  const id = new UUID();
  id.setString(event.id);
  const recorded = new ReadResp.ReadEvent.RecordedEvent();
  recorded.setId(id);
  recorded.setStreamIdentifier(identifierOf(event.stream));
  const isTombstone = event.revision === TOMBSTONE_REVISION;
  recorded.setStreamRevision(isTombstone ? TOMBSTONE_REVISION_TEXT : String(event.revision));
  recorded.setCommitPosition(String(event.position.commit));
  recorded.setPreparePosition(String(event.position.prepare));
  recorded.setData(event.data);
  recorded.setCustomMetadata(event.metadata);
  recorded
    .getMetadataMap()
    .set('type', event.type)
    .set('content-type', event.contentType)
    .set('created', String(BigInt(event.createdMs) * TICKS_PER_MS));
  return recorded;
}

export const positionOf = (position: {
  getCommitPosition(): string;
  getPreparePosition(): string;
}): LogPosition => ({
  commit: BigInt(position.getCommitPosition()),
  prepare: BigInt(position.getPreparePosition()),
});
