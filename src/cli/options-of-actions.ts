/** Options of a command whose first argument says what to do: one that this action would ignore is refused. */
import type { Command } from 'commander';
import { InvalidInputError } from '../base/errors.js';

/** Which options each action takes, by their long names; those that no action lists are everybody's. */
export type OptionsOfActions<A extends string> = Readonly<Record<A, readonly string[]>>;

/** @throws InvalidInputError naming the option, and the actions that take it */
export function refuseOptionsOfOthers<A extends string>(
  command: Command,
  action: A,
  taken: OptionsOfActions<A>,
): void {
  for (const option of command.options) {
    const name = option.long ?? '';
    if (command.getOptionValueSource(option.attributeName()) !== 'cli' || taken[action].includes(name))
      continue;
    const others = (Object.keys(taken) as A[]).filter(other => taken[other].includes(name));
    if (others.length === 0) continue;
    throw new InvalidInputError(
      `${command.name()} ${action} takes no ${name}: it is an option of ${others.map(other => `\`${command.name()} ${other}\``).join(' and ')}`,
    );
  }
}
