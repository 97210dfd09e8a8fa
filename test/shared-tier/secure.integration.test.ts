/** The shared tier over TLS, with the rights that docs/operations.md asks for and no more. */
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect } from '@jest/globals';
import { generate } from 'selfsigned';
import { itWhen } from '../support/it-when.js';
import { findRedis, freePort, NO_REDIS, startRedis } from '../support/redis.js';
import { closing, eventually, givenWorld } from '../support/world.js';

const itWithRedis = itWhen(findRedis() !== undefined, NO_REDIS);

describe('rights and TLS', () => {
  itWithRedis('the documented rights are enough, and none is too many', async () => {
    const [, rule = ''] =
      /`ACL SETUSER connector-state (on [^`]+?)`/.exec(readFileSync('docs/operations.md', 'utf8')) ?? [];
    const redis = closing(await startRedis());
    const client = await redis.client();
    const admit = (words: readonly string[]) =>
      client.sendCommand(['ACL', 'SETUSER', 'connector-state', 'reset', ...words]);
    const words = rule.replace('>password', '>s3cret').split(' ');
    await admit(words);
    const world = await givenWorld();
    const url = `redis://connector-state:s3cret@127.0.0.1:${redis.port}`;
    const options = { redisUrl: url, redisDeadlineMs: 5_000 };
    const one = await world.process(options);
    const connector = world.connector(one, 'BYBIT');
    await connector.initialize();
    await one.flush();
    const two = await world.process(options);
    await eventually(async () => (await two.cache.getStats()).redis?.isListening);
    const found = await two.cache.get(connector.ref);
    expect(found).toMatchObject({ hit: true, tier: 'redis' });
    if (found.hit) two.cache.condemn(connector.ref, found.state, 'manual', 'test');
    await two.flush();
    const denied = (await client.sendCommand(['ACL', 'LOG'])) as unknown[];
    expect(JSON.stringify(denied)).toBe('[]');
    expect(`${one.log.text()}${two.log.text()}`).not.toContain('s3cret');
    // Each command was needed: what was never called is not in the list.
    const used = await client.info('commandstats');
    for (const command of [
      'evalsha',
      'eval',
      'get',
      'mget',
      'set',
      'setrange',
      'del',
      'publish',
      'subscribe',
      'info',
      'time',
    ])
      expect(used).toContain(`cmdstat_${command}:`);
  });

  itWithRedis('over TLS, by the authority of the URL and by no other', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'connector-state-redis-tls-'));
    const made = await generate([{ name: 'commonName', value: '127.0.0.1' }], {
      extensions: [
        { name: 'basicConstraints', cA: true },
        { name: 'subjectAltName', altNames: [{ type: 7, ip: '127.0.0.1' }] },
      ],
    });
    const [certificate, key] = [join(dir, 'cert.pem'), join(dir, 'key.pem')];
    writeFileSync(certificate, made.cert);
    writeFileSync(key, made.private);
    const port = await freePort();
    closing(
      await startRedis({
        args: [
          '--tls-port',
          String(port),
          '--tls-cert-file',
          certificate,
          '--tls-key-file',
          key,
          '--tls-ca-cert-file',
          certificate,
          '--tls-auth-clients',
          'no',
        ],
      }),
    );
    const world = await givenWorld();
    const trusting = { redisUrl: `rediss://127.0.0.1:${port}?ca=${certificate}`, redisDeadlineMs: 5_000 };
    const one = await world.process(trusting);
    const connector = world.connector(one, 'BYBIT');
    await connector.initialize();
    await one.flush();
    const two = await world.process(trusting);
    expect(await two.cache.peek(connector.ref)).toMatchObject({ hit: true, tier: 'redis' });
    const wary = await world.process({ redisUrl: `rediss://127.0.0.1:${port}`, redisDeadlineMs: 5_000 });
    expect(await wary.cache.peek(connector.ref)).toMatchObject({ hit: true, tier: 'postgres' });
    await expect(
      world.process({ redisUrl: 'rediss://127.0.0.1:1?ca=/nowhere/ca.pem' }),
    ).rejects.toMatchObject({
      code: 'INVALID_SETTINGS',
    });
  });
});
