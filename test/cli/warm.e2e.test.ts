/** `connector-state warm`, as an operator runs it. */
import { expect, it } from '@jest/globals';
import { givenWorld } from '../support/world.js';
import { cli, json, spawnCli } from './support.js';

it('warms what connectors go by, and leaves alone what is warm', async () => {
  const world = await givenWorld();
  const process = await world.process({ projection: 'inline', clockPolicy: 'adaptive' });
  // Under the host's own origin, which says where it is.
  await world.connector(process, 'BYBIT', { clockScope: undefined }).initialize();
  await process.flush();
  const env = { DATABASE_URL: world.databaseUrl };
  const warm = json(await cli(['warm', '--json'], { env }));
  expect(warm).toMatchObject({ connectors: 1, clocks: [{ exchange: 'BYBIT', outcome: 'warm' }] });
  const short = await cli(['warm', '--ahead', '1d', '--json'], { env });
  expect(short.code).toBe(0);
  expect(json(short)).toMatchObject({ isStored: true });

  const running = spawnCli(['warm', '--at', '0 0 1 1 *', '--tz', 'Europe/Berlin'], { env });
  expect(await running.waitForLine(/warming at/)).toMatch(/T23:00:00/);
  running.process.kill('SIGINT');
  expect((await running.ended).code).not.toBe(1);
});

it('warms before the funding times that the exchange tells, and says which they are', async () => {
  const world = await givenWorld();
  await world.simulator.set({ fundingHours: { BTCUSDT: 1 } }, 'BYBIT');
  const process = await world.process({ projection: 'inline', clockPolicy: 'adaptive' });
  await world.connector(process, 'BYBIT', { clockScope: undefined }).initialize();
  await process.flush();
  const env = { DATABASE_URL: world.databaseUrl };
  // A lead that is longer than the time to go: it is due at once.
  const args = ['--funding', '--symbols', 'BTCUSDT', '--lead', '61m', '--ahead', '1d'];
  const running = spawnCli(['warm', ...args], { env });
  expect(await running.waitForLine(/BYBIT TESTNET: funding at/)).toMatch(/T\d\d:00:00\.000Z$/);
  expect(await running.waitForLine(/: (warm|measured)$/)).toContain('BYBIT TESTNET');
  running.process.kill('SIGINT');
  expect((await running.ended).code).not.toBe(1);
});

it('names a schedule that cannot be, and says when there is nothing', async () => {
  const world = await givenWorld();
  const env = { DATABASE_URL: world.databaseUrl };
  const told = async (...args: string[]) => cli(['warm', ...args], { env });
  expect(await told('--at', 'never')).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('is no schedule'),
  });
  expect(await told('--at', '0 0 30 2 *')).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('never fires'),
  });
  expect(await told('--at', '2020-01-01T00:00:00')).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('lies in the past: it was 2020-01-01T00:00:00.000Z'),
  });
  expect(await told('--at', '0 8 * * *', '--tz', 'Mars/Base')).toMatchObject({ code: 2 });
  expect(await told('--at', '0 8 * * *', '--funding')).toMatchObject({ code: 2 });
  expect(await told('--funding', '--lead', '2h')).toMatchObject({ code: 2 });
  expect(await told('--symbols', 'BTCUSDT')).toMatchObject({ code: 2 });
  expect(await told('--share', '0.9')).toMatchObject({ code: 2 });
  expect(await told('--ahead', '2026-01-01')).toMatchObject({ code: 2 });
  await world.process();
  expect(await told()).toMatchObject({ code: 4, stderr: expect.stringContaining('no connector is known') });
});
