/**
 * The text of an answer: decompressed although nobody asked for that, without a byte order mark, of a bounded size.
 *
 * Edges in front of exchanges compress and mark what they like. The limit holds for what comes out, not for what was
 * sent: a few kilobytes may unpack to gigabytes.
 */
import type { IncomingMessage } from 'node:http';
import type { Readable } from 'node:stream';
import { createBrotliDecompress, createUnzip } from 'node:zlib';

/** Far above any answer of the endpoints used. */
const MAX_BODY_BYTES = 8 * 1024 * 1024;

/** What came of an answer's body. `undecodable`: it came, and is not compressed as its header says, or not to its end. */
export type Body =
  | { readonly text: string }
  | { readonly isOversized: true }
  | { readonly undecodable: Error }
  | { readonly error: Error };

/** @param done may be called more than once; the first holds */
export function collectBody(response: IncomingMessage, done: (body: Body) => void): void {
  const chunks: Buffer[] = [];
  let bytes = 0;
  const content = unpacked(response);
  response.once('error', error => done({ error }));
  if (content !== response) content.once('error', undecodable => done({ undecodable }));
  content.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes <= MAX_BODY_BYTES) return void chunks.push(chunk);
    content.destroy();
    done({ isOversized: true });
  });
  content.once('end', () => done({ text: new TextDecoder().decode(Buffer.concat(chunks)) }));
}

function unpacked(response: IncomingMessage): Readable {
  const encoding = response.headers['content-encoding']?.trim().toLowerCase();
  if (encoding === 'gzip' || encoding === 'x-gzip' || encoding === 'deflate') {
    return response.pipe(createUnzip());
  }
  return encoding === 'br' ? response.pipe(createBrotliDecompress()) : response;
}
