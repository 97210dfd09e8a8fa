import { userInfo } from 'node:os';
import type { Command } from 'commander';
import { NotFoundError } from '../exit-codes.js';
import { runSession } from '../session.js';
import { parseSince, type Since } from '../since.js';

interface Options {
  readonly host: string;
  readonly login?: string;
  readonly since?: Since;
  readonly undo?: true;
  readonly json?: boolean;
}

export function addDistrust(program: Command): void {
  program
    .command('distrust')
    .description("believe no more what one machine says of the exchanges' clocks, or do so again")
    .requiredOption('--host <name>', 'the machine, as `doctor` names it, without the login')
    .option('--login <name>', 'only as this database login; default: under any')
    .option('--since <time>', 'measure anew what was measured since: 90m, 24h, 7d, or a time', parseSince)
    .option('--undo', 'believe it again from now on')
    .addHelpText(
      'after',
      `
For every shared clock that is known now. What others measured since is given up too with --since: it costs one
measurement a clock.

Example:
  connector-state distrust --host node-7 --since 2h
  connector-state distrust --host node-7 --undo`,
    )
    .action((options: Options) =>
      runSession(options.json === true, async ({ open, out }) => {
        const { host, login, since, undo } = options;
        const { cache } = await open();
        const sinceMs = since && ('atMs' in since ? since.atMs : Date.now() - since.agoMs);
        const clocks = await cache.distrust({ host, login, sinceMs, undo }, `cli:${userInfo().username}`);
        if (clocks === 0)
          throw new NotFoundError('no shared clock is known yet: there is nobody to distrust');
        const who = login === undefined ? host : `${host} of login ${login}`;
        const said = undo ? 'is believed again' : 'is not believed any more';
        out.data(
          { host, login, sinceMs, undo: undo === true, clocks },
          () => `${who} ${said}, by ${clocks} shared ${clocks === 1 ? 'clock' : 'clocks'}.`,
        );
      }),
    );
}
