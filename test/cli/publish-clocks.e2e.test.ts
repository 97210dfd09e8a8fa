/** `connector-state publish-clocks`, as an operator runs it. */
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, it } from '@jest/globals';
import { decodeClock } from '../../src/edge/index.js';
import { closing, givenWorld, SIMULATOR_SCOPE } from '../support/world.js';
import { cli, json } from './support.js';

const CLOUDFLARE = {
  CLOUDFLARE_ACCOUNT_ID: 'acc',
  CLOUDFLARE_KV_NAMESPACE_ID: 'ns',
  CLOUDFLARE_API_TOKEN: 'tokenXYZ',
};

async function givenCloudflare(status: number) {
  const bodies: string[] = [];
  const server = http.createServer(async (request, response) => {
    let body = '';
    for await (const part of request) body += part;
    bodies.push(body);
    response.writeHead(status).end('{}');
  });
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  closing({ close: () => void server.close() });
  return { bodies, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
}

it('publishes the clocks once, and says which it could not', async () => {
  const world = await givenWorld({ knobs: { skewMs: 5_000 } });
  const process = await world.process({ projection: 'inline' });
  await world.connector(process, 'BYBIT').initialize();
  await process.flush();
  const env = { ...CLOUDFLARE, DATABASE_URL: world.databaseUrl };
  const cloudflare = await givenCloudflare(200);
  const publish = (url: string) => cli(['publish-clocks', '--once', '--json', '--to', url], { env });
  const good = await publish(cloudflare.url);
  expect(good).toMatchObject({ code: 0 });
  expect(json(good)).toEqual({ written: 1, unchanged: 0, failed: [] });
  const name = { exchange: 'BYBIT', environment: 'TESTNET', scope: SIMULATOR_SCOPE };
  const { clock } = decodeClock(cloudflare.bodies[0], name);
  expect(Math.abs((clock?.estimate.offsetMs ?? 0) - 5_000)).toBeLessThan(500);

  const bad = await publish((await givenCloudflare(403)).url);
  expect(bad.code).toBe(1);
  expect(bad.stdout).toContain('may edit Workers KV');
  expect(bad.stdout + bad.stderr).not.toContain('tokenXYZ');
});

it('names the setting that is missing', async () => {
  const env = { ...CLOUDFLARE, CLOUDFLARE_API_TOKEN: undefined };
  const { code, stderr } = await cli(['publish-clocks', '--once'], { env });
  expect(code).toBe(2);
  expect(stderr).toContain('CLOUDFLARE_API_TOKEN is not set');
});
