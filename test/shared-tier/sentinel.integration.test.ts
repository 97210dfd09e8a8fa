/** Redis under a real Sentinel: the master is found through it, and the next one when that dies. */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from '@jest/globals';
import { createClient } from 'redis';
import { silentLogger } from '../../src/base/logging.js';
import { itWhen } from '../support/it-when.js';
import { findRedis, freePort, NO_REDIS, type RedisServer, startRedis } from '../support/redis.js';
import { closing, eventually, givenWorld } from '../support/world.js';

const itWithRedis = itWhen(findRedis() !== undefined, NO_REDIS);

/** One is enough to agree with itself. @returns its port */
async function startSentinel(masterPort: number): Promise<number> {
  const port = await freePort();
  const directory = mkdtempSync(join(tmpdir(), 'connector-state-sentinel-'));
  const file = join(directory, 'sentinel.conf');
  const settings = [
    `port ${port}`,
    'bind 127.0.0.1',
    `dir ${directory}`,
    `sentinel monitor mymaster 127.0.0.1 ${masterPort} 1`,
    'sentinel down-after-milliseconds mymaster 1000',
    'sentinel failover-timeout mymaster 5000',
  ];
  writeFileSync(file, `${settings.join('\n')}\n`);
  const child = spawn(findRedis() as string, [file, '--sentinel'], { stdio: 'ignore' });
  closing({
    close: async () => {
      const ended = new Promise(resolve => child.once('exit', resolve));
      child.kill('SIGKILL');
      await ended;
      rmSync(directory, { recursive: true, force: true });
    },
  });
  const client = createClient({ socket: { host: '127.0.0.1', port, reconnectStrategy: () => 50 } });
  client.on('error', () => undefined);
  await client.connect();
  await eventually(async () => {
    const replicas = (await client.sendCommand(['SENTINEL', 'REPLICAS', 'mymaster'])) as unknown as unknown[];
    expect(replicas).toHaveLength(1);
  }, 60_000);
  client.destroy();
  return port;
}

/** Else Sentinel looks for it again after ten seconds. */
const attached = (replica: RedisServer) =>
  eventually(async () => {
    const told = await (await replica.client()).info('replication');
    return told.includes('master_link_status:up');
  }, 60_000);

itWithRedis('a master that Sentinel names serves, and when it dies the next one does', async () => {
  const master = closing(await startRedis());
  const replica = closing(await startRedis({ args: ['--replicaof', '127.0.0.1', String(master.port)] }));
  await attached(replica);
  const sentinelPort = await startSentinel(master.port);
  const world = await givenWorld();
  const over = {
    redisUrl: `redis+sentinel://127.0.0.1:${sentinelPort}/mymaster`,
    redisDeadlineMs: 5_000,
    memoryEntries: 0,
    breakerResetMs: 100,
  };
  const one = await world.process(over);
  const connector = world.connector(one, 'BYBIT');
  await connector.initialize();
  expect(await one.flush()).toMatchObject({ ok: true });
  const two = await world.process(over);
  await eventually(
    async () => expect(await two.cache.get(connector.ref)).toMatchObject({ tier: 'redis' }),
    60_000,
  );

  await master.kill();
  const asked = new Set<string>();
  await eventually(async () => {
    const found = await two.cache.get(connector.ref);
    // Throughout: PostgreSQL answers where Redis does not.
    if (!found.hit) throw new Error(`a miss: ${found.reason}`);
    asked.add(found.tier);
    const role = await (await replica.client()).sendCommand(['ROLE']);
    return (role as unknown as unknown[])[0] === 'master' && found.tier === 'redis';
  }, 120_000);
  expect(asked).toContain('postgres');
});

itWithRedis('a master that is replaced while it still answers is left', async () => {
  const master = closing(await startRedis());
  const replica = closing(await startRedis({ args: ['--replicaof', '127.0.0.1', String(master.port)] }));
  await attached(replica);
  const sentinelPort = await startSentinel(master.port);
  const { createConnections } = await import('../../src/shared-tier/connections.js');
  const connections = closing(
    await createConnections(
      {
        mode: 'sentinel',
        // The first is nobody: the next is asked.
        nodes: [
          { host: '127.0.0.1', port: await freePort() },
          { host: '127.0.0.1', port: sentinelPort },
        ],
        masterName: 'mymaster',
        database: 0,
        tls: false,
      },
      silentLogger,
    ),
  );
  await connections.open();
  const isMaster = async (server: RedisServer) =>
    ((await (await server.client()).sendCommand(['ROLE'])) as unknown as unknown[])[0] === 'master';
  const served = async () => String(await connections.run(WHERE, ['k'], []));
  expect(await served()).toBe(String(master.port));
  const subscriber = connections.subscriber();
  await subscriber.connect();
  const sentinel = createClient({ socket: { host: '127.0.0.1', port: sentinelPort } });
  await sentinel.connect();
  await eventually(async () => {
    await sentinel.sendCommand(['SENTINEL', 'FAILOVER', 'mymaster']);
    return true;
  }, 60_000);
  sentinel.destroy();
  await eventually(() => isMaster(replica), 60_000);
  await eventually(async () => expect(await served()).toBe(String(replica.port)), 60_000);
  // Of a master that is cut off from the others nothing would be heard.
  expect(subscriber.isOpen).toBe(false);
});

const WHERE_TEXT = "return string.match(redis.call('INFO', 'server'), 'tcp_port:(%d+)')";
const WHERE = { text: WHERE_TEXT, sha: createHash('sha1').update(WHERE_TEXT).digest('hex') };
