/**
 * Promise 9 against the real table: whatever a row contains, a lookup returns a valid state or a miss, and the
 * next sync heals it.
 */
import { describe, expect, it } from '@jest/globals';
import { BOTH, givenWorld, SIMULATOR_SCOPE, type World } from '../support/world.js';

const connector = {
  userId: 'user123',
  credentialId: 'cred456',
  environment: 'TESTNET',
  scope: SIMULATOR_SCOPE,
} as const;

/** Every column of the row, set to what no event could have put there; and the miss that is the answer. */
const NONSENSE: [column: string, value: string, reason: string][] = [
  ['user_id', "'someone-else'", 'corrupt'],
  ['user_id', "''", 'corrupt'],
  ['credential_id', "'another'", 'corrupt'],
  ['exchange', "'kraken'", 'corrupt'],
  ['exchange', "repeat('x', 100000)", 'corrupt'],
  ['environment', "''", 'corrupt'],
  ['scope', "''", 'corrupt'],
  ['scope', "'a scope'", 'corrupt'],
  ['scope', "'https://elsewhere.example'", 'other-connector'],
  ['time_offset', "'NaN'", 'corrupt'],
  ['time_offset', "'Infinity'", 'corrupt'],
  ['time_offset', '1e300', 'corrupt'],
  ['uncertainty_ms', '-1', 'corrupt'],
  ['uncertainty_ms', "'NaN'", 'corrupt'],
  ['reference_clock', "''", 'corrupt'],
  ['reference_clock', "repeat('x', 100000)", 'corrupt'],
  ['reference_clock', "'pg:1:1'", 'other-clock'],
  ['reference_clock', "'host:elsewhere/1'", 'other-clock'],
  ['basis', "'guessed'", 'corrupt'],
  ['last_sync_time', "'infinity'", 'corrupt'],
  ['last_sync_time', "'-infinity'", 'corrupt'],
  ['last_sync_time', "now() + interval '1 year'", 'corrupt'],
  ['last_sync_time', "'0044-03-15 BC'", 'corrupt'],
  ['expires_at', "'infinity'", 'corrupt'],
  ['expires_at', "'-infinity'", 'corrupt'],
  ['expires_at', "now() + interval '1 year'", 'corrupt'],
  ['rate_ppm', "'NaN'", 'corrupt'],
  ['rate_bound_ppm', '-1', 'corrupt'],
  ['is_valid', 'false', 'invalid'],
];

/** Columns that lookups do not read: nonsense in them harms nobody. */
const HARMLESS: [column: string, value: string][] = [
  // The exchange's shared clock says otherwise.
  ['expires_at', "last_sync_time + interval '1 ms'"],
  ['round_trip_ms', "'NaN'"],
  ['sample_count', '-5'],
  ['sync_trigger', "'whim'"],
  ['invalid_reason', "'no reason'"],
  ['ttl_ms', '-1'],
  ['hit_count', '-9223372036854775808'],
  ['last_hit_at', "'infinity'"],
  ['created_at', "'infinity'"],
  ['updated_at', "'-infinity'"],
  ['stream_version', '9223372036854775807'],
  ['position', "'nowhere'"],
];

const CLOCK_NONSENSE: [column: string, value: string][] = [
  ['rate_ppm', "'Infinity'"],
  ['rate_bound_ppm', "'NaN'"],
  ['contested_since', "'infinity'"],
  ['contested_since', 'now()'],
  ['time_offset', "'NaN'"],
  ['time_offset', "'-Infinity'"],
  ['uncertainty_ms', "'NaN'"],
  ['uncertainty_ms', '-1'],
  ['measured_at', "'infinity'"],
  ['measured_at', "now() + interval '1 year'"],
  ['expires_at', "'infinity'"],
  ['expires_at', "now() + interval '1 year'"],
  ['epoch_started_at', "'infinity'"],
  ['epoch_started_at', "now() + interval '1 year'"],
];

async function givenRow(): Promise<World> {
  const world = await givenWorld();
  const process = await world.process();
  await world.connector(process, 'BYBIT').initialize();
  await process.flush();
  return world;
}

describe('a row of connector_state_cache', () => {
  it.each(NONSENSE)('with %s = %s is a miss, and the next sync heals it', async (column, value, reason) => {
    const world = await givenRow();
    await world.sql(`UPDATE connector_state_cache SET ${column} = ${value}`);
    const process = await world.process();

    const lookup = await process.cache.get({ ...connector, exchange: 'BYBIT' });
    const result = await world.connector(process, 'BYBIT').initialize();
    const flushed = await process.flush();

    expect(lookup).toMatchObject({ hit: false, reason });
    expect(result).toMatchObject({ authFailures: 0 });
    expect(flushed).toMatchObject({ ok: true });
    const healed = await (await world.process()).cache.get({ ...connector, exchange: 'BYBIT' });
    expect(healed).toMatchObject({ hit: true, tier: 'postgres' });
  });

  it.each(HARMLESS)('with %s = %s still answers', async (column, value) => {
    const world = await givenRow();
    await world.sql(`UPDATE connector_state_cache SET ${column} = ${value}`);
    const process = await world.process();

    expect(await world.connector(process, 'BYBIT').initialize()).toMatchObject({ tier: 'postgres' });
    expect(await process.flush()).toMatchObject({ ok: true });
    expect(await process.cache.getStats()).toMatchObject({ total: 1 });
  });
});

describe('a row of exchange_clock', () => {
  it.each(CLOCK_NONSENSE)('with %s = %s is not used, and the next sync heals it', async (column, value) => {
    const world = await givenRow();
    await world.sql(`UPDATE exchange_clock SET ${column} = ${value}`);
    const process = await world.process();
    const fresh = { ...connector, userId: 'fresh', exchange: 'BYBIT' } as const;

    const lookup = await process.cache.get(fresh);
    const result = await world.connector(process, 'BYBIT', { userId: 'fresh' }).initialize();
    await process.flush();

    expect(lookup).toMatchObject({ hit: false, exchangeClock: undefined });
    expect(result).toMatchObject({ cacheHit: false, authFailures: 0 });
    const next = await (await world.process()).cache.get({ ...fresh, userId: 'next' });
    expect(next).toMatchObject({ hit: false, reason: 'absent', exchangeClock: { basis: 'exchange-clock' } });
  });
});

describe('promise 6: one state, one connector', () => {
  it('a state is used only for the exchange and environment it was measured on', async () => {
    const world = await givenRow();
    const process = await world.process();
    for (const exchange of BOTH) {
      for (const environment of ['MAINNET', 'TESTNET'] as const) {
        const lookup = await process.cache.get({ ...connector, exchange, environment });
        const isIts = exchange === 'BYBIT' && environment === 'TESTNET';
        expect(lookup).toMatchObject(isIts ? { hit: true } : { hit: false, reason: 'other-connector' });
        if (!isIts) expect(lookup).toMatchObject({ exchangeClock: undefined });
      }
    }
  });

  it('an object that is used again for another connector means that other one', async () => {
    const world = await givenRow();
    const process = await world.process();
    const ref = { ...connector, exchange: 'BYBIT' as 'BYBIT' | 'BINGX', userId: 'user123' };
    expect(await process.cache.get(ref)).toMatchObject({ hit: true });
    ref.userId = 'somebody else';
    expect(await process.cache.get(ref)).toMatchObject({ hit: false, reason: 'absent' });
    Object.assign(ref, { userId: 'user123', exchange: 'BINGX' });
    expect(await process.cache.get(ref)).toMatchObject({ hit: false, reason: 'other-connector' });
  });

  it('ids that look like one another never meet, in memory or in the database', async () => {
    const world = await givenWorld();
    const pairs = [
      ['a_b', 'c'],
      ['a', 'b_c'],
      ['a%5Fb', 'c'],
      ['a%', '5Fb_c'],
      ['a b', 'c'],
      ['A_B', 'c'],
      ['ä', 'c'],
      ['a\u0308', 'c'],
    ] as const;
    const process = await world.process();
    const ref = ([userId, credentialId]: readonly [string, string]) =>
      ({ userId, credentialId, exchange: 'BYBIT', environment: 'TESTNET', scope: SIMULATOR_SCOPE }) as const;

    for (const [i, pair] of pairs.entries()) {
      for (const other of pairs.slice(i))
        expect(await process.cache.get(ref(other))).toMatchObject({ hit: false });
      await world.connector(process, 'BYBIT', { userId: pair[0], credentialId: pair[1] }).initialize();
    }
    await process.flush();

    const states = await (await world.process()).cache.getMany(pairs.map(ref));
    const syncs = states.map(lookup => (lookup.hit ? lookup.state.syncId : lookup.reason));
    expect(await world.sql('SELECT user_id, credential_id FROM connector_state_cache')).toHaveLength(
      pairs.length,
    );
    expect(new Set(syncs).size).toBe(pairs.length);
  });
});
