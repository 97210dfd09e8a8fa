/** Completion, in the shells themselves where they are installed. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { cli } from './support.js';

const isThere = (shell: string) => spawnSync(shell, ['--version']).status === 0;
const inShell = (shell: string) => (isThere(shell) ? it : it.skip);
const suffix = (shell: string) => (isThere(shell) ? '' : ` (skipped: ${shell} is not installed)`);

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'connector-state-completion-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function scriptFor(shell: string): Promise<string> {
  const { stdout, code } = await cli(['completion', shell]);
  expect(code).toBe(0);
  const file = join(folder, shell);
  writeFileSync(file, stdout);
  return file;
}

describe('completion', () => {
  it('knows every command in each of the shells', async () => {
    const { stdout } = await cli(['--help']);
    const commands = [...stdout.replace(/Examples:.*/s, '').matchAll(/^ {2}([a-z-]+)\b/gm)].map(
      ([, name]) => name,
    );
    expect(commands.length).toBeGreaterThan(15);
    for (const shell of ['bash', 'zsh', 'fish']) {
      const script = (await cli(['completion', shell])).stdout;
      for (const command of commands) expect(script).toContain(command);
      expect(script).toContain('dead-letters');
    }
    expect((await cli(['completion', 'tcsh'])).code).toBe(2);
  });

  inShell('bash')(`completes commands and options in bash${suffix('bash')}`, async () => {
    const file = await scriptFor('bash');
    const complete = (words: string[]) =>
      execFileSync(
        'bash',
        [
          '-c',
          `source ${file}; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _connector_state; printf '%s\\n' "\${COMPREPLY[@]}"`,
          'bash',
          ...words,
        ],
        { encoding: 'utf8' },
      )
        .trim()
        .split('\n');
    expect(complete(['connector-state', 'reb'])).toEqual(['rebuild']);
    expect(complete(['connector-state', 'tail', '--ty'])).toEqual(['--type']);
    expect(complete(['connector-state', 'project', '--'])).toContain('--once');
  });

  inShell('zsh')(`is loaded by zsh without a complaint${suffix('zsh')}`, async () => {
    const file = await scriptFor('zsh');
    expect(
      execFileSync('zsh', ['-fc', `autoload -U compinit; compinit -D; source ${file}`], { encoding: 'utf8' }),
    ).toBe('');
  });

  inShell('fish')(`completes in fish${suffix('fish')}`, async () => {
    const file = await scriptFor('fish');
    const completed = execFileSync('fish', ['-c', `source ${file}; complete -C 'connector-state reb'`], {
      encoding: 'utf8',
    });
    expect(completed).toMatch(/^rebuild\t/);
  });
});
