import type { Command } from 'commander';
import { WrongSettingError } from '../exit-codes.js';
import { iso } from '../quantities.js';
import { runSession } from '../session.js';
import { parseSince, type Since } from '../since.js';

interface Options {
  readonly json?: boolean;
  readonly before?: Since;
  readonly dryRun?: boolean;
}

export function addForgetHits(program: Command): void {
  program
    .command('forget-hits')
    .description('let hits go that are older than HITS_MAX_AGE_MS, and keep what a rebuild needs of them')
    .option('--before <span|time>', 'how old instead: 30d, 12w, or a time (ISO 8601)', parseSince)
    .option('--dry-run', 'only say what would be forgotten')
    .addHelpText(
      'after',
      '\nSyncs, failures and invalidations are kept for good. A worker (project) does this by itself where\nHITS_MAX_AGE_MS is set.\n\nExamples:\n  connector-state forget-hits --before 90d --dry-run\n  HITS_MAX_AGE_MS=7776000000 connector-state forget-hits',
    )
    .action((options: Options) =>
      runSession(options.json === true, async ({ open, out, signal }) => {
        const state = await open();
        const before = beforeOf(options.before, state.settings.hitsMaxAgeMs);
        const dryRun = options.dryRun === true;
        const result = await (await state.projector()).forgetHits({ before, by: 'cli', dryRun, signal });
        out.data({ ...result, before: result.before ?? null, dryRun }, () =>
          [
            result.forgotten === 0
              ? `No hits from before ${iso(before)} to forget.`
              : `${dryRun ? 'Would forget' : 'Forgot'} ${result.forgotten} events from before ${iso(result.before ?? before)}; ${result.sums} sums stay for rebuilds.`,
            ...(result.dropped > 0 ? [`${result.dropped} events were dropped.`] : []),
          ].join('\n'),
        );
      }),
    );
}

function beforeOf(given: Since | undefined, maxAgeMs: number): number {
  if (given) return 'atMs' in given ? given.atMs : Date.now() - given.agoMs;
  if (maxAgeMs > 0) return Date.now() - maxAgeMs;
  throw new WrongSettingError(
    'nothing says how old hits may become: set HITS_MAX_AGE_MS, or give --before (for example --before 90d)',
  );
}
