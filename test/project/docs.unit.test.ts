/** What README and docs say that can be looked up: links, scripts, settings and error codes. */
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
const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };

describe.each(markdown)('%s', path => {
  const text = read(path);

  it('links to files that are there', () => {
    const targets = [...text.matchAll(/\]\((?!https?:|#|mailto:)([^)#\s]+)(?:#[^)]*)?\)/g)].map(
      ([, to = '']) => to,
    );
    const missing = targets.filter(to => !existsSync(join(projectDirectory, dirname(path), to)));
    expect(missing).toEqual([]);
  });

  it('names scripts that can be run', () => {
    const named = [...text.matchAll(/npm run (?:--silent )?([a-z][\w:-]*)/g)].map(([, name = '']) => name);
    // The example's are those of the app it is put into.
    const known: Record<string, string> = path.startsWith('examples/') ? { ...scripts, dev: '' } : scripts;
    expect(named.filter(name => known[name] === undefined)).toEqual([]);
  });
});

describe('what is public', () => {
  it('is in the documents: every setting in the README, every error code in docs/errors.md', () => {
    const readme = read('README.md');
    expect(SETTING_NAMES.filter(name => !readme.includes(`\`${name}\``))).toEqual([]);
    const declared = /type ErrorCode =([^;]+);/.exec(read('src/base/errors.ts'))?.[1] ?? '';
    const codes = [...declared.matchAll(/'([A-Z_]+)'/g)].map(([, code = '']) => code);
    expect(codes.length).toBeGreaterThan(10);
    const errors = read('docs/errors.md');
    expect(codes.filter(code => !errors.includes(`## ${code}\n`))).toEqual([]);
  });
});
