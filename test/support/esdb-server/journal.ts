/**
 * A log's file: what was acknowledged survives the process, however it ends. One line an append, written before anybody
 * hears of it; a line without its end is one that nobody heard of. The kernel keeps what a killed process wrote, so
 * there is no waiting for the disk.
 */
import { closeSync, existsSync, openSync, readFileSync, truncateSync, writeSync } from 'node:fs';
import type { LoggedEvent } from './event-log.js';

export interface Entry {
  readonly events: readonly LoggedEvent[];
  readonly endOfLog: bigint;
  readonly tombstone?: string | undefined;
}

export interface Journal {
  /** What was in the file. */
  readonly entries: readonly Entry[];
  write(entry: Entry): void;
  close(): void;
}

export function openJournal(path: string): Journal {
  const content = existsSync(path) ? readFileSync(path) : Buffer.alloc(0);
  const whole = content.subarray(0, content.lastIndexOf('\n') + 1);
  const entries = whole.toString().split('\n').filter(Boolean).map(parse);
  const file = openSync(path, 'a');
  truncateSync(path, whole.length);
  return {
    entries,
    write(entry) {
      writeSync(file, `${serialise(entry)}\n`);
    },
    close: () => closeSync(file),
  };
}

const serialise = ({ events, endOfLog, tombstone }: Entry): string =>
  JSON.stringify({
    endOfLog: String(endOfLog),
    tombstone,
    events: events.map(({ data, metadata, position, ...event }) => ({
      ...event,
      data: Buffer.from(data).toString('base64'),
      metadata: Buffer.from(metadata).toString('base64'),
      commit: String(position.commit),
      prepare: String(position.prepare),
    })),
  });

type Written = Omit<LoggedEvent, 'data' | 'metadata' | 'position'> &
  Readonly<Record<'data' | 'metadata' | 'commit' | 'prepare', string>>;

function parse(line: string): Entry {
  const { events, endOfLog, tombstone } = JSON.parse(line) as {
    events: Written[];
    endOfLog: string;
    tombstone?: string;
  };
  return {
    endOfLog: BigInt(endOfLog),
    tombstone,
    events: events.map(({ data, metadata, commit, prepare, ...event }) => ({
      ...event,
      data: Buffer.from(data, 'base64'),
      metadata: Buffer.from(metadata, 'base64'),
      position: { commit: BigInt(commit), prepare: BigInt(prepare) },
    })),
  };
}
