/** `connector-state serve` as a process: who may reach it, what it says, how it ends. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { runNode, type SpawnedNode, spawnNode } from '../support/run.js';
import { closing } from '../support/world.js';

const CLI = 'dist/src/cli/main.js';
let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.drop());

const env = () => ({ DATABASE_URL: database.url, LOG_LEVEL: 'warn' });
const cli = (...args: string[]) => runNode([CLI, ...args], { env: env() });

async function serve(...args: string[]): Promise<{ url: string; node: SpawnedNode }> {
  const node = spawnNode([CLI, 'serve', '--port', '0', ...args], { env: env() });
  closing({ close: () => node.process.kill('SIGKILL') });
  const line = await node.waitForLine(/listening on/);
  return { url: /https?:\/\/[^;\s]+:\d+/.exec(line)?.[0] as string, node };
}

const PATH = '/v1/connectors/BYBIT/TESTNET/alice/main/state';

describe('connector-state serve', () => {
  it('serves this machine alone while nobody is asked who he is, and no page of another site', async () => {
    const beyond = await cli('serve', '--host', '0.0.0.0', '--port', '0');
    expect({ code: beyond.code, stderr: beyond.stderr }).toEqual({
      code: 2,
      stderr: expect.stringContaining('nobody would be asked who he is'),
    });

    const { url, node } = await serve();
    expect((await fetch(`${url}${PATH}`)).status).toBe(200);
    expect((await fetch(`${url}${PATH}`, { headers: { origin: 'https://evil.example' } })).status).toBe(403);
    const rebound = await fetch(`${url}/docs/`);
    expect(rebound.headers.get('content-security-policy')).toContain("frame-ancestors 'none'");
    node.process.kill('SIGTERM');
    expect(await node.ended).toMatchObject({ code: 0 });
  });

  it('asks for a key as soon as there is one', async () => {
    const made = await cli('keys', 'create', '--name', 'e2e', '--role', 'reader', '--json');
    const { key, prefix } = JSON.parse(made.stdout);
    const { url, node } = await serve('--host', '0.0.0.0', '--no-projector');
    const local = url.replace('0.0.0.0', '127.0.0.1');
    expect((await fetch(`${local}${PATH}`)).status).toBe(401);
    expect((await fetch(`${local}${PATH}`, { headers: { authorization: `Bearer ${key}` } })).status).toBe(
      200,
    );
    const listed = await cli('keys', 'list');
    expect(listed.stdout).toContain(prefix);
    expect(listed.stdout).not.toContain(key);
    expect((await cli('keys', 'revoke', prefix)).code).toBe(0);
    expect((await cli('keys', 'revoke', prefix)).code).toBe(4);
    node.process.kill('SIGINT');
    expect(await node.ended).toMatchObject({ code: 0 });
  });
});
