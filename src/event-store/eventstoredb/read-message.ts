/** What a read or a subscription is answered with: `ReadResp`, in our terms. */
import type { Position } from '../../events/event.js';
import { type LogPositionText, toPosition } from './position.js';
import { WireReader } from './wire.js';

/** A record of the log. What no log can hold is refused while it is decoded, which ends the call: it cannot be left out. */
export interface Recorded {
  readonly id: string;
  readonly stream: string;
  /** From 1. */
  readonly version: number;
  readonly position: Position;
  readonly type: string;
  /** By the server's clock, epoch milliseconds. */
  readonly createdMs: number;
  readonly data: Buffer;
  readonly metadata: string;
}

/**
 * What the log has where a stream was deleted for good: a record of that stream, at the largest revision there is. It is
 * no event of ours, but it has a place, and counts where so many records are asked for.
 */
export const isTombstone = ({ type }: Recorded): boolean => type === '$streamDeleted';

export interface ReadMessage {
  readonly event?: Recorded | undefined;
  /** How far a subscription has looked. */
  readonly checkpoint?: Position | undefined;
  readonly caughtUp?: boolean;
}

const CAUGHT_UP: ReadMessage = { caughtUp: true };
/** A stream that is not there, a subscription's confirmation. */
const NOTHING: ReadMessage = {};

export function decodeReadMessage(buffer: Buffer): ReadMessage {
  const reader = new WireReader(buffer);
  const end = buffer.length;
  let message = NOTHING;
  for (let field = reader.field(end); field !== undefined; field = reader.field(end)) {
    if (field === 1) message = { event: readEvent(reader) };
    else if (field === 3) message = { checkpoint: toPosition(readLogPosition(reader)) };
    else {
      if (field === 8) message = CAUGHT_UP;
      reader.skip();
    }
  }
  return message;
}

/** `AllStreamPosition`, `Checkpoint`. */
export function readLogPosition(reader: WireReader): LogPositionText {
  const end = reader.message();
  let [commit, prepare] = ['0', '0'];
  for (let field = reader.field(end); field !== undefined; field = reader.field(end)) {
    if (field === 1) commit = reader.decimal();
    else if (field === 2) prepare = reader.decimal();
    else reader.skip();
  }
  return { commit, prepare };
}

/** `UUID`, which servers write in one of two ways, whichever was asked for. */
export function readUuid(reader: WireReader): string {
  const end = reader.message();
  let id = '';
  for (let field = reader.field(end); field !== undefined; field = reader.field(end)) {
    if (field === 2) id = reader.text();
    else if (field === 1) id = readStructured(reader);
    else reader.skip();
  }
  return id;
}

function readStructured(reader: WireReader): string {
  const end = reader.message();
  let [most, least] = [0n, 0n];
  for (let field = reader.field(end); field !== undefined; field = reader.field(end)) {
    if (field === 1) most = reader.large();
    else if (field === 2) least = reader.large();
    else reader.skip();
  }
  const digits = ((most << 64n) | least).toString(16).padStart(32, '0');
  return digits.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

function readEvent(reader: WireReader): Recorded | undefined {
  const end = reader.message();
  let event: Recorded | undefined;
  for (let field = reader.field(end); field !== undefined; field = reader.field(end)) {
    if (field === 1) event = readRecorded(reader);
    else reader.skip();
  }
  return event;
}

const NO_BYTES: Buffer = Buffer.alloc(0);

function readRecorded(reader: WireReader): Recorded {
  const end = reader.message();
  let [id, stream, type] = ['', '', ''];
  let [version, createdMs] = [1, 0];
  let [commit, prepare] = ['0', '0'];
  let [data, metadata] = [NO_BYTES, ''];
  for (let field = reader.field(end); field !== undefined; field = reader.field(end)) {
    if (field === 1) id = readUuid(reader);
    else if (field === 2) stream = readStreamName(reader);
    else if (field === 3) version = reader.number() + 1;
    else if (field === 4) prepare = reader.decimal();
    else if (field === 5) commit = reader.decimal();
    else if (field === 6) {
      const [key, value] = readEntry(reader);
      if (key === 'type') type = value;
      else if (key === 'created') createdMs = toMs(value);
    } else if (field === 7) metadata = reader.text();
    else if (field === 8) data = reader.bytes();
    else reader.skip();
  }
  const position = toPosition({ commit, prepare });
  if (type === '$streamDeleted') version = Number.MAX_SAFE_INTEGER;
  if (position === undefined || !Number.isSafeInteger(version)) {
    throw new RangeError(`an event at revision ${version - 1}, position ${commit}/${prepare}`);
  }
  return { id, stream, version, position, type, createdMs, data, metadata };
}

function readStreamName(reader: WireReader): string {
  const end = reader.message();
  let name = '';
  for (let field = reader.field(end); field !== undefined; field = reader.field(end)) {
    if (field === 3) name = reader.text();
    else reader.skip();
  }
  return name;
}

/** An entry of a map. */
function readEntry(reader: WireReader): readonly [key: string, value: string] {
  const end = reader.message();
  let [key, value] = ['', ''];
  for (let field = reader.field(end); field !== undefined; field = reader.field(end)) {
    if (field === 1) key = reader.text();
    else if (field === 2) value = reader.text();
    else reader.skip();
  }
  return [key, value];
}

/** What a `Date` can be made of, milliseconds to either side of 1970. */
const LARGEST_TIME_MS = 8.64e15;

/** `undefined` for what is no time: a record of somebody else's may hold anything, and `Date` throws. */
export const toTime = (value: unknown): number | undefined =>
  Number.isSafeInteger(value) && Math.abs(value as number) <= LARGEST_TIME_MS ? (value as number) : undefined;

/**
 * Ticks are tenths of microseconds since 1970: more than a number holds exactly, before the last four are cut off. 0
 * for what is no time.
 */
const toMs = (ticks: string): number => toTime(Number(ticks.slice(0, -4))) ?? 0;
