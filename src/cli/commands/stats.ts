import type { Command } from 'commander';
import { isConnectorStateError } from '../../base/errors.js';
import type { CacheStats } from '../../cache/connector-state-cache-service.js';
import type { Projector } from '../../projector/index.js';
import { EXIT } from '../exit-codes.js';
import { table } from '../output.js';
import { span } from '../quantities.js';
import { runSession } from '../session.js';
import { describeSharedClock, nameOfClock } from '../shared-clock-text.js';

export function addStats(program: Command): void {
  program
    .command('stats')
    .description('how many states there are, and how often a lookup was answered by one')
    .addHelpText('after', '\nExample:\n  connector-state stats --json | jq .hitsByTier')
    .action((options: { json?: boolean }) =>
      runSession(options.json === true, async ({ open, out }) => {
        const state = await open();
        const stats = await state.cache.getStats();
        const lag = await lagOf(await state.projector());
        const hasOutbox = state.settings.eventStoreUrl !== undefined;
        out.data({ ...stats, projectionLag: lag }, () => show(stats, lag, hasOutbox));
      }),
    );
}

type KnownLag = Awaited<ReturnType<Projector['lag']>> | { readonly unknown: string };

/** The figures are the database's: an event store that is away, or is another, takes nothing but the lag from them. */
async function lagOf(projector: Projector): Promise<KnownLag> {
  try {
    return await projector.lag();
  } catch (error) {
    if (isConnectorStateError(error, 'PROJECTION_FAILED')) process.exitCode = EXIT.failed;
    else if (!isConnectorStateError(error, 'EVENT_STORE_FAILED')) throw error;
    return { unknown: error.message };
  }
}

const describeLag = (lag: KnownLag): string =>
  'unknown' in lag ? `unknown: ${lag.unknown}` : `${lag.events} events, ${lag.seconds.toFixed(1)} s`;

function show(stats: CacheStats, lag: KnownLag, hasOutbox: boolean): string {
  const { waiting, waitingSeconds, dead } = stats.outbox;
  const list = (of: Readonly<Record<string, number>>) =>
    Object.entries(of)
      .map(([name, count]) => `${name} ${count}`)
      .join(', ') || 'none';
  return table(
    ['', ''],
    [
      ['states', `${stats.total} (valid ${stats.valid}, expired ${stats.expired}, invalid ${stats.invalid})`],
      ['by exchange', list(stats.byExchange as Record<string, number>)],
      [
        'hit rate',
        `${(stats.hitRate * 100).toFixed(1)} % (${stats.totalHits} hits, ${stats.totalMisses} misses)`,
      ],
      ['hits by tier', list(stats.hitsByTier)],
      ['stale hits', stats.staleHits],
      ['syncs', `${stats.syncs} (failed ${stats.syncFailures})`],
      ['auth failures', stats.authFailures],
      ['late requests', stats.lateRequests],
      ['unreachable', stats.unreachable],
      ['invalidations', stats.invalidations],
      ...stats.clocks.map(clock => [`clock of ${nameOfClock(clock)}`, describeSharedClock(clock)]),
      ...(hasOutbox
        ? [['outbox', `${waiting} events wait, the oldest for ${span(waitingSeconds * 1_000)}; ${dead} dead`]]
        : []),
      ['projection lag', describeLag(lag)],
    ],
    ['left', 'left'],
  ).trimStart();
}
