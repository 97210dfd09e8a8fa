import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { Client, ClientConfig } from 'pg';
import { connectorStateCache, projections } from '../../projections/index.js';
import { pg } from '../../src/postgres/driver.js';
import type { Projector } from '../../src/projector/index.js';
import { startCountingProxy } from '../support/counting-proxy.js';
import { hit, synced, T0 } from '../support/facts.js';
import { keptLog } from '../support/log.js';
import { startTcpProxy } from '../support/tcp-proxy.js';
import { closing } from '../support/world.js';
import { createHarness, type Harness, liveAndExpected, until } from './harness.js';

let harness: Harness;
let running: { readonly projector: Projector; readonly ended: Promise<void> }[];
let stop: AbortController;

beforeEach(async () => {
  harness = await createHarness();
  running = [];
  stop = new AbortController();
});
afterEach(async () => {
  stop.abort();
  await Promise.allSettled(running.map(({ ended }) => ended));
  await harness.close();
});

function start(projector = harness.projector({ sleep: async () => undefined })): Projector {
  running.push({ projector, ended: projector.run({ signal: stop.signal }) });
  return projector;
}

const hits = async () => Number((await harness.rows(connectorStateCache))[0]?.hitCount ?? 0);
const killLeader = (by: { query(text: string): Promise<unknown> } = harness.pool) =>
  by.query(`SELECT pg_terminate_backend(pid) FROM pg_locks
    WHERE locktype = 'advisory' AND granted AND objid = 0
      AND classid = 'projection_checkpoint'::regclass::oid
      AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`);

describe('run', () => {
  it('applies what is there, then what comes, and ends when told to', async () => {
    await harness.append(synced());
    const projector = start();
    await until('the first event', async () => (await harness.rows(connectorStateCache)).length === 1);

    await harness.append(hit({ count: 2 }));
    await until('the second event', async () => (await hits()) === 2);
    stop.abort();

    await expect(running[0]?.ended).resolves.toBeUndefined();
    expect(projector.counters).toMatchObject({ events: 2, leading: 0 });
  });

  it('has one leader; when its connection is killed the next takes over at once', async () => {
    await harness.append(synced());
    const first = start();
    await until('a leader', () => first.counters.leading === 1);
    const second = start();
    await until('the first event', async () => (await harness.rows(connectorStateCache)).length === 1);
    expect(second.counters).toMatchObject({ leading: 0, events: 0 });

    await killLeader();
    await until('the successor', () => second.counters.leading === 1);
    await harness.append(hit({ count: 7 }));
    await until('what came after', async () => (await hits()) === 7);

    expect(first.counters).toMatchObject({ reconnects: 1, leading: 0 });
    expect(second.counters.events).toBe(1);
  });

  it('promise 1: keeps every event exactly once while leaders are killed again and again', async () => {
    const both = [start(harness.projector({ pageSize: 5, sleep: async () => undefined })), start()];
    for (let round = 0; round < 12; round++) {
      await harness.append(synced({ measuredAt: T0 + round }), ...Array.from({ length: 20 }, () => hit()));
      await until('a leader', () => both.some(({ counters }) => counters.leading === 1));
      await killLeader();
    }

    await until('everything', async () => (await harness.projector().lag()).events === 0);

    expect(await hits()).toBe(240);
    const { live, expected } = await liveAndExpected(harness);
    expect(live).toEqual(expected);
    expect(both.reduce((sum, { counters }) => sum + counters.reconnects, 0)).toBeGreaterThan(0);
  });

  it('shares the work with functions that catch up, and nothing counts twice', async () => {
    start();
    for (let round = 0; round < 10; round++) {
      await harness.append(synced({ measuredAt: T0 + round }), hit());
      const caught = await harness.projector({ pageSize: 1 }).catchUp({ timeoutMs: 5_000 });
      expect(caught.caughtUp).toBe(true);
    }

    const { live, expected } = await liveAndExpected(harness);
    expect(live).toEqual(expected);
  });

  it('ends at once when told to while it waits for the lock', async () => {
    await harness.asAnother(async other => {
      await other.query(`SELECT pg_advisory_lock('projection_checkpoint'::regclass::oid::integer, 0)`);
      start();
      await until('the wait', async () => {
        const { rows } = await harness.pool.query(
          `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'advisory'`,
        );
        return rows.length === 1;
      });

      stop.abort();
      await expect(running[0]?.ended).resolves.toBeUndefined();
    });
  });

  it('leads anew when the network has forgotten its connection, and the server has not', async () => {
    const link = closing(await startTcpProxy(harness.url));
    const log = keptLog();
    const createClient = () => new pg.Client({ connectionString: link.url, pipeline: true } as ClientConfig);
    await harness.append(synced());
    const projector = start(harness.projector({ createClient, log, silentMs: 200 }));
    await until('the first event', async () => (await harness.rows(connectorStateCache)).length === 1);

    link.forget();
    await harness.append(hit({ count: 7 }));

    await until('what came after', async () => (await hits()) === 7);
    expect(log.messages('warn')).toEqual(['the projector was interrupted, and tries again']);
    expect(projector.counters).toMatchObject({ reconnects: 1, leading: 1 });
  });

  it.each([1, 2, 3])(
    'leads where the network forgets its connection behind its statement %d',
    async statement => {
      const link = closing(await startCountingProxy(harness.url));
      let connected = 0;
      const createClient = () => {
        const client = new pg.Client({ connectionString: link.url, pipeline: true } as ClientConfig);
        client.once('connect', () => {
          if (++connected === 1) link.fail({ from: 'client', message: statement, effect: 'stall' });
        });
        return client;
      };
      await harness.append(synced());
      const projector = start(harness.projector({ createClient, silentMs: 200 }));

      await until('the event', async () => (await harness.rows(connectorStateCache)).length === 1);
      expect(projector.counters).toMatchObject({ reconnects: 1, leading: 1 });
    },
  );

  it('waits for a statement that the server works on, however long that is', async () => {
    await harness.append(synced());
    const projector = start(harness.projector({ silentMs: 20 }));
    await until('a leader', () => projector.counters.leading === 1);
    await harness.asAnother(async other => {
      await other.query('BEGIN; LOCK TABLE connector_state_cache IN ACCESS EXCLUSIVE MODE');
      await harness.append(hit({ count: 3 }));
      await until('the wait', async () => {
        const { rows } = await other.query(
          `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
            AND clock_timestamp() - query_start > interval '500 ms'`,
        );
        return rows.length === 1;
      });
      await other.query('COMMIT');
    });

    await until('what came after', async () => (await hits()) === 3);
    expect(projector.counters.reconnects).toBe(0);
  });

  it.each([
    ['before it is connected', 'forward'],
    ['and the network has forgotten its connection', 'forget'],
  ] as const)('ends when told to %s', async (_, behaviour) => {
    const link = closing(await startTcpProxy(harness.url));
    await harness.asAnother(async other => {
      await other.query(`SELECT pg_advisory_lock('projection_checkpoint'::regclass::oid::integer, 0)`);
      const client = new pg.Client({ connectionString: link.url });
      const connect = client.connect.bind(client) as () => Promise<Client>;
      Object.assign(client, {
        connect: () =>
          connect().finally(() => {
            link.behave(behaviour);
            stop.abort();
          }),
      });
      start(harness.projector({ createClient: () => client }));

      await expect(running[0]?.ended).resolves.toBeUndefined();
    });
  });

  it('waits while the database takes no connections', async () => {
    const projector = start();
    await until('a leader', () => projector.counters.leading === 1);
    const { pathname } = new URL(harness.url);
    const beside = new pg.Client({ connectionString: harness.url.replace(pathname, '/postgres') });
    const allow = (isAllowed: boolean) =>
      beside.query(`ALTER DATABASE "${pathname.slice(1)}" WITH ALLOW_CONNECTIONS ${isAllowed}`);
    await beside.connect();

    // One that the projector does not use at that moment.
    const inside = await harness.pool.connect();
    await allow(false);
    await killLeader(inside);
    inside.release();
    await Promise.race([running[0]?.ended, until('it is refused', () => projector.counters.reconnects > 1)]);
    await allow(true);
    await beside.end();

    await until('it leads again', () => projector.counters.leading === 1);
  });

  it('is seen when it stops by itself: it rejects when the rows are of a newer version', async () => {
    await harness.projector().catchUp();
    const older = projections.map(projection => ({ ...projection, version: projection.version - 1 }));

    await expect(
      harness.projector({ projections: older }).run({ signal: stop.signal }),
    ).rejects.toMatchObject({ code: 'PROJECTION_FAILED', message: expect.stringContaining('upgrade') });
  });

  it('makes the tables of an older release beside them, while that goes on, and takes over', async () => {
    await harness.append(
      ...Array.from({ length: 40 }, (_, i) => synced({ userId: `user${i % 9}`, measuredAt: T0 + i })),
    );
    const old = projections.filter(({ name }) => name !== 'cache_usage');
    const oldRelease = harness.projector({ projections: old });
    const oldRuns = oldRelease.run({ signal: stop.signal });
    await until('the old one has caught up', async () => (await oldRelease.lag()).events === 0);
    const next = projections.map(projection => ({ ...projection, version: projection.version + 1 }));
    const workers = [1, 2].map(() => harness.projector({ projections: next, pageSize: 7 }));
    let writing = true;
    const writer = (async () => {
      for (let i = 0; writing; i++) await harness.append(hit({ userId: `user${i % 9}` }));
    })();

    const running = workers.map(worker => worker.run({ signal: stop.signal }));

    await expect(oldRuns).rejects.toMatchObject({ code: 'PROJECTION_FAILED' });
    await until('a new one leads', () => workers.some(({ counters }) => counters.leading === 1));
    writing = false;
    await writer;
    await until('it has caught up', async () => (await workers[0]?.lag())?.events === 0);
    stop.abort();
    await Promise.all(running);
    expect(await workers[0]?.verify()).toMatchObject({ equal: true });
    const { live, expected } = await liveAndExpected(harness);
    expect(live).toEqual(expected);
    // Who goes back says so.
    await harness.projector({ projections: old }).rebuild();
    expect(await harness.projector({ projections: old }).catchUp()).toMatchObject({ caughtUp: true });
  });
});
