/** What a program sees of the end of its connections: it comes, and after it nothing keeps the process. */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { pg } from '../../src/postgres/driver.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { projectDirectory } from '../support/run.js';
import { startTcpProxy } from '../support/tcp-proxy.js';
import { closing, eventually } from '../support/world.js';

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

it('a process whose network has forgotten its connections ends when it has closed', async () => {
  const link = closing(await startTcpProxy(database.url));
  const program = `
    const { createConnectorState } = await import(${JSON.stringify(`file://${projectDirectory}dist/src/composition/connector-state.js`)});
    const state = await createConnectorState({ databaseUrl: process.env.URL, projection: 'worker', logLevel: 'silent' });
    const followed = (await state.feed()).follow({ from: 'end' })[Symbol.asyncIterator]();
    console.log((await followed.next()).value.type);
    followed.next();
    process.stdin.once('data', async () => {
      await state.close();
      process.stdin.destroy();
    });
  `;
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
    env: { ...process.env, URL: link.url },
    stdio: ['pipe', 'pipe', 'inherit'],
    timeout: 60_000,
  });
  await once(child.stdout, 'data');
  const observer = new pg.Client({ connectionString: database.url });
  await observer.connect();
  await eventually(async () => {
    const listeners = `SELECT FROM pg_stat_activity
      WHERE datname = current_database() AND state = 'idle' AND query LIKE 'LISTEN %'`;
    expect((await observer.query(listeners)).rowCount).toBe(1);
  });
  await observer.end();

  link.forget();
  child.stdin.write('end');

  expect(await once(child, 'exit')).toEqual([0, null]);
});
