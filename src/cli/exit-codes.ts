/** What the exit code says; listed in `connector-state --help` and docs/cli.md. */
import { CommanderError } from 'commander';
import { isConnectorStateError } from '../base/errors.js';

export const EXIT = {
  ok: 0,
  failed: 1,
  usage: 2,
  unavailable: 3,
  notFound: 4,
  interrupted: 130,
} as const;

/** Nothing was there to act on. */
export class NotFoundError extends Error {
  readonly code = 'NOT_FOUND';
}

/** What the environment says can only be wrong: the message is for whoever set it. */
export class WrongSettingError extends Error {
  readonly code = 'INVALID_SETTINGS';
}

/** Ctrl-C or a termination signal ended the command. */
export class InterruptedError extends Error {
  constructor() {
    super('interrupted');
  }
}

/** Who reads what is printed (`… | head`) has left, with what he wanted. */
export class ReaderLeftError extends Error {}

/** What `--json` calls the error by: its own code, a stable one of this package's where it has one. */
export function codeOf(error: unknown): string {
  if (error instanceof CommanderError) return 'INVALID_USAGE';
  const { code } = (error ?? {}) as { code?: unknown };
  return typeof code === 'string' && code !== '' ? code : 'UNEXPECTED';
}

export function exitCodeOf(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
  if (error instanceof ReaderLeftError) return EXIT.ok;
  if (error instanceof InterruptedError) return EXIT.interrupted;
  if (error instanceof NotFoundError) return EXIT.notFound;
  if (error instanceof WrongSettingError) return EXIT.usage;
  if (!isConnectorStateError(error)) return EXIT.failed;
  switch (error.code) {
    case 'INVALID_INPUT':
    case 'INVALID_SETTINGS':
    case 'PACKAGE_MISSING':
      return EXIT.usage;
    case 'DATABASE_UNAVAILABLE':
    case 'DATABASE_NOT_MIGRATED':
    case 'DATABASE_REFUSED':
    case 'EMBEDDED_DATABASE_FAILED':
      return EXIT.unavailable;
    case 'EVENT_STORE_FAILED':
      // Wrong credentials, a certificate that does not verify: the settings are at fault, and waiting helps nobody.
      return (error as { transient?: boolean }).transient === false ? EXIT.usage : EXIT.unavailable;
    default:
      return EXIT.failed;
  }
}
