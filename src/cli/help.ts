/**
 * How help is laid out: what each command and option is for stands in a column beside it, on 80 columns too. Where fewer than
 * {@link MIN_COLUMN} are left for it, as on a narrow terminal, it stands below instead.
 */
import { Help, type HelpConfiguration } from 'commander';

const MIN_COLUMN = 24;
const INDENT = 2;
const BELOW = 6;

const standard = new Help();

export const HELP_LAYOUT: HelpConfiguration = {
  minWidthToWrap: MIN_COLUMN,
  // Every command has options; saying so of each would leave its description no room.
  subcommandTerm: command => standard.subcommandTerm(command).replace(' [options]', ''),
  formatItem(term, termWidth, description, helper) {
    const width = helper.helpWidth ?? 80;
    if (!description || width - termWidth - 2 * INDENT >= MIN_COLUMN) {
      return Help.prototype.formatItem.call(helper, term, termWidth, description, helper);
    }
    const below = helper.boxWrap(description, Math.max(width - BELOW, 1));
    return `${' '.repeat(INDENT)}${term}\n${below.replace(/^/gm, ' '.repeat(BELOW))}`;
  },
};
