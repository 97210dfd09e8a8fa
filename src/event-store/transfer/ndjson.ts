/**
 * A log as lines of JSON: one event a line, as it is stored, behind a first line that says what the lines are.
 *
 * The same on every store: ids, streams, times, hosts and data as they are; positions only help to go on. What is read back
 * is somebody's file: each line is held to its shape, and one that is not is named by its number and never repeated.
 */
import { z } from 'zod';
import { InvalidInputError } from '../../base/errors.js';
import type { RawEvent } from '../../events/decode.js';
import { STREAM_PREFIX } from '../../events/streams.js';

export const FORMAT = 'connector-state-events';
const FORMAT_VERSION = 1;

export interface LogHeader {
  readonly format: typeof FORMAT;
  readonly version: number;
  /** The id of the log's first event that is kept for good; `null` while there is none. */
  readonly log: string | null;
}

export const encodeHeader = (log: string | undefined): string =>
  JSON.stringify({ format: FORMAT, version: FORMAT_VERSION, log: log ?? null } satisfies LogHeader);

export const encodeRaw = (event: RawEvent): string => JSON.stringify(event);

const header = z.object({ format: z.literal(FORMAT), version: z.int(), log: z.uuid().nullable() });
const text = z.string().max(1_000).refine(isStorable);
const timeMs = z.int().min(0);
const raw = z.strictObject({
  id: z.uuid(),
  type: z.string().min(1).max(200).refine(isStorable),
  schemaVersion: z.int().min(1),
  stream: text.refine(stream => stream.startsWith(STREAM_PREFIX)),
  version: z.int().min(1),
  position: z.string().regex(/^[a-z]+(\/\d{1,19}){1,2}$/),
  occurredAt: timeMs,
  recordedAt: timeMs,
  host: text,
  correlationId: text.optional(),
  causationId: text.optional(),
  login: text.optional(),
  data: z.record(z.string(), z.unknown()),
});

function isStorable(value: string): boolean {
  return !value.includes('\u0000') && !/\p{Surrogate}/u.test(value);
}

/** @throws InvalidInputError */
export function decodeHeader(line: string): LogHeader {
  const { data, success } = header.safeParse(parsed(line, 1));
  if (!success) {
    throw new InvalidInputError(
      `line 1 is not the head of an export (a line with "format": "${FORMAT}"): give a file that "connector-state export" made`,
    );
  }
  if (data.version > FORMAT_VERSION) {
    throw new InvalidInputError(
      `the export is of format version ${data.version}, and this release reads up to ${FORMAT_VERSION}: upgrade connector-state`,
    );
  }
  return data;
}

/** @param number of the line, from 1, for who has to mend it. @throws InvalidInputError */
export function decodeRaw(line: string, number: number): RawEvent {
  const { data, success, error } = raw.safeParse(parsed(line, number));
  if (success) return data as RawEvent;
  const fields = [...new Set(error.issues.map(({ path }) => path.join('.') || 'line'))].slice(0, 5);
  throw new InvalidInputError(
    `line ${number} is not an event (${fields.join(', ')}): the file was changed, or was cut off there`,
  );
}

function parsed(line: string, number: number): unknown {
  try {
    return JSON.parse(line);
  } catch {
    throw new InvalidInputError(`line ${number} is not JSON: the file was changed, or was cut off there`);
  }
}
