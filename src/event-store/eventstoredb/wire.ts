/**
 * Protocol buffers on the wire, as far as the two messages need them that are written and read for every event: the
 * append and the answer of a read (append-message.ts, read-message.ts). The classes that the client's package
 * generates for them build several objects and copies an event: that was a third of what reading a log cost, and an
 * eighth of an append. Everything else goes through those classes, and a test holds the two against each other.
 *
 * A message is a sequence of fields, each a tag (number and type) and a value: a varint, or a length and that many
 * bytes, which may be a message again. Fields come in any order, and unknown ones are skipped: they are a newer
 * server's.
 */
const VARINT = 0;
const FIXED64 = 1;
const BYTES = 2;
const FIXED32 = 5;

/** Bits that a number here may have before it needs a BigInt; a multiple of seven. */
const SAFE_BITS = 49;

/** The last text of each length that {@link WireReader.repeatedText} met. */
const REPEATED: ({ readonly bytes: Uint8Array; readonly text: string } | undefined)[] = new Array(40);

export class WireReader {
  readonly buffer: Buffer;
  at = 0;
  #type = VARINT;

  constructor(buffer: Buffer) {
    this.buffer = buffer;
  }

  /** The next field's number; `undefined` at the end of the message. @param end where the message ends */
  field(end: number): number | undefined {
    if (this.at >= end) return undefined;
    const tag = this.number();
    this.#type = tag & 7;
    return tag >>> 3;
  }

  /** Where the message begins that is the current field, as `at`, and where it ends. */
  message(): number {
    return this.number() + this.at;
  }

  text(): string {
    const end = this.message();
    const text = this.buffer.toString('utf8', this.at, end);
    this.at = end;
    return text;
  }

  /** Text that event after event has again: told by its bytes, and made once. */
  repeatedText(): string {
    const start = this.at;
    const length = this.message() - this.at;
    const known = REPEATED[length];
    if (known && this.#follows(known.bytes)) {
      this.at += length;
      return known.text;
    }
    const bytes = Buffer.from(this.buffer.subarray(this.at, this.at + length));
    this.at = start;
    const text = this.text();
    if (length < REPEATED.length) REPEATED[length] = { bytes, text };
    return text;
  }

  /** Of the same memory. */
  bytes(): Buffer {
    const end = this.message();
    const bytes = this.buffer.subarray(this.at, end);
    this.at = end;
    return bytes;
  }

  /** @returns below 2^53 exactly; of what is larger, about as much */
  number(): number {
    let value = 0;
    let factor = 1;
    for (;;) {
      const byte = this.#byte();
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) return value;
      factor *= 0x80;
    }
  }

  /** The digits of an unsigned number of up to 64 bits. */
  decimal(): string {
    const start = this.at;
    let value = 0;
    let factor = 1;
    for (let bits = 0; bits < SAFE_BITS; bits += 7) {
      const byte = this.#byte();
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) return String(value);
      factor *= 0x80;
    }
    this.at = start;
    return String(this.large());
  }

  large(): bigint {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = this.#byte();
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return BigInt.asUintN(64, value);
    }
  }

  skip(): void {
    if (this.#type === VARINT) this.#skipVarint();
    else if (this.#type === BYTES) this.at = this.message();
    else if (this.#type === FIXED64) this.at += 8;
    else if (this.#type === FIXED32) this.at += 4;
    else throw new RangeError(`a field of the unknown wire type ${this.#type}`);
  }

  /** Without making the number: each event has one that nobody reads, and it was made of a dozen BigInts. */
  #skipVarint(): void {
    while (this.#byte() >= 0x80);
  }

  #follows(bytes: Uint8Array): boolean {
    for (let i = 0; i < bytes.length; i++) if (this.buffer[this.at + i] !== bytes[i]) return false;
    return true;
  }

  #byte(): number {
    const byte = this.buffer[this.at++];
    if (byte === undefined) throw new RangeError('a message ends in the middle of a field');
    return byte;
  }
}

/** Writes into memory of exactly the size that the message will have. Field numbers are below 16. */
export class WireWriter {
  readonly buffer: Buffer;
  #at = 0;

  constructor(size: number) {
    this.buffer = Buffer.allocUnsafe(size);
  }

  /** What follows is the message. */
  message(field: number, size: number): void {
    this.buffer[this.#at++] = (field << 3) | BYTES;
    this.#varint(size);
  }

  bytes(field: number, bytes: Uint8Array): void {
    this.message(field, bytes.length);
    this.buffer.set(bytes, this.#at);
    this.#at += bytes.length;
  }

  /** Text of ASCII characters alone. */
  ascii(field: number, text: string): void {
    this.message(field, text.length);
    this.#at += this.buffer.write(text, this.#at, 'latin1');
  }

  number(field: number, value: number): void {
    this.buffer[this.#at++] = (field << 3) | VARINT;
    this.#varint(value);
  }

  /** A message that is encoded already, its fields with it. */
  raw(encoded: Uint8Array): void {
    this.buffer.set(encoded, this.#at);
    this.#at += encoded.length;
  }

  #varint(value: number): void {
    let rest = value;
    while (rest >= 0x80) {
      this.buffer[this.#at++] = (rest % 0x80) | 0x80;
      rest = Math.floor(rest / 0x80);
    }
    this.buffer[this.#at++] = rest;
  }
}

export function sizeOfNumber(value: number): number {
  let size = 2;
  for (let rest = value; rest >= 0x80; rest = Math.floor(rest / 0x80)) size += 1;
  return size;
}

/** Of a field that has `length` bytes of content. */
export const sizeOfBytes = (length: number): number => sizeOfNumber(length) + length;
