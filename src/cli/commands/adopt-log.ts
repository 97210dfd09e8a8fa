import type { Command } from 'commander';
import type { AdoptedLog } from '../../projector/index.js';
import { EXIT } from '../exit-codes.js';
import { runSession } from '../session.js';

export function addAdoptLog(program: Command): void {
  program
    .command('adopt-log')
    .description('go on from the end of an event log that is not the one the read tables were made from')
    .option('--yes', 'do it; without this it only says what would be lost')
    .addHelpText(
      'after',
      '\nWhen projecting has stopped because the log was restored from an older backup, begun anew or changed, and the rows\nare to be kept. "connector-state rebuild" makes them from the log instead.\n\nExamples:\n  connector-state adopt-log\n  connector-state adopt-log --yes',
    )
    .action((options: { json?: boolean; yes?: boolean }) =>
      runSession(options.json === true, async ({ open, out }) => {
        const projector = await (await open()).projector();
        const result = await projector.adoptLog({ apply: options.yes === true });
        out.data(result, () => show(result));
        if (result.log === 'other' && !result.adopted) process.exitCode = EXIT.failed;
      }),
    );
}

function show({ log, adopted, applied, inLog }: AdoptedLog): string {
  if (log === 'same') return 'The log is the one that the read tables were made from: nothing to do.';
  const of = ({ events, position }: AdoptedLog['applied']) =>
    position === undefined ? 'no events' : `${events} events, up to ${position}`;
  return [
    `The read tables were made from ${of(applied)}; the log has ${of(inLog)}.`,
    `${adopted ? 'Lost' : 'What would be lost'}: events of this log that the tables do not know, from where the two parted to its end, ${adopted ? 'were not' : 'would not be'} applied. The rows keep what only the lost events told. A later rebuild undoes both.`,
    adopted
      ? 'Adopted: the projector goes on with what is stored from now on.'
      : 'Nothing was changed. Run `connector-state adopt-log --yes` to go on from the end of this log, or `connector-state rebuild` to make the tables from it.',
  ].join('\n');
}
