import type { Command } from 'commander';
import { InvalidInputError } from '../../base/errors.js';
import type { EventAt } from '../../event-store/event-store.js';
import { exportLog } from '../../event-store/transfer/export-log.js';
import { encodeHeader, encodeRaw } from '../../event-store/transfer/ndjson.js';
import { continueExportFile, createExportFile, endOfExport } from '../export-file.js';
import { runSession, type Session } from '../session.js';
import { openTransferEnd } from '../transfer-end.js';

interface Options {
  readonly json?: boolean;
  readonly store?: string;
  readonly resume?: boolean;
}

export function addExport(program: Command): void {
  program
    .command('export')
    .description('write all events to a file, one a line (NDJSON)')
    .argument('<file>', 'a new file; - for stdout')
    .option('--store <url>', 'of this event store; default: the one of the settings')
    .option('--resume', 'go on with a file that an earlier export did not finish, or with what came since')
    .addHelpText(
      'after',
      `
Events are written as they are stored, with all their ids, times and streams. "connector-state import" takes the file in.

Examples:
  connector-state export events.ndjson
  connector-state export events.ndjson --resume
  connector-state export - | gzip > events.ndjson.gz`,
    )
    .action((file: string, options: Options) =>
      runSession(options.json === true, session => exportEvents(session, file, options)),
    );
}

async function exportEvents(session: Session, path: string, { store: url, resume }: Options): Promise<void> {
  const { out, signal } = session;
  if (path === '-' && (resume || out.json)) {
    throw new InvalidInputError('stdout (-) takes the events themselves: leave --resume and --json out');
  }
  const store = await openTransferEnd(session, url);
  const log = await store.identity();
  const known = resume ? await endOfExport(path) : undefined;
  if (known && known.head.log !== null && known.head.log !== log) {
    throw new InvalidInputError(`${path} is of another log than this one: begin a new export`);
  }
  const file = known ? await continueExportFile(path) : await createExportFile(path);
  let events: number;
  try {
    if (!known) await file.write(`${encodeHeader(log)}\n`);
    events = await exportLog({
      from: store,
      after: known?.last satisfies EventAt | undefined,
      signal,
      write: page => file.write(page.map(event => `${encodeRaw(event)}\n`).join('')),
      onProgress: (done, total) =>
        out.progress(`exported ${done} of ${total} events`, done >= total ? 'end' : 'update'),
    });
  } finally {
    await file.close();
  }
  if (path !== '-')
    out.data(
      { events, file: path, resumed: known !== undefined },
      () => `Exported ${events} events to ${path}.`,
    );
}
