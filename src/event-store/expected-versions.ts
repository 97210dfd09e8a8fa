import { InvalidInputError } from '../base/errors.js';
import { shown } from '../base/shown.js';
import type { ExpectedVersion } from './event-store.js';

/**
 * The versions an append expects, by stream: 0 for a stream that must not exist; `any` is left out.
 * @throws InvalidInputError for a stream to which nothing is appended, or what is no version
 */
export function readExpectedVersions(
  streams: ReadonlySet<string>,
  expectedVersions: Readonly<Record<string, ExpectedVersion>> = {},
): ReadonlyMap<string, number> {
  const checked = new Map<string, number>();
  for (const [stream, expected] of Object.entries(expectedVersions)) {
    if (!streams.has(stream)) {
      throw new InvalidInputError(
        `expectedVersions names stream ${JSON.stringify(stream)}, to which nothing is appended: name only streams of the events given`,
      );
    }
    if (expected === 'any') continue;
    const version = expected === 'no-stream' ? 0 : expected;
    if (!Number.isSafeInteger(version) || version < 0) {
      throw new InvalidInputError(
        `expected version of stream ${stream} must be "any", "no-stream" or a whole number from 0, got ${shown(expected)}`,
      );
    }
    checked.set(stream, version);
  }
  return checked;
}
