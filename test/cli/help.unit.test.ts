/** Help on a terminal of the usual width, and on a narrow one. */
import { expect, it } from '@jest/globals';
import { Command } from 'commander';
import { HELP_LAYOUT } from '../../src/cli/help.js';
import { cli } from './support.js';

it('has what each command is for in one column beside it, 80 columns wide', async () => {
  const { stdout } = await cli(['--help']);

  const [, commands = ''] = /^Commands:\n(.*?)\n\n/ms.exec(stdout) ?? [];
  const lines = commands.split('\n');
  const column = /^ {2}\S.*? {2,}/.exec(lines[0] ?? '')?.[0].length ?? 0;
  expect(lines.length).toBeGreaterThan(30);
  for (const line of lines) {
    expect(line).toMatch(new RegExp(`^(?: {2}\\S.* {2}| {${column}})(?<=^.{${column}})\\S`));
  }
  for (const line of stdout.split('\n')) expect(line.length).toBeLessThanOrEqual(80);
});

it('has it below where there is no room for a column', () => {
  const command = new Command('one').configureHelp({ ...HELP_LAYOUT, helpWidth: 44 });
  command.option('--a-rather-long-option <name>', 'what this is for in more words than fit into a line');

  expect(command.helpInformation()).toContain(`
  --a-rather-long-option <name>
      what this is for in more words than
      fit into a line
`);
});
