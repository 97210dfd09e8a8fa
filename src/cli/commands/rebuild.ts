import type { Command } from 'commander';
import type { RebuildProgress } from '../../projector/index.js';
import { EXIT } from '../exit-codes.js';
import { type Output, table } from '../output.js';
import { span } from '../quantities.js';
import { runSession } from '../session.js';
import { parseWait } from '../wait.js';

interface Options {
  readonly json?: boolean;
  readonly projection?: string[];
  readonly check?: boolean;
  readonly strict?: boolean;
  readonly wait?: number;
}

/** What is left is told from how it went so far; the first line comes before the first event is folded. */
function progressOf(out: Output): (progress: RebuildProgress) => void {
  const startedMs = performance.now();
  return ({ done, total }) => {
    const spentMs = performance.now() - startedMs;
    const left = done > 0 && done < total ? `, about ${span((spentMs / done) * (total - done))} left` : '';
    const stage = done === 0 ? 'begin' : done >= total ? 'end' : 'update';
    out.progress(`folded ${done} of ${total} events${left}`, stage);
  };
}

export function addRebuild(program: Command): void {
  program
    .command('rebuild')
    .description('fold all events anew beside the live tables, and switch in one transaction')
    .option('--projection <name...>', 'only these; default: all')
    .option('--check', 'only compare the live tables with the rebuilt ones; exit 1 when they differ')
    .option('--strict', 'fail at the first event that cannot be folded, instead of setting it aside')
    .option(
      '--wait <seconds>',
      'how long to wait for another rebuild to end; default: for as long',
      parseWait,
    )
    .addHelpText(
      'after',
      '\nLookups go on meanwhile. Ctrl-C leaves the live tables as they were. A pooler of any mode will do.\n\nExamples:\n  connector-state rebuild\n  connector-state rebuild --projection cache_usage --json\n  connector-state rebuild --check',
    )
    .action((options: Options) =>
      runSession(options.json === true, async ({ open, out, signal }) => {
        const projector = await (await open()).projector();
        const scope = {
          ...(options.projection && { projections: options.projection }),
          signal,
          onProgress: progressOf(out),
        };
        if (options.check) {
          const result = await projector.verify(scope);
          out.data(result, () =>
            table(
              ['table', 'rows', 'differ'],
              result.tables.map(({ name, rows, differing }) => [name, rows, differing]),
              ['left', 'right', 'right'],
            ),
          );
          if (!result.equal) process.exitCode = EXIT.failed;
          return;
        }
        const result = await projector.rebuild({
          ...scope,
          strict: options.strict === true,
          ...(options.wait !== undefined && { waitMs: options.wait * 1_000 }),
        });
        out.data(result, () =>
          [
            table(
              ['table', 'rows', 'changed'],
              Object.entries(result.rows).map(([name, rows]) => [name, rows, result.differing[name] ?? 0]),
              ['left', 'right', 'right'],
            ),
            ...(result.deadLetters > 0
              ? [`${result.deadLetters} events could not be folded: see project --dead-letters`]
              : []),
          ].join('\n'),
        );
      }),
    );
}
