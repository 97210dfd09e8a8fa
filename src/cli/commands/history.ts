import { type Command, InvalidArgumentError } from 'commander';
import type { HistoryEntry } from '../../cache/history.js';
import { inSeconds } from '../../clock/answers.js';
import { NotFoundError } from '../exit-codes.js';
import { table } from '../output.js';
import { iso, span } from '../quantities.js';
import { runSession } from '../session.js';

interface Options {
  readonly json?: boolean;
  readonly at?: Date;
}

export function addHistory(program: Command): void {
  program
    .command('history')
    .description('every fact about one connector, oldest first; or its state at a moment')
    .argument('<userId>', '1 to 128 characters')
    .argument('<credentialId>', '1 to 128 characters')
    .option('--at <time>', 'the state as it was at this time (ISO 8601)', parseTime)
    .addHelpText(
      'after',
      '\nExamples:\n  connector-state history alice bybit-main\n  connector-state history alice bybit-main --at 2026-11-17T09:30:00Z --json',
    )
    .action((userId: string, credentialId: string, options: Options) =>
      runSession(options.json === true, async ({ open, out }) => {
        const { cache } = await open();
        if (options.at) {
          const state = await cache.stateAt(userId, credentialId, options.at);
          if (!state)
            throw new NotFoundError(`no state of ${userId} ${credentialId} at ${options.at.toISOString()}`);
          out.data(state, () => Object.entries(state).map(showField).join('\n'));
          return;
        }
        const events = await cache.history(userId, credentialId);
        if (events.length === 0)
          throw new NotFoundError(`nothing is recorded about ${userId} ${credentialId}`);
        out.data({ userId, credentialId, events }, () => show(events));
      }),
    );
}

function parseTime(value: string): Date {
  const time = new Date(value);
  if (Number.isNaN(time.getTime())) throw new InvalidArgumentError('Give a time like 2026-11-17T09:30:00Z.');
  return time;
}

function show(events: readonly HistoryEntry[]): string {
  const rows = events.map(event => [iso(event.recordedAt), event.type, describe(event)]);
  return table(['recorded', 'event', 'what'], rows, ['left', 'left', 'left']);
}

function describe(event: HistoryEntry): string {
  if (event.decoded === 'unknown-type') return '(a type this version does not know)';
  if (event.decoded === 'invalid') return `(cannot be read: ${event.problem})`;
  switch (event.type) {
    case 'ConnectorSynced': {
      const { trigger, basis, offsetMs, uncertaintyMs, ttlMs, syncId } = event.data;
      const from = basis === 'measured' ? 'measured' : 'taken over from the exchange clock';
      return `${trigger}: ${from}, ${offsetMs.toFixed(1)} ± ${uncertaintyMs.toFixed(1)} ms for ${span(ttlMs)} (${syncId})`;
    }
    case 'ConnectorSyncFailed':
      return `${event.data.trigger}: ${event.data.failureClass} ${event.data.exchangeCode ?? ''}`.trimEnd();
    case 'ConnectorStateHit':
      return `${event.data.count} × ${event.data.tier}`;
    case 'ConnectorAuthFailed': {
      const { exchangeCode, failureClass, offsetMs, offsetAgeMs } = event.data;
      const signedWith =
        offsetMs === undefined
          ? ''
          : `, signed with ${offsetMs.toFixed(1)} ms that was ${span(offsetAgeMs ?? 0)} old`;
      return `${exchangeCode} (${failureClass})${signedWith}`;
    }
    case 'ConnectorRequestLate': {
      const { exchangeCode, lateAtLeastMs, lateAtMostMs, uncertaintyMs, recvWindowMs } = event.data;
      const late = inSeconds({ atLeastMs: lateAtLeastMs, atMostMs: lateAtMostMs });
      return `${exchangeCode}: refused because ${late} late; the clock was right within ${Math.ceil(uncertaintyMs)} ms (window ${recvWindowMs} ms)`;
    }
    case 'ExchangeUnreachable':
      return `${event.data.exchangeCode} (${event.data.failureClass})`;
    case 'ConnectorStateInvalidated':
      return `${event.data.reason} by ${event.data.by} (${event.data.condemnedSyncId})`;
    case 'ConnectorShadowed': {
      const { contact, tier, missReason, measured, comparison } = event.data;
      const source = tier ?? (contact === 'sync' ? `a sync (${missReason})` : "the database's clock");
      const error =
        comparison && measured
          ? `, off by ${comparison.errorMs.toFixed(1)} ± ${measured.uncertaintyMs.toFixed(1)} ms, refused: ${comparison.refusal}`
          : '';
      return `would have started from ${source}${error}`;
    }
    case 'ExpiredStatesCleaned':
      return `ended before ${iso(event.data.cutoff)}`;
  }
}

function showField([name, value]: [string, unknown]): string {
  const isTime = name === 'lastSyncTime' || name === 'expiresAt';
  return `${name.padEnd(16)}${isTime ? iso(value as number) : value}`;
}
