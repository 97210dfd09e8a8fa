/** Commands in a place where there is no database: they say so, and make none. */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { cli } from './support.js';

let directory: string;

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'connector-state-nowhere-'));
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

test.each([
  [['stats']],
  [['doctor']],
  [['history', 'alice', 'main']],
  [['drift']],
  [['shadow-report']],
  [['rebuild', '--check']],
  [['project', '--once']],
])('%j is exit 4, with what to do', async args => {
  const result = await cli(args, { cwd: directory });
  expect(result).toMatchObject({ code: 4, stdout: '' });
  expect(result.stderr).toMatch(/no database here: DATABASE_URL is unset.*connector-state migrate/s);
  expect(readdirSync(directory)).toEqual([]);
});

test.each([[['migrate']], [['serve']], [['project']], [['import', '-']]])(
  '%j makes none in production, where it would be a private one of a container, unless it is asked for',
  async args => {
    const env = { NODE_ENV: 'production', CONNECTOR_STATE_DATA_DIR: undefined };
    const result = await cli(args, { cwd: directory, env });
    expect(result).toMatchObject({ code: 4, stdout: '' });
    expect(result.stderr).toMatch(/DATABASE_URL is unset.*in production needs CONNECTOR_STATE_DATA_DIR/s);
    expect(readdirSync(directory)).toEqual([]);
  },
);

test('an empty name of a role, as of a variable that is not set, is no role', async () => {
  const result = await cli(['migrate', '--functions-role', ''], { cwd: directory });
  expect(result).toMatchObject({ code: 2, stdout: '' });
  expect(result.stderr).toMatch(/--functions-role.*It is empty/);
  expect(readdirSync(directory)).toEqual([]);
});

test.each([
  [['keys', 'list', '4hk2m9xqztcv'], /keys list takes no prefix of a key, got "4hk2m9xqztcv"/],
  [['keys', 'rotate', '4hk2m9xqztcv', '--role', 'operator'], /keys rotate takes no --role:.*`keys create`/],
  [['forecast', 'show', '--since', '7d'], /forecast show takes no --since:.*`forecast backtest` and/],
  [['forecast', '--seed', '7'], /--seed goes with --world/],
  [['forecast', '--world', 'periodic', '--since', '7d'], /--since.*does not go with --world/],
])('%j is refused, for what would be ignored', async (args, complaint) => {
  const result = await cli(args, { cwd: directory });
  expect(result).toMatchObject({ code: 2, stdout: '' });
  expect(result.stderr.replace(/\s+/g, ' ')).toMatch(complaint);
  expect(readdirSync(directory)).toEqual([]);
});

test('an error is JSON, with its code, where JSON was asked for', async () => {
  const nothing = await cli(['stats', '--json'], { cwd: directory });
  expect(nothing.stdout).toBe('');
  expect(JSON.parse(nothing.stderr)).toEqual({
    error: { code: 'NOT_FOUND', message: expect.stringContaining('no database here') },
  });
  const wrong = await cli(['stats', '--json'], { cwd: directory, env: { POOL_SIZE: '0' } });
  expect(JSON.parse(wrong.stderr)).toMatchObject({ error: { code: 'INVALID_SETTINGS' } });
  const misspelt = await cli(['stats', '--json', '--bogus'], { cwd: directory });
  expect(misspelt).toMatchObject({ code: 2, stdout: '' });
  expect(JSON.parse(misspelt.stderr)).toEqual({
    error: { code: 'INVALID_USAGE', message: "unknown option '--bogus'" },
  });
});

test('help is exit 0, and exit 2 on a command that there is not', async () => {
  expect(await cli(['help', 'stats'], { cwd: directory })).toMatchObject({ code: 0, stderr: '' });
  // A default is shown as it is given.
  expect((await cli(['keys', '--help'], { cwd: directory })).stdout).toMatch(/default:\s+24h/);
  const nothing = await cli(['help', 'stast'], { cwd: directory });
  expect(nothing).toMatchObject({ code: 2, stdout: '' });
  expect(nothing.stderr).toMatch(/unknown command 'stast'.*Did you mean stats\?/s);
});
