/** A host that lies is taken at its word no more, and heard again, by command. */
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { silentLogger } from '../../src/base/logging.js';
import { measuredFromSample } from '../../src/cache/measurement.js';
import { createConnectorState } from '../../src/composition/connector-state.js';
import type { Environment } from '../../src/events/connector.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { cli, json } from './support.js';

let database: TestDatabase;
let env: Record<string, string>;
beforeAll(async () => {
  database = await createTestDatabase();
  env = { DATABASE_URL: database.url };
});
afterAll(() => database.drop());

async function measure(
  machineName: string,
  offsetMs: number,
  environment: Environment = 'MAINNET',
): Promise<void> {
  const state = await createConnectorState({
    databaseUrl: database.url,
    machineName,
    logger: silentLogger,
  });
  const { cache } = state;
  const ref = { userId: machineName, credentialId: 'x', exchange: 'BYBIT', environment } as const;
  const miss = await cache.get(ref);
  const now = cache.clock.now();
  const sample = { sentAtMs: now - 10, receivedAtMs: now, serverTimeMs: now + offsetMs };
  const ttl = { ttlMs: 900_000, policy: 'fixed', inputs: { ttlMs: 900_000 } };
  const link = miss.hit ? miss.state.link : miss.link;
  cache.set(ref, measuredFromSample(sample, link, cache.clock, ttl), 'absent');
  await state.flush();
  await state.close();
}

const clocks = async () =>
  (json(await cli(['stats', '--json'], { env })) as { clocks: Record<string, unknown>[] }).clocks;
const clock = async () => (await clocks())[0];

test('distrust, as doctor and stats show it, undone, and equal to a rebuild', async () => {
  expect(await cli(['distrust', '--host', 'b'], { env })).toMatchObject({ code: 4 });
  await measure('a', 140);
  await measure('b', 145);
  await measure('b', 9_000);
  expect(await clock()).toMatchObject({ contested: { rivalHost: 'postgres/host:b' }, distrusted: [] });

  const said = await cli(['distrust', '--host', 'b', '--login', 'postgres'], { env });
  expect(said).toMatchObject({ code: 0 });
  expect(said.stdout).toContain('b of login postgres is not believed any more, by 1 shared clock.');
  await measure('b', 9_000);
  expect(await clock()).toMatchObject({
    contested: null,
    isValid: true,
    epoch: 1,
    distrusted: [{ host: 'b', login: 'postgres' }],
  });
  const doctor = await cli(['doctor'], { env });
  expect(doctor.stdout.replace(/\s+/g, ' ')).toContain('not believed: b of login postgres');
  expect(await cli(['rebuild', '--check'], { env })).toMatchObject({ code: 0 });

  // A clock that nobody had measured then is told by whoever measures it first.
  await measure('c', 140, 'TESTNET');
  await measure('b', 9_000, 'TESTNET');
  expect((await clocks())[1]).toMatchObject({
    environment: 'TESTNET',
    contested: null,
    distrusted: [{ host: 'b', login: 'postgres' }],
  });
  expect(await cli(['rebuild', '--check'], { env })).toMatchObject({ code: 0 });

  await cli(['distrust', '--host', 'host:b', '--login', 'postgres', '--undo'], { env });
  expect(await clock()).toMatchObject({ distrusted: [] });
  await cli(['distrust', '--host', 'b', '--since', '1h'], { env });
  expect(await clock()).toMatchObject({ isValid: false });
  await measure('a', 140);
  expect(await clock()).toMatchObject({ isValid: true, epoch: 2 });
  expect(await cli(['rebuild', '--check'], { env })).toMatchObject({ code: 0 });
}, 120_000);

test('what names no machine is told, with what it should be', async () => {
  const slash = await cli(['distrust', '--host', 'postgres/host:b'], { env });
  expect(slash.code).toBe(2);
  expect(slash.stderr).toMatch(/host must be .* without a slash.* before a slash is the login/s);
  expect(await cli(['distrust', '--host', 'b', '--undo', '--since', '1h'], { env })).toMatchObject({
    code: 2,
  });
});
