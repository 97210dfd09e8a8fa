import type { Command } from 'commander';
import { type ConnectorStateError, InvalidInputError, isConnectorStateError } from '../../base/errors.js';
import { createLogger } from '../../base/logging.js';
import type { OpenedEventStore } from '../../composition/event-stores.js';
import { parseEventStoreUrl } from '../../composition/settings.js';
import type { CopyResult } from '../../event-store/transfer/copy.js';
import { isPostgresUrl } from '../../postgres/database-url.js';
import { EXIT } from '../exit-codes.js';
import { table } from '../output.js';
import { runSession, type Session } from '../session.js';

interface Options {
  readonly json?: boolean;
  readonly from: string;
  readonly to: string;
}

type End = 'from' | 'to';

const SHOWN_DIFFERENCES = 20;

export function addCopy(program: Command): void {
  program
    .command('copy')
    .description('copy all facts from one event store to another, and compare them')
    .requiredOption('--from <url>', 'the event store that has them: postgres://… or esdb://…')
    .requiredOption('--to <url>', 'an empty event store, or one that an earlier copy did not finish')
    .addHelpText(
      'after',
      `
Ids, times, hosts and what an event was caused by are kept; what another program wrote keeps its content, and not its
own metadata. Interrupted, it goes on where it stopped. Into PostgreSQL it needs the role that owns the tables, which it
makes if they are missing. Afterwards set EVENT_STORE_URL to the new store and run
"connector-state rebuild". Exit 1: the two differ.

Example:
  connector-state copy --from "$DATABASE_URL" --to "esdb://admin:…@events:2113?tlsCAFile=/ca.pem"`,
    )
    .action((options: Options) => runSession(options.json === true, session => copy(session, options)));
}

async function copy(session: Session, options: Options): Promise<void> {
  const { out, signal } = session;
  const [from, to] = [await open(session, 'from', options.from), await open(session, 'to', options.to)];
  const [source, target] = [await identify('from', from), await identify('to', to)];
  if (source === target) {
    throw new InvalidInputError('--from and --to are the same event store: give another one to copy to');
  }
  if (isPostgresUrl(options.to) && !(await to.isMigrated())) {
    const { migrate } = await import('../../read-model/migrate.js');
    await migrate(options.to, { log: text => out.message(text) });
  }
  const { copyLog } = await import('../../event-store/transfer/copy.js');
  const result = await copyLog({
    from: from.store,
    to: to.store,
    signal,
    onProgress: ({ stage, done, total }) =>
      out.progress(
        `${stage === 'copying' ? 'copied' : 'compared'} ${done} of ${total} events`,
        done >= total ? 'end' : 'update',
      ),
  });
  out.data(result, () => show(result));
  if (!result.equal) process.exitCode = EXIT.failed;
}

async function open(session: Session, end: End, given: string): Promise<OpenedEventStore> {
  const parsed = parseEventStoreUrl(given);
  if ('problem' in parsed) {
    throw new InvalidInputError(
      `--${end} must be a URL like postgres://user:password@host:5432/database or esdb://user:password@host:2113, got ${parsed.problem}`,
    );
  }
  const { url } = parsed;
  const settings = session.settings();
  const { openEventStore } = await import('../../composition/event-stores.js');
  const log = await createLogger(settings.logLevel, settings.logFormat);
  const opened = await openEventStore(url, { ...settings, log });
  session.onEnd(() => opened.close());
  return opened;
}

/** The first contact. An argument that can only be wrong is told apart from a server that is away. */
async function identify(end: End, opened: OpenedEventStore): Promise<string> {
  try {
    return await opened.identify();
  } catch (error) {
    if (isConnectorStateError(error) && (error as { transient?: boolean }).transient === false) {
      throw new InvalidInputError(`--${end}: ${(error as ConnectorStateError).message}`);
    }
    throw error;
  }
}

function show(result: CopyResult): string {
  const { copied, resumed, events, streams, equal, sameOrder, differing } = result;
  const lines = [
    `Copied ${copied} events${resumed ? `; ${events.to - copied} were there already` : ''}.`,
    table(
      ['', 'events', 'streams'],
      [
        ['from', events.from, streams.from],
        ['to', events.to, streams.to],
      ],
      ['left', 'right', 'right'],
    ),
  ];
  if (equal) lines.push('Equal: every stream has the same events, in the same order.');
  else if (differing.length === 0 && !sameOrder) lines.push('Different: the streams are in another order.');
  else {
    lines.push(
      `Different: ${differing.length} streams.`,
      table(
        ['stream', 'from', 'to'],
        differing
          .slice(0, SHOWN_DIFFERENCES)
          .map(({ stream, from, to }) => [stream, from?.events ?? 0, to?.events ?? 0]),
        ['left', 'right', 'right'],
      ),
    );
  }
  return lines.join('\n');
}
