/** API keys: shown once, kept as a hash, good until they end, are rotated or revoked. */
import { beforeAll, describe, expect, it } from '@jest/globals';
import { silentLogger } from '../../src/base/logging.js';
import { formatApiKey, hashOf, isSecretOf, newApiKey, parseApiKey } from '../../src/http/access/api-key.js';
import { bearerAuthenticator } from '../../src/http/access/authentication.js';
import { KeyAuthenticator } from '../../src/http/access/key-authenticator.js';
import { createKey, listKeys, revokeKey, rotateKey } from '../../src/http/access/key-table.js';
import { createPool } from '../../src/postgres/pool.js';
import { closing, eventually, givenWorld, keepForFile, type World } from '../support/world.js';
import { givenServer, type TestServer } from './support.js';

let world: World;
let pool: ReturnType<typeof createPool>;
let server: TestServer;
let keys: KeyAuthenticator;
/** Both clocks of the authenticator. */
let nowMs = 0;
let wallMs = Date.now();

beforeAll(async () => {
  world = await givenWorld();
  pool = createPool({ connectionString: world.databaseUrl, max: 2, log: silentLogger });
  closing({ close: () => pool.end() });
  keys = new KeyAuthenticator({ pool, nowMs: () => nowMs, wallMs: () => wallMs });
  closing({ close: () => keys.close() });
  server = await givenServer({ world, keep: true, authenticator: bearerAuthenticator([keys]) });
  keepForFile();
});

const STATE = '/v1/connectors/BYBIT/TESTNET/alice/main/state';
const ask = async (key: string) => (await server.ask(STATE, key)).status;
const LATER_MS = 6_000;

describe('a key', () => {
  it('says what it may, and nothing that is stored opens anything', async () => {
    const { key, record } = await createKey(pool, { name: 'functions', roles: ['reader'] });
    expect(await ask(key)).toBe(200);
    expect((await server.ask({ method: 'POST', url: '/v1/events', payload: {} }, key)).status).toBe(403);

    // It may hold underscores of its own.
    const secret = key.slice(`cs_${record.prefix}_`.length);
    const dump = JSON.stringify(await world.sql("SELECT *, encode(hash, 'escape') FROM connector_api_key"));
    expect(dump).toContain(record.prefix);
    expect(dump).not.toContain(secret);
    expect(await ask(`cs_${record.prefix}_${hashOf(secret).toString('base64url')}`)).toBe(401);
    expect(await ask(`${key.slice(0, -1)}${key.endsWith('A') ? 'B' : 'A'}`)).toBe(401);
  });

  it('may be bound to one user, who is all that exists for it', async () => {
    const alice = await createKey(pool, { name: 'alice', roles: ['reader'], userId: 'alice' });
    const bob = await createKey(pool, { name: 'bob', roles: ['reader'], userId: 'bob' });
    expect([await ask(alice.key), await ask(bob.key)]).toEqual([200, 404]);
  });

  it('that is revoked is good for 5 s more at most', async () => {
    const { key, record } = await createKey(pool, { name: 'gone', roles: ['reader'] });
    expect(await ask(key)).toBe(200);
    expect(await revokeKey(pool, record.prefix)).toBe(true);
    expect(await revokeKey(pool, record.prefix)).toBe(false);
    nowMs += LATER_MS;
    expect(await ask(key)).toBe(401);
  });

  it('ends when it was said to, by the second', async () => {
    const { key } = await createKey(pool, { name: 'short', roles: ['reader'], expiresInMs: 3_600_000 });
    expect(await ask(key)).toBe(200);
    const before = wallMs;
    wallMs += 3_700_000;
    expect(await ask(key)).toBe(401);
    wallMs = before;
  });

  it('and the one it was rotated for are both good for a while', async () => {
    const old = await createKey(pool, { name: 'r', roles: ['reader'], userId: 'alice' });
    const made = await rotateKey(pool, old.record.prefix, 3_600_000);
    expect(made?.record).toMatchObject({
      name: 'r',
      roles: ['reader'],
      userId: 'alice',
      replaces: old.record.prefix,
    });
    expect([await ask(old.key), await ask(made?.key as string)]).toEqual([200, 200]);
    const before = wallMs;
    wallMs += 3_700_000;
    expect([await ask(old.key), await ask(made?.key as string)]).toEqual([401, 200]);
    wallMs = before;
    expect(await rotateKey(pool, 'nosuchprefix', 1)).toBeUndefined();
  });

  it('that nobody may have is refused before it is made', async () => {
    const make = (more: object) => createKey(pool, { name: 'n', roles: ['reader'], ...more });
    await expect(make({ roles: ['root'] })).rejects.toThrow(
      'of reader, writer, analyst, operator; got "root"',
    );
    await expect(make({ roles: [] })).rejects.toThrow('got none');
    await expect(make({ name: '' })).rejects.toThrow('1 to 100 characters');
    await expect(make({ userId: '\n' })).rejects.toThrow('control characters');
    await expect(make({ expiresInMs: -1 })).rejects.toThrow('must not have expired');
  });

  it('is noted when it was used, by nobody’s request', async () => {
    const { key, record } = await createKey(pool, { name: 'used', roles: ['reader'] });
    await ask(key);
    const other = new KeyAuthenticator({ pool, nowMs: () => 0, wallMs: () => wallMs });
    await other.authenticate(key);
    await other.close();
    const [found] = (await listKeys(pool)).filter(({ prefix }) => prefix === record.prefix);
    expect(found?.lastUsedAtMs).not.toBeNull();
  });

  it('goes on being known while the database is away, and nobody new is', async () => {
    const { key } = await createKey(pool, { name: 'outage', roles: ['reader'] });
    const proxy = await world.proxy();
    const away = createPool({ connectionString: proxy.url, max: 1, log: silentLogger });
    closing({ close: () => away.end() });
    const over = new KeyAuthenticator({ pool: away, nowMs: () => nowMs, wallMs: () => wallMs });
    closing({ close: () => over.close() });
    expect(await over.authenticate(key)).toBeDefined();
    await proxy.close();
    nowMs += LATER_MS;
    expect(await over.authenticate(key)).toBeDefined();
    await expect(over.authenticate(formatApiKey(newApiKey()))).rejects.toMatchObject({
      code: 'DATABASE_UNAVAILABLE',
    });
    nowMs += 600_000;
    await expect(over.authenticate(key)).rejects.toMatchObject({ code: 'DATABASE_UNAVAILABLE' });
    await eventually(() => true);
  });
});

describe('the text of a key', () => {
  it('is read back, and compared as a whole', () => {
    const made = newApiKey();
    expect(parseApiKey(formatApiKey(made))).toEqual(made);
    expect(isSecretOf(made.secret, hashOf(made.secret))).toBe(true);
    expect(isSecretOf(made.secret, hashOf(newApiKey().secret))).toBe(false);
    for (const odd of [
      '',
      'cs__',
      `cs_${made.prefix}_short`,
      `${formatApiKey(made)}x`,
      `xcs_${made.prefix}_${made.secret}`,
    ]) {
      expect(parseApiKey(odd)).toBeUndefined();
    }
  });
});
