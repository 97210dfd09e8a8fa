import type { Command } from 'commander';
import { runSession } from '../session.js';
import { parseWait } from '../wait.js';
import { positiveInteger } from '../whole-number.js';

interface Options {
  readonly json?: boolean;
  readonly partitions?: number;
  readonly wait: number;
}

const described = (partitions: number): string =>
  partitions === 1 ? 'one table' : `${partitions} hash partitions by cache_key`;

export function addShard(program: Command): void {
  program
    .command('shard')
    .description('split the table of states into hash partitions, or make it one again')
    .option(
      '--partitions <n>',
      '2 to 1024; 1 makes it one table again. Left out: tell what it is',
      positiveInteger,
    )
    .option('--wait <seconds>', "how long to wait for other sessions' locks", parseWait, 60)
    .addHelpText(
      'after',
      '\nLookups go on meanwhile; projections wait. Ctrl-C leaves the table as it was. Run it as the owner of the tables.\n\nExamples:\n  connector-state shard --partitions 16\n  connector-state shard --partitions 1',
    )
    .action((options: Options) =>
      runSession(options.json === true, async ({ openDatabase, out, signal }) => {
        const { url } = await openDatabase();
        const { readShape, shard } = await import('../../read-model/shard.js');
        const { partitions } = options;
        if (partitions === undefined) {
          const shape = await readShape(url, signal);
          out.data(shape, () => `connector_state_cache is ${described(shape.partitions)}.`);
          return;
        }
        const before = await shard(url, partitions, {
          log: text => out.message(text),
          waitMs: options.wait * 1_000,
          signal,
        });
        out.data({ partitions, before: before.partitions }, () =>
          before.partitions === partitions
            ? `Nothing to do: connector_state_cache is ${described(partitions)}.`
            : `connector_state_cache was ${described(before.partitions)} and is ${described(partitions)}.`,
        );
      }),
    );
}
