/** Of a cluster one node may be away: what the others have is found. */
import { expect } from '@jest/globals';
import { silentLogger } from '../../src/base/logging.js';
import { createConnections } from '../../src/shared-tier/connections.js';
import { createKeys } from '../../src/shared-tier/keys.js';
import { find, type SharedKey } from '../../src/shared-tier/reader.js';
import { parseRedisUrl } from '../../src/shared-tier/redis-url.js';
import { itWhen } from '../support/it-when.js';
import { findRedis, NO_REDIS, startRedis } from '../support/redis.js';
import { closing } from '../support/world.js';

const itWithRedis = itWhen(findRedis() !== undefined, NO_REDIS);

itWithRedis('one node that cannot be asked takes nothing along but what it has', async () => {
  const redis = closing(await startRedis());
  const parsed = parseRedisUrl(redis.url);
  if (!('place' in parsed)) throw new Error(parsed.problem);
  const connections = closing(await createConnections(parsed.place, silentLogger));
  await connections.open();
  const keys = createKeys('cs', true);
  const asked = Array.from({ length: 20 }, (_, n): SharedKey => {
    const [userId, credentialId] = [`u${n}`, 'c'];
    const clock = { exchange: 'BYBIT', environment: 'MAINNET', scope: 'default' } as const;
    return { cacheKey: `${userId}_${credentialId}`, userId, credentialId, ...clock };
  });
  const cells = asked.map(({ cacheKey }) => keys.cellOfState(cacheKey));
  const [first] = asked as [SharedKey];
  const clockCell = keys.cellOfClock(first);
  const away = new Set(cells.filter(cell => cell !== clockCell).slice(0, 2));
  const offline = new Error('The client is offline');
  const parts = {
    keys,
    connections: {
      run: (...given: Parameters<typeof connections.run>) =>
        [...away].some(cell => keys.link(cell) === given[1][0])
          ? Promise.reject(offline)
          : connections.run(...given),
    },
    now: () => performance.timeOrigin + performance.now(),
    wall: () => performance.timeOrigin + performance.now(),
    known: () => undefined,
    ticketLifeMs: 1_000,
  };
  const found = await find(parts, asked);
  for (const [n, each] of found.entries()) {
    if (away.has(cells[n] as string)) expect(each.failure).toBe(offline);
    else expect(each).toMatchObject({ reason: 'no-link' });
  }
  // The clock that all of them share lies there: nobody has an answer.
  away.clear();
  away.add(clockCell);
  for (const { failure } of await find(parts, asked)) expect(failure).toBe(offline);
  for (const cell of cells) away.add(cell);
  await expect(find(parts, asked)).rejects.toBe(offline);
});
