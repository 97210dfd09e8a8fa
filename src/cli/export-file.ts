/**
 * The file of an export: made anew, or gone on with behind its last whole line.
 *
 * An export that was killed may end within a line; what is behind the last line break is cut off, and the line before it says
 * which event is there last.
 */
import { once } from 'node:events';
import { createReadStream, createWriteStream } from 'node:fs';
import { type FileHandle, open, stat, truncate } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import type { Writable } from 'node:stream';
import { InvalidInputError } from '../base/errors.js';
import type { EventAt } from '../event-store/event-store.js';
import { decodeHeader, decodeRaw, type LogHeader } from '../event-store/transfer/ndjson.js';
import { ReaderLeftError } from './exit-codes.js';

export interface ExportFile {
  /**
   * Resolves when there is room for more.
   * @throws InvalidInputError when there will be none; ReaderLeftError
   */
  write(text: string): Promise<void>;
  close(): Promise<void>;
}

/** Only its owner reads what users did. */
const MODE = 0o600;
const LONGEST_LINE = 1024 * 1024;

/** @throws InvalidInputError when there is such a file already */
export async function createExportFile(path: string): Promise<ExportFile> {
  if (path === '-') return writing(process.stdout, 'stdout', async () => {});
  const stream = createWriteStream(path, { flags: 'wx', mode: MODE });
  await opened(stream, path);
  return writing(stream, path, () => ended(stream));
}

export async function continueExportFile(path: string): Promise<ExportFile> {
  const stream = createWriteStream(path, { flags: 'a' });
  await opened(stream, path);
  return writing(stream, path, () => ended(stream));
}

/**
 * What a file has, cut back to its last whole line; what is no export stays as it is.
 * @returns `undefined` where nothing is there to go on with
 * @throws InvalidInputError
 */
export async function endOfExport(
  path: string,
): Promise<{ readonly head: LogHeader; readonly last: EventAt | undefined } | undefined> {
  const found = await stat(path).catch(() => undefined);
  if (!found || found.size === 0) return undefined;
  const from = Math.max(0, found.size - LONGEST_LINE);
  const tail = await readFrom(path, from, found.size);
  const head = decodeHeader(await firstLineOf(path));
  const end = tail.lastIndexOf(0x0a);
  if (end < 0) throw new InvalidInputError(`${path} has no whole line: begin a new export`);
  if (from + end + 1 < found.size) await truncate(path, from + end + 1);
  const begin = tail.lastIndexOf(0x0a, end - 1);
  const line = tail.subarray(begin + 1, end).toString('utf8');
  // The head alone: nothing was exported yet.
  if (from === 0 && begin < 0) return { head, last: undefined };
  const { id, position } = decodeRaw(line, 0);
  return { head, last: { id, position } };
}

async function readFrom(path: string, from: number, to: number): Promise<Buffer> {
  const bytes = Buffer.alloc(to - from);
  let file: FileHandle | undefined;
  try {
    file = await open(path, 'r');
    await file.read(bytes, 0, bytes.length, from);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new InvalidInputError(`${path} cannot be read (${code}): check its name and rights`);
  } finally {
    await file?.close();
  }
  return bytes;
}

async function firstLineOf(path: string): Promise<string> {
  const lines = createInterface({ input: createReadStream(path) });
  for await (const line of lines) return line;
  return '';
}

async function opened(stream: ReturnType<typeof createWriteStream>, path: string): Promise<void> {
  try {
    await once(stream, 'open');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new InvalidInputError(
      code === 'EEXIST'
        ? `${path} is there already: give another name, or --resume to go on with it`
        : `${path} cannot be written (${code}): check the folder and its rights`,
    );
  }
}

function writing(stream: Writable, path: string, close: () => Promise<void>): ExportFile {
  // It may break between two pages, while nobody waits for it.
  let failure: NodeJS.ErrnoException | undefined;
  stream.on('error', error => {
    failure ??= error;
  });
  const orSay = async (done: Promise<unknown>) => {
    await done.catch(error => {
      failure ??= error;
    });
    if (!failure) return;
    // Why stdout takes no more main.ts says.
    if (stream === process.stdout) throw new ReaderLeftError();
    throw new InvalidInputError(
      `${path} takes no more (${failure.code}): make room, and go on behind its last whole event with --resume`,
    );
  };
  return {
    write: text => orSay(stream.write(text) ? Promise.resolve() : once(stream, 'drain')),
    close: () => orSay(close()),
  };
}

async function ended(stream: Writable): Promise<void> {
  if (stream.destroyed) return;
  stream.end();
  await once(stream, 'close');
}
