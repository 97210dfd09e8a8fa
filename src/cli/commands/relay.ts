import type { Command } from 'commander';
import { InvalidInputError } from '../../base/errors.js';
import type { OutboxStatus } from '../../event-store/outbox/index.js';
import { EXIT } from '../exit-codes.js';
import { iso } from '../quantities.js';
import { runSession, type Session } from '../session.js';
import { visible } from '../visible.js';

interface Options {
  readonly json?: boolean;
  readonly retryDead?: boolean;
  readonly setAside?: string;
}

export function addRelay(program: Command): void {
  program
    .command('relay')
    .description('take what waits in the outbox to the event store now, then end')
    .option('--retry-dead', 'also the events that were called invalid, refused or set aside before')
    .option('--set-aside <stream>', 'first let the events of a refused stream wait no more; they are kept')
    .addHelpText(
      'after',
      '\nProcesses that project do this by themselves. Exit 3: something still waits.\n\nExample:\n  connector-state relay --json',
    )
    .action((options: Options) => runSession(options.json === true, session => run(session, options)));
}

async function run({ open, out }: Session, { retryDead = false, setAside: stream }: Options): Promise<void> {
  const state = await open();
  const relay = await state.relay();
  if (!relay) {
    out.data(
      { forwarded: 0, waiting: 0, dead: 0 },
      () => 'The database is the event store: nothing ever waits.',
    );
    return;
  }
  const setAside = stream === undefined ? 0 : await relay.outbox.setAside(stream);
  if (stream !== undefined && setAside === 0) {
    throw new InvalidInputError(
      `nothing of ${visible(stream)} waits behind a refusal: \`connector-state doctor\` names the streams that do`,
    );
  }
  const revived = retryDead ? await relay.outbox.reviveDead() : 0;
  await relay.drain({ force: true });
  const status = await relay.outbox.status();
  out.data({ setAside, revived, forwarded: relay.counters.forwarded, ...status }, () =>
    [
      ...(setAside > 0 ? [`Set aside ${setAside} events of ${visible(stream ?? '')}.`] : []),
      `Forwarded ${relay.counters.forwarded} events; ${showStatus(status)}.`,
      ...(status.lastDeadError ? [`The last that was set aside: ${status.lastDeadError}`] : []),
    ].join('\n'),
  );
  if (status.waiting > 0) process.exitCode = EXIT.unavailable;
}

/** Completes "Outbox: …". */
export function showStatus({ waiting, waitingSince, lastError, dead, refused }: OutboxStatus): string {
  const why =
    refused.events > 0
      ? ` (${refused.events} of them behind a refused one, the first of ${refused.stream}: ${refused.error})`
      : lastError
        ? ` (${lastError})`
        : '';
  const waits = waiting === 0 ? 'nothing waits' : `${waiting} wait since ${iso(waitingSince ?? 0)}${why}`;
  return dead === 0 ? waits : `${waits}; ${dead} were called invalid or set aside`;
}
