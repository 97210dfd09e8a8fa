/**
 * A log's file: what was acknowledged survives the process, however it ends. One line an append, written before anybody
 * hears of it; a line without its end is one that nobody heard of. The kernel keeps what a killed process wrote, so
 * there is no waiting for the disk.
 */
import { closeSync, existsSync, openSync, readFileSync, truncateSync, writeSync } from 'node:fs';
import { type LoggedEvent, STREAM_DELETED, TOMBSTONE_REVISION } from './record.js';

export interface Entry {
  readonly events: readonly LoggedEvent[];
  readonly endOfLog: bigint;
}

export interface Journal {
  /** What was in the file. */
  readonly entries: readonly Entry[];
  write(entry: Entry): void;
  /** In place of everything written so far. */
  rewrite(entry: Entry): void;
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
    rewrite(entry) {
      truncateSync(path, 0);
      writeSync(file, `${serialise(entry)}\n`);
    },
    close: () => closeSync(file),
  };
}

const serialise = ({ events, endOfLog }: Entry): string =>
  JSON.stringify({
    endOfLog: String(endOfLog),
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
  const { events, endOfLog } = JSON.parse(line) as { events: Written[]; endOfLog: string };
  return {
    endOfLog: BigInt(endOfLog),
    events: events.map(({ data, metadata, commit, prepare, ...event }) => ({
      ...event,
      // JSON knows no infinity.
      revision: event.type === STREAM_DELETED ? TOMBSTONE_REVISION : event.revision,
      data: Buffer.from(data, 'base64'),
      metadata: Buffer.from(metadata, 'base64'),
      position: { commit: BigInt(commit), prepare: BigInt(prepare) },
    })),
  };
}
