/** `connector-state serve` as a process: who may reach it, what it says, how it ends. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { get } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TLSSocket } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { generate } from 'selfsigned';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { runNode, type SpawnedNode, spawnNode } from '../support/run.js';
import { closing } from '../support/world.js';

const CLI = 'dist/lib/connector-state.js';
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
    expect(rebound.headers.get('x-frame-options')).toBe('DENY');
    node.process.kill('SIGTERM');
    expect(await node.ended).toMatchObject({ code: 0 });
  });

  it('takes an empty variable for none, and says with --json where it listens', async () => {
    const unset = { HOST: '', PORT: ' ', RATE_LIMIT: '', AUTH_JWKS: '', AUTH_ISSUER: '', AUTH_AUDIENCE: ' ' };
    const hints = { CONNECTOR_STATE_POOL_SIZE: '3' };
    const node = spawnNode([CLI, 'serve', '--port', '0', '--json'], {
      env: { ...env(), ...unset, ...hints },
    });
    closing({ close: () => node.process.kill('SIGKILL') });
    await node.waitForLine(/listening on/);
    node.process.kill('SIGTERM');
    const { code, stdout, stderr } = await node.ended;
    expect([code, JSON.parse(stdout)]).toEqual([
      0,
      { url: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+$/), authenticates: false },
    ]);
    expect(stderr).toContain('CONNECTOR_STATE_POOL_SIZE is set, and is no setting: did you mean POOL_SIZE?');
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

  it('serves HTTPS of its own with --tls-cert and --tls-key, and nothing else there', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'serve-tls-'));
    closing({ close: () => rm(directory, { recursive: true, force: true }) });
    const [made, other] = await Promise.all([selfSigned(), selfSigned()]);
    const [cert, key, wrong] = ['cert.pem', 'key.pem', 'other.pem'].map(name => join(directory, name));
    await writeFile(cert as string, made.cert);
    await writeFile(key as string, made.private, { mode: 0o600 });
    await writeFile(wrong as string, other.private, { mode: 0o600 });
    const withTls = (certFile = '', keyFile = '') =>
      cli('serve', '--port', '0', '--tls-cert', certFile, '--tls-key', keyFile);

    const { url, node } = await serve('--tls-cert', cert as string, '--tls-key', key as string);
    expect(url).toMatch(/^https:/);
    const { status, protocol } = await getOverTls(`${url}/health/live`, made.cert);
    expect([status, protocol]).toEqual([200, expect.stringMatching(/^TLSv1\.[23]$/)]);
    await expect(getOverTls(`${url}/health/live`, other.cert)).rejects.toThrow(/self.signed/);
    await expect(fetch(url.replace('https:', 'http:'))).rejects.toThrow();
    node.process.kill('SIGTERM');
    expect(await node.ended).toMatchObject({ code: 0 });

    expect(await cli('serve', '--port', '0', '--tls-cert', cert as string)).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('belong together'),
    });
    expect(await withTls(cert, join(directory, 'missing.pem'))).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('--tls-key cannot be read'),
    });
    expect(await withTls(cert, wrong)).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/no PEM certificate and the key it was made for.*mismatch/s),
    });
  });
});

const selfSigned = () =>
  generate([{ name: 'commonName', value: 'localhost' }], {
    keyType: 'ec',
    curve: 'P-256',
    algorithm: 'sha256',
    extensions: [{ name: 'subjectAltName', altNames: [{ type: 7, ip: '127.0.0.1' }] }],
  });

function getOverTls(url: string, ca: string): Promise<{ status?: number; protocol: string | null }> {
  return new Promise((resolve, reject) => {
    const request = get(url, { ca, agent: false }, response => {
      response.resume();
      resolve({
        status: response.statusCode as number,
        protocol: (response.socket as TLSSocket).getProtocol(),
      });
    });
    request.on('error', reject);
  });
}
