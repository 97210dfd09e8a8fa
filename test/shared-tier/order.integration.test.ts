/** What the scripts hold by themselves: a late write never replaces a newer one, and who has no ticket fills in nothing. */
import { describe, expect } from '@jest/globals';
import type { ConnectorRef } from '../../src/events/connector.js';
import type { LookupKey, RawState } from '../../src/read-model/lookup.js';
import { createKeys } from '../../src/shared-tier/keys.js';
import { packState, unpackState } from '../../src/shared-tier/packed.js';
import { CONDEMN, FORGET, READ, type Script, WRITE } from '../../src/shared-tier/scripts.js';
import { type Values, valueAt, valuesOf } from '../../src/shared-tier/values.js';
import { FORGOTTEN_FOR_MS, publish } from '../../src/shared-tier/writer.js';
import { itWhen } from '../support/it-when.js';
import { findRedis, NO_REDIS, type RedisServer, startRedis } from '../support/redis.js';
import { closing } from '../support/world.js';

const itWithRedis = itWhen(findRedis() !== undefined, NO_REDIS);
const keys = createKeys('cs', false);
const REF: ConnectorRef = {
  userId: 'u',
  credentialId: 'c',
  exchange: 'BYBIT',
  environment: 'TESTNET',
  scope: 'default',
};
const KEY: LookupKey = { cacheKey: 'u_c', exchange: 'BYBIT', environment: 'TESTNET', scope: 'default' };
const [LINK, ENTRY] = [keys.link('0'), keys.state('0', KEY.cacheKey)];
const { RESP_TYPES } = await import('redis');

const syncOf = (n: number) => `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`;
const rowOf = (n: number, isValid = true): RawState => ({
  ...REF,
  scope: 'default',
  offsetMs: 145 + n / 3,
  uncertaintyMs: 3,
  referenceClock: 'pg:1:1',
  syncId: syncOf(n),
  basis: 'measured',
  measuredAtMs: 1_790_000_000_000,
  expiresAtMs: 1_790_000_900_000,
  isValid,
  ratePpm: 1.25,
  rateBoundPpm: 7,
});

describe('the scripts', () => {
  let redis: RedisServer;
  let run: (script: Script, on: string[], args: (string | Buffer)[]) => Promise<unknown>;
  let runId: string;

  async function given(): Promise<void> {
    redis = closing(await startRedis());
    const client = await redis.client();
    const buffers = { typeMapping: { [RESP_TYPES.BLOB_STRING]: Buffer } };
    run = (script, on, args) =>
      client.sendCommand(['EVAL', script.text, String(on.length), ...on, ...args] as never, buffers) as never;
    runId = /run_id:(\w+)/.exec(await client.info('server'))?.[1] as string;
  }

  const write = async (
    guard: string,
    version: number,
    sync = version,
    isValid = true,
    { voidAfterMs = 9e15, askedAtMs = 9e15 } = {},
  ) => {
    const value = packState(KEY, rowOf(sync, isValid), version, runId) as Buffer;
    const reply = await run(
      WRITE,
      [LINK, ENTRY],
      [runId, String(voidAfterMs), '', '1', 'gone', String(askedAtMs), guard, '60000', value, 'm'],
    );
    return Array.isArray(reply) ? String(reply[0]) : String(reply);
  };
  const read = async (ticket: string) => {
    const [, packed] = (await run(READ, [LINK, ENTRY], [ticket, '10000'])) as Buffer[];
    const value = valueAt(valuesOf(packed as Buffer, 2) as Values, 1);
    if (typeof value === 'boolean') return value ? 1 : 0;
    const found = unpackState(value, 0, value.length, REF, 'pg:1:1', runId, 0);
    return typeof found === 'string' ? found : found.raw;
  };

  itWithRedis('keep the newer of two writes, whichever comes first', async () => {
    await given();
    expect(await write('a', 5)).toBe('ok');
    expect(await write('a', 4)).toBe('newer');
    expect(await read('')).toMatchObject({ syncId: syncOf(5) });
    expect(await write('a', 6, 6, false)).toBe('ok');
    expect(await write('a', 6, 6)).toBe('newer');
    expect(await read('')).toMatchObject({ syncId: syncOf(6), isValid: false });
  });

  itWithRedis('let fill in only who has the ticket, and not once somebody knew better', async () => {
    await given();
    expect(await read('one')).toBe(1);
    expect(await read('two')).toBe(0);
    expect(await write('ttwo', 1)).toBe('ticket');
    expect(await write('a', 2)).toBe('ok');
    // What was there has gone: the ticket of before must not bring back what is older.
    await (await redis.client()).del(ENTRY);
    expect(await write('tone', 1)).toBe('ticket');
    expect(await read('three')).toBe(1);
    expect(await write('tthree', 2)).toBe('ok');
  });

  itWithRedis('take no write that was under way for too long, or was meant for another server', async () => {
    await given();
    expect(await write('a', 1, 1, true, { voidAfterMs: 1 })).toBe('late');
    runId = 'another';
    expect(await write('a', 1)).toBe('moved');
  });

  itWithRedis('let nothing that was condemned come back before it is projected', async () => {
    await given();
    await write('a', 3);
    const identity = Buffer.from(syncOf(3).replaceAll('-', ''), 'hex');
    await run(CONDEMN, [LINK, ENTRY], [identity, '60000', 'gone', 'm']);
    expect(await read('')).toMatchObject({ syncId: syncOf(3), isValid: false });
    expect(await write('a', 4, 3)).toBe('condemned');
    expect(await write('a', 5, 5)).toBe('ok');
  });

  itWithRedis('take nothing from who asked PostgreSQL before the row was rebuilt', async () => {
    await given();
    const timeThere = async () => {
      const [head] = (await run(READ, [LINK, ENTRY], ['', '1'])) as Buffer[];
      const [seconds, micros] = String(head).split(' ').map(Number) as [number, number];
      return seconds * 1_000 + Math.floor(micros / 1_000);
    };
    await write('a', 3);
    const before = await timeThere();
    await run(FORGET, [LINK, ENTRY], ['gone', 'everything', '60000']);
    expect(await read('one')).toBe(1);
    expect(await write('a', 3, 3, true, { askedAtMs: before })).toBe('rebuilt');
    // A reader who has come since keeps his ticket, and an older order is what the rebuild may have made.
    expect(await write('tone', 2, 7, true, { askedAtMs: before + 60_000 })).toBe('ok');
    expect(await read('')).toMatchObject({ syncId: syncOf(7) });
  });

  itWithRedis('are told when a writer asked PostgreSQL, by the clock of the server', async () => {
    await given();
    const startMs = performance.now();
    // Of a host whose clock is far from Redis'.
    const now = () => 1_790_000_000_000 + performance.now() - startMs;
    const parts = {
      connections: { run: run as never },
      keys,
      now,
      wall: now,
      known: () => undefined,
      lifeMs: 60_000,
      ticketLifeMs: 10_000,
    };
    const said = (askedAtMs: number) => ({
      state: rowOf(3),
      clock: undefined,
      order: { streamVersion: 3, clockPosition: null },
      clockId: 'pg:1:1',
      sample: { sentAtMs: askedAtMs, receivedAtMs: askedAtMs, serverTimeMs: askedAtMs },
    });
    const before = said(now());
    await run(FORGET, [LINK, ENTRY], ['gone', 'everything', String(FORGOTTEN_FOR_MS)]);
    await publish(parts, [KEY], [before]);
    expect(await read('')).toBe(0);
    await publish(parts, [KEY], [said(now() + 1_000)]);
    expect(await read('')).toMatchObject({ syncId: syncOf(3) });
  });

  itWithRedis('give back what was put in, to the safe side', async () => {
    await given();
    await write('a', 1, 1);
    const found = (await read('')) as RawState;
    const row = rowOf(1);
    const lostMs = Math.abs((found.offsetMs as number) - (row.offsetMs as number));
    expect(lostMs).toBeLessThan(0.001);
    expect(found.uncertaintyMs as number).toBeGreaterThanOrEqual((row.uncertaintyMs as number) + lostMs);
    const { offsetMs: _, uncertaintyMs: __, ...rest } = found;
    expect({ ...row, streamVersion: 1 }).toMatchObject({ ...rest });
  });
});
