/**
 * Between an event of ours and a record of the log. The envelope travels in the record's metadata, correlation and
 * causation under the names the server's own projections know.
 *
 * Reading never throws: a record that somebody else wrote into a stream of our prefix is an event with what can be
 * made of it, no host above all (`isForeign`), and its data is judged with everybody's when it is decoded.
 */
import type { RawEvent } from '../../events/decode.js';
import type { SerialisedEvent } from '../serialise.js';
import type { Proposal } from './append-message.js';
import { type Recorded, toTime } from './read-message.js';

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

export function toProposal(event: SerialisedEvent): Proposal {
  return { id: event.id, type: event.type, data: Buffer.from(event.data), metadata: toMetadata(event) };
}

/** Of an event that another store recorded: its times are kept, the log's own `created` notwithstanding. */
export function toImport(event: RawEvent): Proposal {
  const foreign = foreignBytes(event.data);
  return {
    id: event.id,
    type: event.type,
    data: foreign ?? Buffer.from(JSON.stringify(event.data) ?? 'null'),
    metadata: toMetadata(event, event.recordedAt),
    isBinary: foreign !== undefined && parse(foreign.toString()) === undefined,
  };
}

function toMetadata(
  event: Pick<RawEvent, 'host' | 'occurredAt' | 'schemaVersion' | 'correlationId' | 'causationId'>,
  recordedAt?: number,
): Buffer {
  const metadata: Metadata = {
    host: event.host,
    occurredAt: event.occurredAt,
    schemaVersion: event.schemaVersion,
    $correlationId: event.correlationId,
    $causationId: event.causationId,
    ...(recordedAt !== undefined && { recordedAt }),
  };
  return Buffer.from(JSON.stringify(metadata));
}

/** When the first store that had it took it. */
export const recordedAt = ({ metadata, createdMs }: Recorded): number =>
  toTime(toRecord(parse(metadata)).recordedAt) ?? createdMs;

export function toRawEvent(recorded: Recorded): RawEvent {
  const { id, type, stream, version, position, createdMs } = recorded;
  const metadata = toRecord(parse(recorded.metadata));
  // The same fields in the same order for every event, absent ones too: half the cost of copying it later.
  return {
    id,
    type,
    schemaVersion: whole(metadata.schemaVersion) ?? 1,
    stream,
    version,
    position,
    occurredAt: toTime(metadata.occurredAt) ?? createdMs,
    recordedAt: toTime(metadata.recordedAt) ?? createdMs,
    host: text(metadata.host) ?? '',
    correlationId: text(metadata.$correlationId),
    causationId: text(metadata.$causationId),
    data: toData(recorded.data),
  };
}

function toRecord(metadata: unknown): { readonly [K in keyof Metadata]?: unknown } {
  return typeof metadata === 'object' && metadata !== null ? metadata : {};
}

/** `undefined` for what is no JSON. */
function parse(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return undefined;
  }
}

/**
 * Content that is no object in JSON, or holds text that no database can, is somebody else's, and kept as what it is:
 * copied to PostgreSQL, `null` and U+0000 stopped the copy, and copied back it must be the same bytes.
 */
function toData(bytes: Buffer): unknown {
  const text = bytes.toString();
  const data = text.includes('\\u') && UNSTORABLE.test(text) ? undefined : parse(text);
  const isObject = typeof data === 'object' && data !== null && !Array.isArray(data);
  return isObject ? data : { [BINARY]: bytes.toString('base64') };
}

function foreignBytes(data: unknown): Buffer | undefined {
  const binary = typeof data === 'object' && data !== null ? (data as Record<string, unknown>)[BINARY] : null;
  return typeof binary === 'string' ? Buffer.from(binary, 'base64') : undefined;
}

const BINARY = 'notJsonBase64';
/** Behind an even number of backslashes it is no escape. */
const UNSTORABLE = /(?<!\\)(?:\\\\)*\\u(?:0000|d[89a-f])/i;

const whole = (value: unknown): number | undefined =>
  Number.isSafeInteger(value) && Math.abs(value as number) <= LARGEST_VERSION ? (value as number) : undefined;
/** That PostgreSQL has room for. */
const LARGEST_VERSION = 2 ** 31 - 1;
const text = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);
