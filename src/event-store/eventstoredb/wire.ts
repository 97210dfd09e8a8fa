/**
 * Protocol buffers as they are read: the answers of reads and of appends (read-message.ts, append-message.ts). What pays
 * for it is reading the log, some 9 µs of this process's time an event. Of that an event's message takes 1.2 µs so,
 * 2.3 by google-protobuf's own reader and 7 by the classes that the client's package generates, which build several
 * objects and copies an event. Everything else goes through those classes, and a test holds the two against each other.
 *
 * A message is a sequence of fields, each a tag (number and type) and a value: a varint, or a length and that many
 * bytes, which may be a message again. Fields come in any order, and unknown ones are skipped: they are a newer
 * server's.
 */
const VARINT = 0;
const FIXED64 = 1;
const BYTES = 2;
const FIXED32 = 5;

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
    const value = this.number();
    if (value <= Number.MAX_SAFE_INTEGER) return String(value);
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
    // Without making the number: each event has one that nobody reads, and it was made of a dozen BigInts.
    if (this.#type === VARINT) while (this.#byte() >= 0x80);
    else if (this.#type === BYTES) this.at = this.message();
    else if (this.#type === FIXED64) this.at += 8;
    else if (this.#type === FIXED32) this.at += 4;
    else throw new RangeError(`a field of the unknown wire type ${this.#type}`);
  }

  #byte(): number {
    const byte = this.buffer[this.at++];
    if (byte === undefined) throw new RangeError('a message ends in the middle of a field');
    return byte;
  }
}
