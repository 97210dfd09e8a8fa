/**
 * The password of the embedded server's only role: random, kept in a file beside the data directory that
 * only its owner can read, never in a log or an error.
 *
 * The file appears complete or not at all: it is written under another name and linked into place, and when
 * two processes do that at once, one link wins and both read the winner's.
 */
import { randomBytes } from 'node:crypto';
import { closeSync, fsyncSync, linkSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import type { Identity } from './command.js';
import { fileProblem } from './embedded-error.js';
import { giveTo } from './server-user.js';

const PASSWORD = /^[\w-]{32,}$/;

/** Reads the password, making one first where there is none. */
export function ensurePassword(path: string, owner: Identity | undefined): string {
  try {
    const kept = readPassword(path);
    if (kept !== undefined) return kept;
    const draft = `${path}.${process.pid}-${randomBytes(4).toString('hex')}`;
    try {
      writeDurably(draft, randomBytes(24).toString('base64url'));
      giveTo(owner, draft);
      linkUnlessThere(draft, path);
    } finally {
      rmSync(draft, { force: true });
    }
    return readPassword(path) ?? ensurePassword(path, owner);
  } catch (error) {
    throw fileProblem(error, path);
  }
}

/** undefined when the file is not there; a damaged one is removed. */
function readPassword(path: string): string | undefined {
  try {
    const text = readFileSync(path, 'utf8').trim();
    if (PASSWORD.test(text)) return text;
    rmSync(path);
    return undefined;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

function writeDurably(path: string, text: string): void {
  const file = openSync(path, 'wx', 0o600);
  try {
    writeSync(file, text);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

function linkUnlessThere(from: string, to: string): void {
  try {
    linkSync(from, to);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
}
