import { ConnectorStateError } from '../base/errors.js';
import type { ExpectedVersion } from './event-store.js';

/** A stream was not where the append expected it. Nothing of the append was stored. */
export class VersionConflictError extends ConnectorStateError {
  readonly stream: string;
  readonly expected: ExpectedVersion;
  /** 0 when the stream does not exist. */
  readonly actual: number;

  constructor(stream: string, expected: ExpectedVersion, actual: number) {
    super(
      'VERSION_CONFLICT',
      `stream ${stream} is at version ${actual}, expected ${expected}: read it again and decide anew`,
    );
    this.stream = stream;
    this.expected = expected;
    this.actual = actual;
  }
}
