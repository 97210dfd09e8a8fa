/** Connections that nobody answers any more, while their systems say nothing of it: they are given up, and others made. */
import { createHash } from 'node:crypto';
import { expect } from '@jest/globals';
import { silentLogger } from '../../src/base/logging.js';
import { createConnections, type RedisConnections } from '../../src/shared-tier/connections.js';
import { parseRedisUrl } from '../../src/shared-tier/redis-url.js';
import { itWhen } from '../support/it-when.js';
import { findRedis, freePort, NO_REDIS, startRedis, startRedisCluster } from '../support/redis.js';
import { startTcpProxy } from '../support/tcp-proxy.js';
import { closing, eventually } from '../support/world.js';

const itWithRedis = itWhen(findRedis() !== undefined, NO_REDIS);

/** Time passes when the test says so. */
let nowMs = 0;

async function connectionsTo(url: string): Promise<RedisConnections> {
  const parsed = parseRedisUrl(url);
  if (!('place' in parsed)) throw new Error(parsed.problem);
  return closing(await createConnections(parsed.place, silentLogger, () => nowMs));
}

const WHERE_TEXT = "return string.match(redis.call('INFO', 'server'), 'tcp_port:(%d+)')";
const WHERE = { text: WHERE_TEXT, sha: createHash('sha1').update(WHERE_TEXT).digest('hex') };

/** As lookups do: nobody waits for long, and the next one is asked all the same. */
function asking(connections: RedisConnections, key: string): () => string | undefined {
  let served: string | undefined;
  return () => {
    nowMs += 1_000;
    connections.run(WHERE, [key], []).then(
      port => {
        served = String(port);
      },
      () => undefined,
    );
    return served;
  };
}

itWithRedis(
  'a connection that the network has forgotten is left while commands go on being sent',
  async () => {
    const redis = closing(await startRedis());
    const proxy = closing(await startTcpProxy(redis.url));
    const connections = await connectionsTo(`redis://127.0.0.1:${new URL(proxy.url).port}`);
    await connections.open();
    const subscriber = connections.subscriber();
    await subscriber.connect();
    await eventually(async () => String(await connections.run(WHERE, ['k'], [])) === String(redis.port));
    proxy.forget();
    const ask = asking(connections, 'k');
    await eventually(() => expect(ask()).toBe(String(redis.port)));
    // It went the same way, and would hear of nothing.
    expect(subscriber.isOpen).toBe(false);
  },
);

itWithRedis('a node of a cluster that stands still is left for the one that has its slots', async () => {
  const cluster = closing(await startRedisCluster());
  const connections = await connectionsTo(cluster.url);
  await connections.open();
  const [victim] = cluster.nodes as [(typeof cluster.nodes)[0]];
  let n = 0;
  // Some of them say at first that the cluster is down.
  await eventually(async () => String(await connections.run(WHERE, [`k${++n}`], [])) === String(victim.port));
  const key = `k${n}`;
  victim.freeze();
  const ask = asking(connections, key);
  await eventually(() => {
    const served = ask();
    expect(served).toBeDefined();
    return served !== String(victim.port);
  }, 60_000);
  victim.goOn();
});

itWithRedis('a cluster is found though nodes of its URL are gone', async () => {
  const cluster = closing(await startRedisCluster());
  const [there] = cluster.nodes as [(typeof cluster.nodes)[0]];
  // The client begins with any of them.
  const gone = [await freePort(), await freePort(), await freePort()];
  const url = `redis://${[...gone, there.port].map(port => `127.0.0.1:${port}`).join(',')}`;
  const connections = await connectionsTo(url);
  await connections.open();
  await eventually(async () => /^\d+$/.test(String(await connections.run(WHERE, ['k'], []))));
});
