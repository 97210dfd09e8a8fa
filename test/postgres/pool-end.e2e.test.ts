/** What a program sees of a pool's end: it comes, also when nothing else keeps the process. */
import { spawnSync } from 'node:child_process';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { projectDirectory } from '../support/run.js';

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.drop());

it('a process that waits for the end of its pool goes on after it', () => {
  const program = `
    const { createPool } = await import(${JSON.stringify(`file://${projectDirectory}dist/src/postgres/pool.js`)});
    const log = { debug() {}, info() {}, warn() {}, error() {} };
    const pool = createPool({ connectionString: process.env.URL, max: 2, log });
    await Promise.all([pool.query('SELECT 1'), pool.query('SELECT 2')]);
    await pool.end();
    console.log('ended');
  `;
  const { status, stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', program], {
    env: { ...process.env, URL: database.url },
    encoding: 'utf8',
  });
  expect({ status, stdout, stderr }).toEqual({ status: 0, stdout: 'ended\n', stderr: '' });
});
