import { type Command, Option } from 'commander';
import type { StoredEvent } from '../../events/event.js';
import type { FeedMessage } from '../../feed/event-feed.js';
import { describeEvent } from '../event-text.js';
import { iso } from '../quantities.js';
import { runSession, type Session } from '../session.js';
import { positiveInteger } from '../whole-number.js';
import { wrap } from '../wrap.js';

interface Options {
  readonly json?: boolean;
  readonly from: string;
  readonly exchange?: string;
  readonly environment?: string;
  readonly user?: string;
  readonly credential?: string;
  readonly type?: readonly string[];
  readonly limit?: number;
}

export function addTail(program: Command): void {
  program
    .command('tail')
    .description('follow the events as they come, until Ctrl-C')
    .option('--from <place>', 'beginning, end, or a place that an earlier tail gave', 'end')
    .addOption(new Option('--exchange <name>', 'only of this exchange'))
    .option('--environment <name>', 'only of MAINNET or TESTNET')
    .option('--user <userId>', 'only of this user')
    .option('--credential <credentialId>', 'only of this credential')
    .option('--type <type...>', 'only of these types, such as ConnectorAuthFailed')
    .option('--limit <n>', 'end after so many', positiveInteger)
    .addHelpText(
      'after',
      `
It ends with the place to go on from. With --json each event is a line of its own, with its place as "token". Should the log
not be the one that the place is of, that is said, and everything is told from its beginning.

Examples:
  connector-state tail
  connector-state tail --exchange BYBIT --type ConnectorAuthFailed
  connector-state tail --from beginning --limit 100 --json`,
    )
    .action((options: Options) => runSession(options.json === true, session => tail(session, options)));
}

async function tail(session: Session, options: Options): Promise<void> {
  const { open, out, signal: interrupted } = session;
  // Who read us has gone (`… | head`): nothing is left to do.
  const deaf = new AbortController();
  process.stdout.once('error', () => deaf.abort());
  const signal = AbortSignal.any([interrupted, deaf.signal]);
  const { exchange, environment, user: userId, credential: credentialId, type: types, limit } = options;
  const feed = await (await open()).feed();
  const filter = { exchange, environment, userId, credentialId, types };
  let from = options.from;
  let shown = 0;
  for (;;) {
    let cutOff = false;
    for await (const message of feed.follow({ from, filter, signal })) {
      from = message.token;
      if (message.type === 'cut-off') cutOff = message.reason === 'slow';
      if (message.type !== 'event') tell(session, message);
      else {
        await out.part(
          out.json ? JSON.stringify({ ...message.event, token: message.token }) : lineOf(message.event),
        );
        shown += 1;
        if (shown === limit) break;
      }
    }
    // Whoever reads what we print is slower than the log grows: it waits for him, in the log.
    if (!cutOff || signal.aborted) break;
  }
  out.message(`Go on from here: --from ${from}`);
}

function tell({ out }: Session, message: Exclude<FeedMessage, { type: 'event' }>): void {
  if (message.type === 'caught-up') out.message('(what follows is live; Ctrl-C ends it)');
  if (message.type === 'reset') {
    out.message(
      `The log is not the one that the place is of (${message.reason}): it is told from its beginning.`,
    );
  }
}

const HANGING = 2;

/** Two lines where one would not do: when and what kind, then who and what happened. */
function lineOf(event: StoredEvent): string {
  const { userId, credentialId, exchange, environment } = (event.data ?? {}) as Record<string, unknown>;
  const who = [exchange, environment, userId, credentialId].filter(part => typeof part === 'string');
  const head = [iso(event.recordedAt), event.type, ...who].join(' ');
  return wrap(`${head}\n  ${describeEvent(event)}`, process.stdout.columns, HANGING);
}
