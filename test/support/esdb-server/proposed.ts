/** The parts that messages of all ways to append have in common. */
import type { Expected, LogPosition, Proposal } from './event-log.js';
import { Empty } from './protocol.js';

export interface Proposed {
  getId(): { getString(): string } | undefined;
  getMetadataMap(): { get(key: string): string | undefined };
  getData_asU8(): Uint8Array;
  getCustomMetadata_asU8(): Uint8Array;
}

export const toProposal = (message: Proposed): Proposal => ({
  id: message.getId()?.getString() ?? '',
  type: message.getMetadataMap().get('type') ?? '',
  contentType: message.getMetadataMap().get('content-type') ?? '',
  data: message.getData_asU8(),
  metadata: message.getCustomMetadata_asU8(),
});

export const nameOf = (identifier: { getStreamName_asU8(): Uint8Array } | undefined): string =>
  Buffer.from(identifier?.getStreamName_asU8() ?? []).toString();

/** @param revision when one was named */
export function expectedOf(
  options: { hasAny(): boolean; hasNoStream(): boolean; hasStreamExists(): boolean },
  revision: number | undefined,
): Expected {
  if (revision !== undefined) return revision;
  if (options.hasNoStream()) return 'no-stream';
  return options.hasStreamExists() ? 'stream-exists' : 'any';
}

/** Of an append of nothing to a stream that is not there, no revision. */
export const fillRevision = (
  success: { setCurrentRevision(value: string): unknown; setNoStream(value: never): unknown },
  revision: number,
): unknown =>
  revision < 0 ? success.setNoStream(new Empty() as never) : success.setCurrentRevision(String(revision));

export function fillPosition<
  P extends { setCommitPosition(value: string): unknown; setPreparePosition(value: string): unknown },
>(message: P, { commit, prepare }: LogPosition): P {
  message.setCommitPosition(String(commit));
  message.setPreparePosition(String(prepare));
  return message;
}
