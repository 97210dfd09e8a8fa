import { type Command, InvalidArgumentError } from 'commander';
import type { ConnectorStateCacheService } from '../../cache/connector-state-cache-service.js';
import type { HistoryEntry } from '../../cache/history.js';
import { describeEvent } from '../event-text.js';
import { NotFoundError } from '../exit-codes.js';
import { type Output, table } from '../output.js';
import { iso } from '../quantities.js';
import { runSession } from '../session.js';
import { parseSince, type Since } from '../since.js';
import { visibleJson } from '../visible.js';

interface Options {
  readonly json?: boolean;
  readonly at?: Date;
  readonly since?: Since;
  readonly limit?: number;
  readonly newest?: boolean;
  readonly cursor?: string;
}

/** What is read, and printed, at a time. */
const PAGE = 500;

export function addHistory(program: Command): void {
  program
    .command('history')
    .description('every fact about one connector, oldest first; or its state at a moment')
    .argument('<userId>', '1 to 128 characters')
    .argument('<credentialId>', '1 to 128 characters')
    .option('--at <time>', 'the state as it was at this time (ISO 8601)', parseTime)
    .option(
      '--since <time>',
      'only since this time (ISO 8601) or for this span until now (90m, 24h, 7d)',
      parseSince,
    )
    .option('--limit <n>', 'at most so many, and how to go on from there', parseLimit)
    .option('--newest', 'the newest first')
    .option('--cursor <cursor>', 'go on after an earlier page, with the same --newest')
    .addHelpText(
      'after',
      '\nExamples:\n  connector-state history alice bybit-main\n  connector-state history alice bybit-main --newest --limit 50\n  connector-state history alice bybit-main --at 2026-11-17T09:30:00Z --json',
    )
    .action((userId: string, credentialId: string, options: Options) =>
      runSession(options.json === true, async ({ open, out }) => {
        const { cache } = await open();
        if (options.at) {
          const state = await cache.stateAt({ userId, credentialId }, options.at);
          if (!state)
            throw new NotFoundError(`no state of ${userId} ${credentialId} at ${options.at.toISOString()}`);
          out.data(state, () => Object.entries(state).map(showField).join('\n'));
          return;
        }
        const printed = await print(cache, out, { userId, credentialId }, options);
        if (printed === 0 && options.cursor === undefined) {
          const when = options.since === undefined ? '' : ' since then';
          throw new NotFoundError(`nothing is recorded about ${userId} ${credentialId}${when}`);
        }
      }),
    );
}

/** Page after page, so that the first shows at once and no more than one is held. @returns how many facts */
async function print(
  cache: ConnectorStateCacheService,
  out: Output,
  { userId, credentialId }: { readonly userId: string; readonly credentialId: string },
  { since, limit = Number.POSITIVE_INFINITY, newest, cursor }: Options,
): Promise<number> {
  const sinceMs = since && ('atMs' in since ? since.atMs : Date.now() - since.agoMs);
  let printed = 0;
  let next = cursor;
  do {
    const page = await cache.historyPage(
      { userId, credentialId },
      {
        newestFirst: newest === true,
        since: sinceMs,
        limit: Math.min(PAGE, limit - printed),
        cursor: next,
      },
    );
    next = page.next;
    if (page.events.length > 0) {
      await out.part(
        out.json
          ? jsonPart({ userId, credentialId }, page.events, printed === 0)
          : show(page.events, printed === 0),
      );
    }
    printed += page.events.length;
  } while (next !== undefined && printed < limit);
  if (out.json && printed > 0)
    await out.part(`\n  ]${next ? `,\n  "next": ${JSON.stringify(next)}` : ''}\n}`);
  else if (next !== undefined) out.message(`More: --cursor ${next}`);
  return printed;
}

/** One object in parts: its beginning with the first, then events, each behind a comma. */
function jsonPart(who: object, events: readonly HistoryEntry[], isFirst: boolean): string {
  const opening = `${JSON.stringify(who, null, 2).slice(0, -2)},\n  "events": [\n`;
  const list = events.map(event => visibleJson(event).replace(/^/gm, '    ')).join(',\n');
  return (isFirst ? opening : '  ,\n') + list;
}

function parseLimit(value: string): number {
  if (/^[1-9]\d{0,8}$/.test(value)) return Number(value);
  throw new InvalidArgumentError('Give a whole number from 1 on.');
}

function parseTime(value: string): Date {
  const time = new Date(value);
  if (Number.isNaN(time.getTime())) throw new InvalidArgumentError('Give a time like 2026-11-17T09:30:00Z.');
  return time;
}

/** Columns as wide on every page, the head on the first. */
function show(events: readonly HistoryEntry[], isFirst: boolean): string {
  const rows = events.map(event => [
    iso(event.recordedAt),
    event.type.padEnd(TYPE_WIDTH),
    describeEvent(event),
  ]);
  const text = table(['recorded', 'event', 'what'], rows, ['left', 'left', 'left']);
  return isFirst || !text.startsWith('recorded ') ? text : text.slice(text.indexOf('\n') + 1);
}

/** Of the longest type. */
const TYPE_WIDTH = 'ConnectorStateInvalidated'.length;

function showField([name, value]: [string, unknown]): string {
  const isTime = name === 'lastSyncTime' || name === 'expiresAt';
  return `${name.padEnd(16)}${isTime ? iso(value as number) : value}`;
}
