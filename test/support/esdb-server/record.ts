/**
 * What lies in the log. As in the real one a position is a byte offset, never a count; commit and prepare are one
 * number for what an append wrote, and differ for a transaction of the old protocol, whose records share their commit's.
 */

export interface Proposal {
  readonly id: string;
  readonly type: string;
  readonly contentType: string;
  readonly data: Uint8Array;
  readonly metadata: Uint8Array;
}

export interface LogPosition {
  readonly commit: bigint;
  readonly prepare: bigint;
}

export interface LoggedEvent extends Proposal {
  readonly stream: string;
  /** {@link TOMBSTONE_REVISION} for the record that deletes a stream for good. */
  readonly revision: number;
  readonly position: LogPosition;
  readonly createdMs: number;
}

export const NO_STREAM = -1;
export const STREAM_DELETED = '$streamDeleted';
/** The largest revision; as a number it is rounded, so the text is what goes on the wire. */
export const TOMBSTONE_REVISION = Number.POSITIVE_INFINITY;
export const TOMBSTONE_REVISION_TEXT = '9223372036854775807';
/** A record without its texts: header, ids, lengths. */
export const RECORD_BYTES = 106;
export const COMMIT_BYTES = 60;
/** Where the first event of a fresh server lies: records that are no events come before it. */
export const FIRST_POSITION = 548n;

export function comparePositions(a: LogPosition, b: LogPosition): number {
  if (a.commit !== b.commit) return a.commit < b.commit ? -1 : 1;
  return a.prepare < b.prepare ? -1 : a.prepare > b.prepare ? 1 : 0;
}

/** What the server itself wrote, in `$all` beside everybody's. */
export const isSystem = ({ stream }: { readonly stream: string }): boolean => stream.startsWith('$');

export const sizeOf = (stream: string, { type, data, metadata }: Proposal): bigint =>
  BigInt(RECORD_BYTES + Buffer.byteLength(stream) + type.length + data.length + metadata.length);

/** Of an append, against the limit: the real server counts data alone, by a slip (24.2: 1.2 MB of metadata pass). */
export const countedBytes = (proposals: readonly Proposal[]): number =>
  proposals.reduce((sum, { data }) => sum + data.length, 0);

export const systemProposal = (type: string, json: string): Proposal => ({
  // Ids of the server's own; the last letter tells them from clients' that end in digits.
  id: crypto.randomUUID().replace(/.$/, 'f'),
  type,
  contentType: 'application/json',
  data: Buffer.from(json),
  metadata: Buffer.alloc(0),
});
