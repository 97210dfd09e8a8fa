/** Answers as plain data, and made comparable: positions become ranks (P1 < P2 …), the run's name becomes RUN. */
import type { BatchAppendResp, ReadResp } from '@eventstore/db-client/generated/streams_pb.js';
import { protocol } from './messages.js';
import type { Answer } from './talk.js';

const LARGEST = String(2n ** 64n - 1n);

export function batchAnswerOf(response: BatchAppendResp, run: string): Answer {
  const [error, success] = [response.getError(), response.getSuccess()];
  const detail = error?.getDetails();
  const type = detail?.getTypeName();
  return {
    correlation: Number(response.getCorrelationId()?.getString().slice(-12)),
    ...(success && { success: success.toObject() }),
    ...(error && {
      error: {
        code: error.getCode(),
        message: error.getMessage().replaceAll(run, 'RUN'),
        detail: type,
        ...(type?.endsWith('WrongExpectedVersion') && {
          wrongExpectedVersion: protocol.WrongExpectedVersion.deserializeBinary(
            detail?.getValue_asU8() as Uint8Array,
          ).toObject(),
        }),
      },
    }),
    expectedCase: response.getExpectedStreamPositionCase(),
  };
}

export function answerOf(response: ReadResp, run: string): Answer {
  if (response.hasConfirmation()) return { confirmation: true };
  if (response.hasStreamNotFound()) return { streamNotFound: true };
  const outer = response.getEvent();
  const event = outer?.getEvent();
  if (!outer || !event) return onlyField(response);
  const name = Buffer.from(event.getStreamIdentifier()?.getStreamName_asU8() ?? []).toString();
  return {
    event: `${name.replaceAll(run, 'RUN')}@${event.getStreamRevision()}`,
    id: Number(event.getId()?.getString().slice(-12)),
    type: event.getMetadataMap().get('type'),
    contentType: event.getMetadataMap().get('content-type'),
    commit: event.getCommitPosition(),
    prepare: event.getPreparePosition(),
    commitOutside: outer.getCommitPosition(),
  };
}

function onlyField(response: ReadResp): Answer {
  const fields = Object.entries(response.toObject());
  const has = (key: string) =>
    (response as unknown as Record<string, () => boolean>)[`has${key[0]?.toUpperCase()}${key.slice(1)}`]?.();
  const [kind, value] = fields.find(([key]) => has(key)) ?? ['nothing', undefined];
  return { [kind]: value };
}

const isPositionKey = (key: string): boolean => /commit|prepare/i.test(key);

/** @param exchanges of one talk: ranks are within it */
export function comparable(exchanges: unknown): unknown {
  const positions = new Set<bigint>();
  JSON.stringify(exchanges, (key, value) => {
    const isPosition = isPositionKey(key) && /^\d+$/.test(String(value));
    if (isPosition && String(value) !== LARGEST && String(value) !== '0') positions.add(BigInt(value));
    return typeof value === 'bigint' ? String(value) : value;
  });
  const inOrder = [...positions].sort((a, b) => (a < b ? -1 : 1));
  const rank = new Map(inOrder.map((position, index) => [String(position), `P${index + 1}`]));
  const settle = (key: string, value: unknown) => {
    if (typeof value !== 'string' || !isPositionKey(key)) return value;
    return value === LARGEST ? 'largest' : (rank.get(value) ?? value);
  };
  return JSON.parse(JSON.stringify(exchanges, settle));
}
