/**
 * What a bad link, or a server that says no, does to a page in the middle of its pipeline: each event is applied once or
 * not yet, who could not know is told, and no connection is used again in doubt.
 */
import { describe, expect, it } from '@jest/globals';
import type { ClientConfig } from 'pg';
import { createPostgresEventStore } from '../../src/event-store/postgres/index.js';
import { createBoundedPool } from '../../src/postgres/bounded-pool.js';
import { pg } from '../../src/postgres/driver.js';
import { createProjector } from '../../src/projector/index.js';
import { grantPrivileges } from '../../src/read-model/grants.js';
import { type CountingProxy, type Fault, startCountingProxy } from '../support/counting-proxy.js';
import { hit, synced, syncFailed } from '../support/facts.js';
import { startTcpProxy } from '../support/tcp-proxy.js';
import { closing, eventually, givenWorld } from '../support/world.js';
import { createHarness, liveAndExpected } from './harness.js';

const givenHarness = async () => closing(await createHarness());

/** As ours, but for whom a link is silent sooner. */
const STALL_MS = 400;

function givenPool(connectionString: string, queryTimeoutMs = 30_000) {
  const pool = createBoundedPool({ connectionString, max: 2, pipeline: true, query_timeout: queryTimeoutMs });
  pool.on('error', () => undefined);
  pool.on('connect', client => client.on('error', () => undefined));
  return pool;
}

/** One catch-up with the fault, and another without. */
async function projectThrough(proxy: CountingProxy, fault: Fault | undefined) {
  const pool = givenPool(proxy.url, fault?.effect === 'stall' ? STALL_MS : undefined);
  const store = createPostgresEventStore({ pool });
  const projector = createProjector({ store, pool });
  // Connected, and the store's own statement prepared.
  await projector.lag();
  proxy.messages();
  proxy.fail(fault);
  const outcome = await projector.catchUp({ timeoutMs: 200 }).then(
    result => ({ result }),
    (error: Error) => ({ error }),
  );
  proxy.fail(undefined);
  // A connection that died while it lay in the pool is met once.
  const retried = await projector.catchUp().catch(() => projector.catchUp());
  await pool.end();
  return { outcome, retried, messages: proxy.messages() };
}

describe.each([
  { effect: 'cut', step: 1 },
  { effect: 'shutdown', step: 5 },
  { effect: 'stall', step: 7 },
] as const)('a link that meets a $effect behind any message of a page', ({ effect, step }) => {
  it.each(['client', 'server'] as const)(
    'applies each event once or not yet: the %s',
    async from => {
      const harness = await givenHarness();
      const proxy = closing(await startCountingProxy(harness.url));
      await harness.append(synced());
      const { messages } = await projectThrough(proxy, undefined);
      const ofSide = messages.filter(message => message.startsWith('>') === (from === 'client')).length;

      for (let message = 1; message <= ofSide; message += step) {
        await harness.append(syncFailed(), synced());
        const { outcome, retried } = await projectThrough(proxy, { from, message, effect });
        // Told, where it could not be known.
        if ('error' in outcome) expect(outcome.error).toMatchObject({ code: expect.stringMatching(/_/) });
        expect(retried.caughtUp).toBe(true);
      }

      const { live, expected } = await liveAndExpected(harness);
      expect(live).toEqual(expected);
    },
    300_000,
  );
});

describe('a rebuild whose connection the network forgets', () => {
  it('ends with an error, behind whichever of its messages, and keeps no other from rebuilding', async () => {
    const harness = await givenHarness();
    const proxy = closing(await startCountingProxy(harness.url));
    const connection = { connectionString: proxy.url, pipeline: true, connectionTimeoutMillis: 500 };
    const createClient = () => new pg.Client(connection as ClientConfig);
    await harness.append(synced(), hit({ count: 2 }));
    const projector = harness.projector({ createClient, silentMs: 100 });
    await projector.catchUp();
    proxy.messages();
    await projector.rebuild();
    const sent = proxy.messages().filter(message => message.startsWith('>')).length;
    expect(sent).toBeGreaterThan(10);

    // Not behind the goodbye.
    for (let message = 2; message < sent - 1; message += Math.ceil(sent / 12)) {
      proxy.fail({ from: 'client', message, effect: 'stall' });
      await expect(projector.rebuild()).rejects.toMatchObject({ code: 'DATABASE_UNAVAILABLE' });
      proxy.fail(undefined);
      await harness.projector().rebuild({ waitMs: 20_000 });
    }
    const { live, expected } = await liveAndExpected(harness);
    expect(live).toEqual(expected);
  }, 120_000);
});

describe('a page of which a statement is refused in the middle', () => {
  it('leaves nothing, names the refusal, and is applied whole when it no longer is; whichever it is', async () => {
    const harness = await givenHarness();
    const role = `worker_${new URL(harness.url).pathname.slice(1)}`;
    await harness.pool.query(`CREATE ROLE "${role}" LOGIN PASSWORD 'x'`);
    closing({
      close: () =>
        harness.asAnother(client =>
          client.query(`DROP OWNED BY "${role}"; DROP ROLE "${role}"`).then(() => undefined),
        ),
    });
    await grantPrivileges(harness.url, { workerRole: role });
    const url = new URL(harness.url);
    [url.username, url.password] = [role, 'x'];
    const pool = givenPool(url.href);
    closing({ close: () => pool.end() });
    const projector = createProjector({ store: createPostgresEventStore({ pool }), pool });
    await harness.append(synced());
    await projector.catchUp();
    const refusals = [
      ...['connector_state_cache', 'exchange_clock', 'drift_sample', 'drift_hourly', 'cache_usage'].flatMap(
        table => [`SELECT ON ${table}`, `INSERT ON ${table}`],
      ),
      'UPDATE ON projection_checkpoint',
      'SELECT ON projection_checkpoint',
      'SELECT ON connector_event',
    ];

    for (const [n, right] of refusals.entries()) {
      await harness.append(hit(), synced({ measuredAt: 1_760_000_000_000 + n }));
      const before = await liveAndExpected(harness);
      await harness.pool.query(`REVOKE ${right} FROM "${role}"`);

      // What nothing of the page needs is not missed.
      const refused = await projector.catchUp({ timeoutMs: 0 }).then(
        () => undefined,
        (error: Error) => error,
      );
      if (refused) {
        expect(refused).toMatchObject({ message: expect.stringMatching(/\(42501: /) });
        expect((await liveAndExpected(harness)).live).toEqual(before.live);
      } else expect(right).toMatch(/SELECT ON drift_sample/);

      await harness.pool.query(`GRANT ${right} TO "${role}"`);
      expect(await projector.catchUp()).toMatchObject({ caughtUp: true });
      const { live, expected } = await liveAndExpected(harness);
      expect(live).toEqual(expected);
    }
  });
});

it('a function that is frozen in the middle of a page keeps nobody else from projecting', async () => {
  const harness = await givenHarness();
  const link = closing(await startTcpProxy(harness.url));
  const pool = givenPool(link.url, 0);
  const store = createPostgresEventStore({ pool });
  const frozen = createProjector({ store, pool });
  await frozen.catchUp();
  await harness.append(synced());

  // It does and says nothing more once it has the lock.
  link.behave('swallow-answers');
  const outcome = frozen.catchUp().catch((error: unknown) => error);
  await eventually(async () => {
    const { rows } = await harness.pool.query(
      `SELECT FROM pg_stat_activity WHERE datname = current_database() AND state = 'idle in transaction'`,
    );
    expect(rows).toHaveLength(1);
  });

  expect(await harness.projector().catchUp({ timeoutMs: 30_000 })).toMatchObject({
    caughtUp: true,
    events: 1,
  });
  await link.refuse();
  expect(await outcome).toMatchObject({ code: 'DATABASE_UNAVAILABLE' });
  await pool.end();
});

describe('a process behind a link', () => {
  it.each([
    ['that delivers byte by byte', { byteByByte: true }, 0],
    ['of 300 ms', {}, 150],
  ] as const)('%s does all that another does', async (_, options, delayMs) => {
    const world = await givenWorld();
    const proxy = closing(await startCountingProxy(world.databaseUrl, options));
    proxy.delay(delayMs);
    const process = await world.process({ databaseUrl: proxy.url });
    const connector = world.connector(process, 'BYBIT');

    await connector.initialize();
    expect(await process.flush()).toMatchObject({ ok: true, pending: 0 });
    expect(await process.cache.history(connector.ref.userId, connector.ref.credentialId)).not.toEqual([]);
    const fresh = await world.process({ databaseUrl: proxy.url });
    expect(await fresh.cache.get(connector.ref)).toMatchObject({ hit: true, tier: 'postgres' });
    expect(await (await fresh.projector()).verify()).toMatchObject({ equal: true });
  });

  it('of 300 ms and with the usual deadline misses for the time-out, and stores what it learned', async () => {
    const world = await givenWorld();
    const proxy = closing(await startCountingProxy(world.databaseUrl));
    proxy.delay(150);
    const process = await world.process({ databaseUrl: proxy.url, lookupDeadlineMs: 100 });
    const connector = world.connector(process, 'BYBIT');

    expect(await process.cache.get(connector.ref)).toMatchObject({ hit: false, reason: 'timeout' });
    await connector.initialize();
    await eventually(async () => (await process.flush()).ok);

    const near = await world.process();
    expect(await near.cache.get({ ...connector.ref })).toMatchObject({ reason: expect.anything() });
    expect(await near.cache.history(connector.ref.userId, connector.ref.credentialId)).not.toEqual([]);
  });
});
