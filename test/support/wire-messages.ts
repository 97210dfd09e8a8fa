/**
 * PostgreSQL's wire protocol cut into its messages: as much of it as a proxy must know to see where one ends.
 *
 * A message is a type byte, four bytes of length (which count themselves) and a body. Two have no type byte: what a
 * client opens with (the request for TLS, and the start-up), and the one byte that answers the request for TLS.
 */

export interface WireMessage {
  /** The type byte as a letter; `startup` and `tls?` for those without, `tls!` for the answer to the latter. */
  readonly type: string;
  readonly bytes: Buffer;
}

const LENGTH_BYTES = 4;
const TLS_REQUEST = 80_877_103;

/** Feed it what arrives; it gives back the messages that are whole. */
export type Cut = (chunk: Buffer) => WireMessage[];

function cutter(next: (rest: Buffer) => WireMessage | undefined): Cut {
  let rest: Buffer = Buffer.alloc(0);
  return chunk => {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    const messages: WireMessage[] = [];
    for (let message = next(rest); message; message = next(rest)) {
      messages.push(message);
      rest = rest.subarray(message.bytes.length);
    }
    return messages;
  };
}

function typed(rest: Buffer): WireMessage | undefined {
  if (rest.length < 1 + LENGTH_BYTES) return undefined;
  const length = 1 + rest.readInt32BE(1);
  if (rest.length < length) return undefined;
  return { type: String.fromCharCode(rest[0] as number), bytes: rest.subarray(0, length) };
}

export function cutClientMessages(): Cut {
  let hasStarted = false;
  return cutter(rest => {
    if (hasStarted) return typed(rest);
    if (rest.length < 2 * LENGTH_BYTES) return undefined;
    const length = rest.readInt32BE(0);
    if (rest.length < length) return undefined;
    const isTlsRequest = rest.readInt32BE(LENGTH_BYTES) === TLS_REQUEST;
    hasStarted = !isTlsRequest;
    return { type: isTlsRequest ? 'tls?' : 'startup', bytes: rest.subarray(0, length) };
  });
}

export const cutServerMessages = (): Cut => cutter(typed);

/** What the client sends these for, it waits for: the server answers up to its next `ReadyForQuery`, or asks back. */
export const expectsAnswer = ({ type }: WireMessage): boolean =>
  type === 'startup' || type === 'p' || type === 'S' || type === 'Q' || type === 'X';

const AUTHENTICATION_DONE = new Set([0, 12]);

/** The last message of an answer: after it the server waits. */
export const endsAnswer = ({ type, bytes }: WireMessage): boolean =>
  type === 'Z' || (type === 'R' && !AUTHENTICATION_DONE.has(bytes.readInt32BE(1 + LENGTH_BYTES)));
