import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import type { Command } from 'commander';
import { InvalidInputError } from '../../base/errors.js';
import { importLog } from '../../event-store/transfer/import-log.js';
import { decodeHeader, decodeRaw } from '../../event-store/transfer/ndjson.js';
import type { RawEvent } from '../../events/decode.js';
import { runSession, type Session } from '../session.js';
import { openTransferEnd } from '../transfer-end.js';

interface Options {
  readonly json?: boolean;
  readonly store?: string;
}

export function addImport(program: Command): void {
  program
    .command('import')
    .description('take in the events of an export')
    .argument('<file>', 'that "connector-state export" made; - for stdin')
    .option('--store <url>', 'into this event store; default: the one of the settings')
    .addHelpText(
      'after',
      `
Into an empty event store, or one that holds a beginning of the export: an import that was interrupted goes on, and one that is
repeated changes nothing. Into PostgreSQL it needs the role that owns the tables. Afterwards run "connector-state rebuild".

Examples:
  connector-state import events.ndjson
  gunzip --stdout events.ndjson.gz | connector-state import -`,
    )
    .action((file: string, options: Options) =>
      runSession(options.json === true, session => importEvents(session, file, options)),
    );
}

async function importEvents(session: Session, path: string, { store: url }: Options): Promise<void> {
  const { out, signal } = session;
  const store = await openTransferEnd(session, url, { mayCreate: true });
  const result = await importLog({
    to: store,
    events: eventsIn(path, signal),
    signal,
    onProgress: (imported, skipped) => out.progress(`imported ${imported} events, ${skipped} were there`),
  });
  const { imported, skipped } = result;
  const there = skipped > 0 ? `, ${skipped} were there already` : '';
  out.progress(`imported ${imported} events, ${skipped} were there`, 'end');
  out.data(result, () =>
    imported === 0
      ? skipped === 0
        ? 'The export has no events.'
        : 'Everything was there already.'
      : `Imported ${imported} events${there}. Now run "connector-state rebuild".`,
  );
}

/** Line by line; the file is never in memory as a whole. */
async function* eventsIn(path: string, signal: AbortSignal): AsyncGenerator<RawEvent, void, void> {
  const input: Readable = path === '-' ? process.stdin : createReadStream(path);
  let failure: unknown;
  const lines = createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY });
  const fail = (error: unknown) => {
    failure ??= error;
    lines.close();
  };
  // Told on both: the interface repeats its input's error, also when it is closed and nobody iterates any more.
  input.once('error', fail);
  lines.once('error', fail);
  // The next line may never come.
  const leave = () => {
    lines.close();
    input.destroy();
  };
  signal.addEventListener('abort', leave, { once: true });
  signal.throwIfAborted();
  let number = 0;
  for await (const line of lines) {
    number += 1;
    if (number === 1) decodeHeader(line);
    else if (line !== '') yield decodeRaw(line, number);
  }
  signal.throwIfAborted();
  if (failure !== undefined) {
    const { code } = failure as NodeJS.ErrnoException;
    throw new InvalidInputError(`${path} cannot be read (${code}): check its name and rights`);
  }
  if (number === 0) decodeHeader('');
}
