/**
 * What the keys of one script call have (scripts.ts, `READ`): a MessagePack array of texts, false and true, taken apart (pure).
 * What answers may be a proxy that cuts answers short: no byte is read that is not there.
 */

/** What MessagePack calls an array of up to fifteen, or of more; false, true; a text of up to 31 bytes, or of more. */
const [FEW, MANY] = [0x90, 0xdc];
const [FALSE, TRUE] = [0xc2, 0xc3];
const [SHORT, BYTE_LONG, WORD_LONG] = [0xa0, 0xd9, 0xda];
/** In place of the end of a value that is not there. */
const NOTHING = 0;
const NOTHING_BUT_THE_TICKET = -1;

/** In the order of the keys; read where they stand, for to cut a thousand out costs as much as to read them. */
export interface Values {
  readonly packed: Buffer;
  readonly starts: readonly number[];
  /** 0 or less where nothing is. */
  readonly ends: readonly number[];
}

/** @returns `undefined` for anything but an array of so many values */
export function valuesOf(packed: Buffer, count: number): Values | undefined {
  const isMany = packed[0] === MANY;
  const counted = isMany ? packed.length > 2 && packed.readUInt16BE(1) : (packed[0] ?? 0) - FEW;
  if (counted !== count) return undefined;
  const starts: number[] = [];
  const ends: number[] = [];
  let at = isMany ? 3 : 1;
  for (let n = 0; n < count; n++) {
    const kind = packed[at++] ?? 0;
    if (kind === FALSE || kind === TRUE) {
      starts.push(at);
      ends.push(kind === TRUE ? NOTHING_BUT_THE_TICKET : NOTHING);
      continue;
    }
    let length = kind - SHORT;
    if (kind === BYTE_LONG) length = packed[at++] ?? 0;
    else if (kind === WORD_LONG) length = (packed[at++] ?? 0) * 256 + (packed[at++] ?? 0);
    else if (length < 0 || length > 31) return undefined;
    starts.push(at);
    at += length;
    ends.push(at);
  }
  return at === packed.length ? { packed, starts, ends } : undefined;
}

/** @returns whether a ticket was given where there is none */
export function valueAt({ packed, starts, ends }: Values, index: number): Buffer | boolean {
  const end = ends[index] as number;
  return end > 0 ? packed.subarray(starts[index], end) : end === NOTHING_BUT_THE_TICKET;
}
