/**
 * The errors of the embedded database: every one says what happened, to which path or program, and what to
 * do about it. The last remedy is always the same, so it is written once here.
 */
import { ConnectorStateError } from '../../base/errors.js';

const LAST_REMEDY = 'or set DATABASE_URL to a PostgreSQL server of your own';

/** @param remedy an imperative clause without a full stop, such as "free some space on the disk". */
export function embeddedError(
  problem: string,
  remedy: string,
  options?: { cause?: unknown },
): ConnectorStateError {
  return new ConnectorStateError(
    'EMBEDDED_DATABASE_FAILED',
    `embedded PostgreSQL: ${problem}: ${remedy}, ${LAST_REMEDY}.`,
    options,
  );
}

const FILE_REMEDIES: Readonly<Record<string, [problem: string, remedy: string]>> = {
  ENOSPC: ['the disk is full', 'free some space there'],
  EDQUOT: ['the disk quota is used up', 'free some space there'],
  EROFS: ['the file system is read-only', 'run from a directory that can be written'],
  EACCES: ['this process may not write there', 'run from a directory that this user can write'],
  EPERM: ['this process may not change it', 'run as the user who owns the directory'],
  EINVAL: ['this process may not change its owner', 'run as a user who is not root'],
  ENOTDIR: ['a part of the path is a file, not a directory', 'move that file away'],
};

/** Rethrows what the file system refused as a sentence; errors of ours pass through unchanged. */
export function fileProblem(error: unknown, path: string): Error {
  const code = (error as NodeJS.ErrnoException).code;
  const known = typeof code === 'string' ? FILE_REMEDIES[code] : undefined;
  if (known === undefined) return error instanceof Error ? error : new Error(String(error));
  return embeddedError(`${path}: ${known[0]} (${code})`, known[1], { cause: error });
}

const QUOTED_LINES = 5;
const QUOTED_CHARACTERS = 600;

/** The last lines of a program's output, short enough to stand in an error message. */
export function quote(output: string): string {
  const lines = output
    .trim()
    .split('\n')
    .map(line => line.trim());
  return lines.slice(-QUOTED_LINES).join(' | ').slice(-QUOTED_CHARACTERS) || 'no output';
}
