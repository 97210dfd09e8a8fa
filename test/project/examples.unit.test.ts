/** Everything callable that the package hands out shows in its documentation how it is called. */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { projectDirectory } from '../support/run.js';

const { exports } = JSON.parse(readFileSync(join(projectDirectory, 'package.json'), 'utf8')) as {
  exports: Record<string, { import?: { types: string } }>;
};

/** Rows of tables, described by columns; the entry's own comment shows how they are used. */
const WITHOUT = './typeorm';

const entries = Object.entries(exports).flatMap(([name, to]) =>
  to.import && name !== WITHOUT
    ? [[name, to.import.types.replace(/^\.\/dist\//, '').replace(/\.d\.ts$/, '.ts')] as const]
    : [],
);

const read = (path: string) => readFileSync(join(projectDirectory, path), 'utf8');

/** A comment, and what it is about. */
const DECLARATION =
  /(?:\/\*\*((?:(?!\*\/)[\s\S])*)\*\/\s*)?^export (?:default )?(?:async )?(?:abstract )?(function|class|const)\*? (\w+)([^\n]*)/gm;

/** A constant that is called: it has parameters, or the type of a function. */
const isCalled = (kind: string, rest: string) =>
  kind !== 'const' || /=>|=\s*(async )?\(|: \w*(Callback|Function)/.test(rest);

/** @returns what can be called and has no example, as `path: name` */
function withoutExample(path: string, wanted?: ReadonlySet<string>): string[] {
  const text = read(path);
  const own = [...text.matchAll(DECLARATION)].flatMap(([, comment = '', kind = '', name = '', rest = '']) =>
    (!wanted || wanted.has(name)) && isCalled(kind, rest) && !comment.includes('@example')
      ? [`${path}: ${name}`]
      : [],
  );
  const passedOn = [...text.matchAll(/^export (type )?(?:\{([^}]*)\}|\*) from '(\.[^']+)\.js';/gm)].flatMap(
    ([, isType, names, from = '']) => {
      if (isType) return [];
      const file = `${join(dirname(path), from)}.ts`;
      if (!existsSync(join(projectDirectory, file)))
        throw new Error(`${path} passes on ${file}, which is not there`);
      const values = names
        ?.split(',')
        .map(name => name.trim())
        .filter(name => name !== '' && !name.startsWith('type '));
      const picked = values?.filter(name => !wanted || wanted.has(name));
      return withoutExample(file, picked ? new Set(picked) : wanted);
    },
  );
  return [...new Set([...own, ...passedOn])];
}

describe('what can be called has an example', () => {
  it('there are entries', () => expect(entries.length).toBeGreaterThan(9));

  it.each(entries)('%s', (_, path) => {
    expect(withoutExample(path)).toEqual([]);
  });
});
