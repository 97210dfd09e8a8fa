/** Of a cluster's nodes one may be away, and none has another's clock: what is found, and how it is placed. */
import { randomUUID } from 'node:crypto';
import { expect } from '@jest/globals';
import { silentLogger } from '../../src/base/logging.js';
import type { RawClock, RawState } from '../../src/read-model/lookup.js';
import { createConnections, type RedisConnections } from '../../src/shared-tier/connections.js';
import { createKeys, type SharedKey } from '../../src/shared-tier/keys.js';
import { find } from '../../src/shared-tier/reader.js';
import { parseRedisUrl } from '../../src/shared-tier/redis-url.js';
import { READ, WRITE } from '../../src/shared-tier/scripts.js';
import { type DatabaseAnswer, publish } from '../../src/shared-tier/writer.js';
import { itWhen } from '../support/it-when.js';
import { findRedis, NO_REDIS, startRedis } from '../support/redis.js';
import { closing } from '../support/world.js';

const itWithRedis = itWhen(findRedis() !== undefined, NO_REDIS);

const KEYS = createKeys('cs', true);
const now = () => performance.timeOrigin + performance.now();
const PARTS = { keys: KEYS, now, wall: now, known: () => undefined, ticketLifeMs: 1_000 };
const ASKED = Array.from({ length: 20 }, (_, n): SharedKey => {
  const [userId, credentialId] = [`u${n}`, 'c'];
  const clock = { exchange: 'BYBIT', environment: 'MAINNET', scope: 'default' } as const;
  return { cacheKey: `${userId}_${credentialId}`, userId, credentialId, ...clock };
});

async function connectedTo(url: string): Promise<RedisConnections> {
  const parsed = parseRedisUrl(url);
  if (!('place' in parsed)) throw new Error(parsed.problem);
  const connections = closing(await createConnections(parsed.place, silentLogger));
  await connections.open();
  return connections;
}

itWithRedis('one node that cannot be asked takes nothing along but what it has', async () => {
  const connections = await connectedTo(closing(await startRedis()).url);
  const [keys, asked] = [KEYS, ASKED];
  const cells = asked.map(({ cacheKey }) => keys.cellOfState(cacheKey));
  const [first] = asked as [SharedKey];
  const clockCell = keys.cellOfClock(first);
  const away = new Set(cells.filter(cell => cell !== clockCell).slice(0, 2));
  const offline = new Error('The client is offline');
  const parts = {
    ...PARTS,
    connections: {
      run: (...given: Parameters<typeof connections.run>) =>
        [...away].some(cell => keys.link(cell) === given[1][0])
          ? Promise.reject(offline)
          : connections.run(...given),
    },
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

const LIFE_MS = 10 * 3_600_000;

/** A state of the connector, measured now by a database whose clock is this process's. */
function answerOf(key: SharedKey, nowMs: number): DatabaseAnswer {
  const clockId = 'pg:7300000000000000001:1';
  const syncId = randomUUID();
  const measured = { offsetMs: 145.25, uncertaintyMs: 3, syncId, measuredAtMs: nowMs, isValid: true };
  const rates = { expiresAtMs: nowMs + LIFE_MS, ratePpm: 0, rateBoundPpm: 50 };
  const rival = { contestedSinceMs: null, rivalHost: null, rivalSyncId: null, rivalOffsetMs: null };
  return {
    state: { ...key, ...measured, ...rates, referenceClock: clockId, basis: 'measured' } as RawState,
    clock: { ...measured, ...rates, ...rival, epoch: 1, epochStartedAtMs: 0 } as unknown as RawClock,
    order: { streamVersion: 1, clockPosition: 'pg/1' },
    clockId,
    sample: { sentAtMs: nowMs, receivedAtMs: nowMs, serverTimeMs: nowMs },
  };
}

const AHEAD_MS = 3 * 3_600_000;

/** As if this node's clock were hours ahead: no server can be given another clock here. */
const ahead = (node: RedisConnections): Pick<RedisConnections, 'run'> => ({
  async run(script, keys, args) {
    const given = [...args];
    // When it is void, and when PostgreSQL was asked, by this node's clock.
    if (script === WRITE) for (const at of [1, 5]) given[at] = String(Number(given[at]) - AHEAD_MS);
    const reply = await node.run(script, keys, given);
    if (script !== READ) return reply;
    const [head, ...rest] = reply as unknown[];
    const [seconds, ...others] = String(head).split(' ');
    return [[Number(seconds) + AHEAD_MS / 1_000, ...others].join(' '), ...rest];
  },
});

itWithRedis('two nodes whose clocks differ by hours: each state is placed by its own', async () => {
  const one = await connectedTo(closing(await startRedis()).url);
  const two = ahead(await connectedTo(closing(await startRedis()).url));
  const parts = {
    ...PARTS,
    lifeMs: LIFE_MS,
    connections: {
      run: (...given: Parameters<RedisConnections['run']>) => {
        const cell = /\{(\d+)\}/.exec(String(given[1][0]))?.[1];
        return (Number(cell) % 2 ? two : one).run(...given);
      },
    },
  };
  await publish(
    parts,
    ASKED,
    ASKED.map(key => answerOf(key, parts.now())),
  );
  const onBoth = new Set(ASKED.map(({ cacheKey }) => Number(KEYS.cellOfState(cacheKey)) % 2));
  expect(onBoth.size).toBe(2);
  for (const { answer, reason } of await find(parts, ASKED)) {
    expect(reason).toBeUndefined();
    // The database's clock is this process's, so the truth is 0.
    const { offsetMs = Number.NaN, uncertaintyMs = Number.NaN } = answer?.link ?? {};
    expect(Math.abs(offsetMs)).toBeLessThanOrEqual(uncertaintyMs);
  }
});
