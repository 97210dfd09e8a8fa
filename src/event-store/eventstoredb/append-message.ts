/** One append in a batch call, `BatchAppendReq`, and its answer, `BatchAppendResp`. */
import type { Position } from '../../events/event.js';
import { toPosition } from './position.js';
import { BatchAppendResp } from './protocol.js';
import { readLogPosition, readUuid } from './read-message.js';
import { sizeOfBytes, sizeOfNumber, WireReader, WireWriter } from './wire.js';

export interface Proposal {
  /** A UUID as text. */
  readonly id: string;
  readonly type: string;
  /** Both JSON, in UTF-8, unless {@link isBinary} says that the data is not. */
  readonly data: Uint8Array;
  readonly metadata: Uint8Array;
  /** Then the server must be told: its projections parse what is called JSON, and stop where it is none. */
  readonly isBinary?: boolean;
}

export interface AppendAnswer {
  readonly correlation: string;
  /** Of the last event, from 1; `position` where the server says it. */
  readonly success?: { readonly version: number; readonly position: Position | undefined };
  /** A `google.rpc.Status`. */
  readonly error?: NonNullable<ReturnType<InstanceType<typeof BatchAppendResp>['getError']>>;
}

/** @param version at which the stream must be, 0 when it must not exist */
export function encodeAppend(
  correlation: string,
  stream: string,
  version: number,
  events: readonly Proposal[],
): Buffer {
  const options = encodeOptions(stream, version);
  const sizes = events.map(sizeOfProposal);
  const size = sizes.reduce(
    (sum, each) => sum + sizeOfBytes(each),
    sizeOfUuid(correlation) + sizeOfBytes(options.length) + sizeOfNumber(1),
  );
  const writer = new WireWriter(size);
  writeUuid(writer, correlation);
  writer.bytes(2, options);
  for (const [index, { id, type, data, metadata, isBinary }] of events.entries()) {
    writer.message(3, sizes[index] as number);
    writeUuid(writer, id);
    writer.raw(entriesOf(type, isBinary));
    writer.bytes(3, metadata);
    writer.bytes(4, data);
  }
  writer.number(4, 1);
  return writer.buffer;
}

const sizeOfProposal = ({ id, type, data, metadata, isBinary }: Proposal): number =>
  sizeOfUuid(id) + entriesOf(type, isBinary).length + sizeOfBytes(metadata.length) + sizeOfBytes(data.length);

const sizeOfUuid = (id: string): number => sizeOfBytes(sizeOfBytes(id.length));

function writeUuid(writer: WireWriter, id: string): void {
  writer.message(1, sizeOfBytes(id.length));
  writer.ascii(2, id);
}

function encodeOptions(stream: string, version: number): Buffer {
  const name = Buffer.from(stream);
  const identifierSize = sizeOfBytes(name.length);
  const versionSize = version === 0 ? sizeOfBytes(0) : sizeOfNumber(version - 1);
  const writer = new WireWriter(sizeOfBytes(identifierSize) + versionSize);
  writer.message(1, identifierSize);
  writer.bytes(3, name);
  if (version === 0) writer.message(3, 0);
  else writer.number(2, version - 1);
  return writer.buffer;
}

const entries = new Map<string, Buffer>();
const MAX_TYPES = 100;

/** The map of a proposal's type and content type; the same for all events of a type. */
function entriesOf(type: string, isBinary = false): Buffer {
  const known = isBinary ? undefined : entries.get(type);
  if (known) return known;
  const pairs = [
    ['type', type],
    ['content-type', isBinary ? 'application/octet-stream' : 'application/json'],
  ].map(pair => pair.map(text => Buffer.from(text))) as [Buffer, Buffer][];
  const sizes = pairs.map(([key, value]) => sizeOfBytes(key.length) + sizeOfBytes(value.length));
  const writer = new WireWriter(sizes.reduce((sum, size) => sum + sizeOfBytes(size), 0));
  for (const [index, [key, value]] of pairs.entries()) {
    writer.message(2, sizes[index] as number);
    writer.bytes(1, key);
    writer.bytes(2, value);
  }
  // Imported events may be of types nobody here knows.
  if (!isBinary && entries.size < MAX_TYPES) entries.set(type, writer.buffer);
  return writer.buffer;
}

export function decodeAppendAnswer(buffer: Buffer): AppendAnswer {
  const reader = new WireReader(buffer);
  let correlation = '';
  let success: AppendAnswer['success'];
  for (let field = reader.field(buffer.length); field !== undefined; field = reader.field(buffer.length)) {
    if (field === 1) correlation = readUuid(reader);
    else if (field === 3) success = readSuccess(reader);
    else reader.skip();
  }
  if (success) return { correlation, success };
  // Rare, and with details of many kinds.
  const error = BatchAppendResp.deserializeBinary(buffer).getError();
  return { correlation, ...(error && { error }) };
}

function readSuccess(reader: WireReader): AppendAnswer['success'] {
  const end = reader.message();
  let version = 0;
  let position: Position | undefined;
  for (let field = reader.field(end); field !== undefined; field = reader.field(end)) {
    if (field === 1) version = reader.number() + 1;
    else if (field === 3) {
      position = toPosition(readLogPosition(reader));
    } else reader.skip();
  }
  return { version, position };
}
