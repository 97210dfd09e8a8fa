import { type Command, InvalidArgumentError } from 'commander';
import type { Letters } from '../../projector/index.js';
import { table } from '../output.js';
import { runSession, type Session } from '../session.js';
import { parseWait } from '../wait.js';

interface Options {
  readonly json?: boolean;
  readonly once?: boolean;
  readonly deadLetters?: boolean;
  readonly replay?: boolean;
  readonly dismiss?: Letters;
  readonly undo?: boolean;
  readonly wait?: number;
}

export function addProject(program: Command): void {
  program
    .command('project')
    .description('run the projector: fold events into the read tables, until Ctrl-C')
    .option('--once', 'catch up to the last event, then end')
    .option('--dead-letters', 'list the events that no fold could take, then end')
    .option('--wait <seconds>', 'how long to stand by while another leads; default: for as long', parseWait)
    .option('--replay', 'fold again the projections that have dead letters, then end')
    .option(
      '--dismiss <event>',
      'tell no more of the dead letters of this event, or of every `foreign` one, then end',
      parseLetters,
    )
    .option('--undo', 'with --dismiss: tell of them again')
    .addHelpText(
      'after',
      '\nOne projector is active among all that run. The others say which, and the next takes over when it ends.\n\nExamples:\n  connector-state project\n  connector-state project --once --json',
    )
    .action((options: Options) =>
      runSession(options.json === true, async session => {
        if (options.deadLetters) return listDeadLetters(session);
        if (options.replay) return replay(session);
        if (options.dismiss !== undefined) return dismiss(session, options.dismiss, options.undo === true);
        return options.once ? catchUp(session) : run(session, options);
      }),
    );
}

async function run({ open, out, signal }: Session, { wait }: Options): Promise<void> {
  const state = await open({}, { mayCreate: true });
  const projector = await state.projector();
  // With an event store of its own the worker is also who empties the outbox.
  (await state.relay())?.start();
  out.message('projecting until Ctrl-C');
  await projector.run({
    signal,
    hitsMaxAgeMs: state.settings.hitsMaxAgeMs,
    ...(wait !== undefined && { waitMs: wait * 1_000 }),
  });
  out.data(projector.counters, () => `Projected ${projector.counters.events} events.`);
}

async function catchUp({ open, out, signal }: Session): Promise<void> {
  const projector = await (await open()).projector();
  const result = await projector.catchUp({ makesCurrent: {}, signal });
  const holders = result.caughtUp ? undefined : await projector.holders();
  out.data(result, () =>
    result.caughtUp
      ? `Caught up: ${result.events} events.`
      : `Not caught up: another session projects or has the read tables locked${holders ? ` (${holders})` : ''}; ${result.events} events so far.`,
  );
}

async function listDeadLetters({ open, out }: Session): Promise<void> {
  const all = await (await (await open()).projector()).deadLetters({ dismissed: true });
  const letters = all.filter(({ dismissedAt }) => dismissedAt === null);
  const dismissed = all.length - letters.length;
  out.data({ deadLetters: letters, dismissed }, () =>
    [
      letters.length === 0
        ? 'No dead letters.'
        : table(
            ['projection', 'event', 'type', 'from', 'error'],
            letters.map(letter => [
              letter.projection,
              letter.eventId,
              letter.eventType,
              letter.isForeign ? 'another program' : (letter.host ?? ''),
              letter.error,
            ]),
            ['left', 'left', 'left', 'left', 'left'],
          ),
      ...(dismissed === 0 ? [] : [`${dismissed} more were dismissed.`]),
    ].join('\n'),
  );
}

async function dismiss({ open, out }: Session, letters: Letters, undo: boolean): Promise<void> {
  const changed = await (await (await open()).projector()).dismissDeadLetters(letters, { undo });
  out.data({ changed }, () => `${undo ? 'Told of again' : 'Dismissed'}: ${changed} dead letters.`);
}

async function replay({ open, out, signal }: Session): Promise<void> {
  const result = await (await (await open()).projector()).replayDeadLetters({ signal });
  out.data(result, () => `Dead letters that remain: ${result.remaining}.`);
}

/** @throws InvalidArgumentError */
function parseLetters(text: string): Letters {
  if (text === 'foreign') return text;
  if (/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(text)) return { eventId: text };
  throw new InvalidArgumentError("the id of an event, or the word 'foreign'");
}
