/**
 * Between an event of ours and a record of the log. The envelope travels in the record's metadata, correlation and
 * causation under the names the server's own projections know.
 *
 * Reading never throws: a record that somebody else wrote into a stream of our prefix is an event with what can be
 * made of it, and its data is judged with everybody's when it is decoded.
 */
import type { RawEvent } from '../../events/decode.js';
import type { Position } from '../../events/event.js';
import type { SerialisedEvent } from '../serialise.js';
import type { Proposal } from './append-call.js';
import { toPosition } from './position.js';
import type { ReadResponse } from './protocol.js';

interface Metadata {
  readonly host: string;
  /** Epoch milliseconds. */
  readonly occurredAt: number;
  readonly schemaVersion: number;
  readonly $correlationId?: string | undefined;
  readonly $causationId?: string | undefined;
  /** Epoch milliseconds; only of an event that another store recorded first. */
  readonly recordedAt?: number;
}

export type Recorded = NonNullable<ReturnType<NonNullable<ReturnType<ReadResponse['getEvent']>>['getEvent']>>;

const TICKS_PER_MS = 10_000n;

export function toProposal(event: SerialisedEvent): Proposal {
  return { id: event.id, type: event.type, data: event.data, metadata: toMetadata(event) };
}

/** Of an event that another store recorded: its times are kept, the log's own `created` notwithstanding. */
export function toImport(event: RawEvent): Proposal {
  return {
    id: event.id,
    type: event.type,
    data: JSON.stringify(event.data) ?? 'null',
    metadata: toMetadata(event, event.recordedAt),
  };
}

function toMetadata(
  event: Pick<RawEvent, 'host' | 'occurredAt' | 'schemaVersion' | 'correlationId' | 'causationId'>,
  recordedAt?: number,
): string {
  const metadata: Metadata = {
    host: event.host,
    occurredAt: event.occurredAt,
    schemaVersion: event.schemaVersion,
    $correlationId: event.correlationId,
    $causationId: event.causationId,
    ...(recordedAt !== undefined && { recordedAt }),
  };
  return JSON.stringify(metadata);
}

export const idOf = (recorded: Recorded): string => recorded.getId()?.getString() ?? '';
export const versionOf = (recorded: Recorded): number => Number(recorded.getStreamRevision()) + 1;
export const positionOf = (recorded: Recorded): Position => toPosition(recorded);

/** By the server's clock, epoch milliseconds. */
export const createdAt = (recorded: Recorded): number =>
  Number(BigInt(recorded.getMetadataMap().get('created') ?? '0') / TICKS_PER_MS);

/** When the first store that had it took it. */
export const recordedAt = (recorded: Recorded): number =>
  whole(metadataOf(recorded).recordedAt) ?? createdAt(recorded);

export function toRawEvent(recorded: Recorded): RawEvent {
  const created = createdAt(recorded);
  const metadata = metadataOf(recorded);
  const correlationId = text(metadata.$correlationId);
  const causationId = text(metadata.$causationId);
  return {
    id: idOf(recorded),
    type: recorded.getMetadataMap().get('type') ?? '',
    schemaVersion: whole(metadata.schemaVersion) ?? 1,
    stream: Buffer.from(recorded.getStreamIdentifier()?.getStreamName_asU8() ?? []).toString(),
    version: versionOf(recorded),
    position: positionOf(recorded),
    occurredAt: whole(metadata.occurredAt) ?? created,
    recordedAt: whole(metadata.recordedAt) ?? created,
    host: text(metadata.host) ?? 'unknown',
    ...(correlationId !== undefined && { correlationId }),
    ...(causationId !== undefined && { causationId }),
    data: parse(recorded.getData_asU8()),
  };
}

function metadataOf(recorded: Recorded): { readonly [K in keyof Metadata]?: unknown } {
  const metadata = parse(recorded.getCustomMetadata_asU8());
  return typeof metadata === 'object' && metadata !== null ? metadata : {};
}

function parse(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString());
  } catch {
    return null;
  }
}

const whole = (value: unknown): number | undefined =>
  Number.isSafeInteger(value) ? (value as number) : undefined;
const text = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);
