/** A database that stands still in the middle of everything: closing does not wait for it, and leaves nothing there. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from '@jest/globals';
import { createConnectorState } from '../../src/composition/connector-state.js';
import { BybitConnectorWithCache } from '../../src/connectors/bybit-with-cache.connector.js';
import { pg } from '../../src/postgres/driver.js';
import { keptLog } from '../support/log.js';
import { ACCOUNT, closing, eventually, givenSimulator } from '../support/world.js';
import { makePlace } from './embedded-place.js';

const CONNECTOR = { userId: 'a', credentialId: 'c', exchange: 'BYBIT', environment: 'MAINNET' } as const;

/** The server's first process and all its children. */
function signalAll(postmaster: number, signal: 'STOP' | 'CONT'): void {
  const children = spawnSync('ps', ['-o', 'pid=', '--ppid', String(postmaster)], { encoding: 'utf8' });
  for (const pid of [postmaster, ...children.stdout.split('\n').filter(Boolean).map(Number)]) {
    process.kill(pid, `SIG${signal}`);
  }
}

it('closing with facts pending and lookups under way ends while the server stands still', async () => {
  const place = makePlace();
  const server = await place.start();
  let isStopped = false;
  const postmaster = Number(readFileSync(join(place.dataDir, 'postmaster.pid'), 'utf8').split('\n')[0]);
  closing({
    close: async () => {
      if (isStopped) signalAll(postmaster, 'CONT');
      await server.stop();
      await place.clear();
    },
  });
  const log = keptLog();
  const simulator = await givenSimulator();
  const state = await createConnectorState({
    databaseUrl: server.url,
    logger: log,
    poolSize: 2,
    memoryEntries: 0,
    flushIntervalMs: 600_000,
  });
  await state.flush();
  signalAll(postmaster, 'STOP');
  isStopped = true;

  for (let n = 0; n < 3; n++) expect(await state.cache.get(CONNECTOR)).toMatchObject({ hit: false });
  const connector = new BybitConnectorWithCache({
    userId: 'a',
    credentialId: 'c',
    environment: 'TESTNET',
    cache: state.cache,
    credentials: ACCOUNT,
    baseUrl: simulator.bybitUrl,
  });
  await connector.initialize();
  await connector.close();
  await state.close();
  expect(log.messages('error')).toEqual([expect.stringMatching(/closing with \d+ facts/)]);

  // It is still standing: nobody waited for it.
  expect(log.messages('warn')).toContain('closing without waiting for a database that does not answer');
  signalAll(postmaster, 'CONT');
  isStopped = false;
  const observer = new pg.Client({ connectionString: server.url });
  await observer.connect();
  await eventually(async () => {
    const { rows } = await observer.query(
      `SELECT pid FROM pg_stat_activity WHERE application_name = 'connector-state'`,
    );
    expect(rows).toEqual([]);
  });
  await observer.end();
});
