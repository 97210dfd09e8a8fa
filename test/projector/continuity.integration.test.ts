/** Promise 14: the log that a checkpoint speaks of is the log that is read, or the projector stops and says so. */
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { connectorStateCache } from '../../projections/index.js';
import type { TransferableEventStore } from '../../src/event-store/event-store.js';
import { createEventStoreDbStore } from '../../src/event-store/eventstoredb/index.js';
import { copyLog } from '../../src/event-store/transfer/copy.js';
import type { NewEvent } from '../../src/events/event.js';
import { pg } from '../../src/postgres/driver.js';
import { startTestServer } from '../support/esdb-server/index.js';
import { hit, synced, T0 } from '../support/facts.js';
import { createHarness, type Harness, liveAndExpected, until } from './harness.js';
import { type AnotherLog, givenAnotherLog, restoreOlder } from './lost-past.js';

let harness: Harness;
const closings: { close(): unknown }[] = [];
beforeEach(async () => {
  harness = await createHarness();
});
afterEach(async () => {
  for (const it of closings.splice(0).reverse()) await it.close();
  await harness.close();
});

const anotherLog = async (): Promise<AnotherLog> => {
  const log = await givenAnotherLog();
  closings.push(log);
  return log;
};

let serial = 0;
const facts = (n: number): NewEvent[] =>
  Array.from({ length: n }, () => {
    serial += 1;
    return serial % 3 === 0
      ? hit({ userId: `user${serial % 7}` })
      : synced({ userId: `user${serial % 7}`, measuredAt: T0 + serial });
  });

const stopped = (why: RegExp) => ({
  code: 'PROJECTION_FAILED',
  message: expect.stringMatching(new RegExp(`${why.source}.*connector-state rebuild`)),
});

/** Every way in refuses with the same sentence, and `rebuild` is the way out. */
async function expectStopped(given: Harness, why: RegExp, store = given.store): Promise<void> {
  const rowsBefore = await given.rows(connectorStateCache);
  const projector = () => given.projector({ store });
  await expect(projector().catchUp()).rejects.toMatchObject(stopped(why));
  const head = await store.head();
  if (head) await expect(projector().catchUp({ until: head })).rejects.toMatchObject(stopped(why));
  await expect(projector().run({ signal: AbortSignal.timeout(30_000) })).rejects.toMatchObject(stopped(why));
  await expect(projector().lag()).rejects.toMatchObject(stopped(why));
  await expect(projector().verify()).rejects.toMatchObject(stopped(why));
  expect(await given.rows(connectorStateCache)).toEqual(rowsBefore);

  await projector().rebuild();

  expect(await projector().verify()).toMatchObject({ equal: true });
  await store.append(facts(5));
  expect(await projector().catchUp()).toMatchObject({ events: 5, caughtUp: true });
  expect(await projector().verify()).toMatchObject({ equal: true });
}

describe('a log that is not the one of the checkpoint', () => {
  it('ends before it: restored from an older backup', async () => {
    await harness.append(...facts(100));
    await harness.projector().catchUp();
    await restoreOlder(harness.pool, 95);

    await expectStopped(harness, /it ends at pg\/95, and they have applied events up to pg\/100/);
  });

  it('ends before it although something was stored since', async () => {
    await harness.append(...facts(100));
    await harness.projector().catchUp();
    await restoreOlder(harness.pool, 90);
    await harness.append(...facts(4));

    await expectStopped(harness, /it ends at pg\/94/);
  });

  it('is empty', async () => {
    await harness.append(...facts(3));
    await harness.projector().catchUp();
    await restoreOlder(harness.pool, 0);

    await expectStopped(harness, /it is empty/);
  });

  it.each([
    ['to the very place', 10],
    ['past it', 30],
  ])('has grown %s with other events', async (_, grown) => {
    await harness.append(...facts(100));
    await harness.projector().catchUp();
    await restoreOlder(harness.pool, 90);
    await harness.append(...facts(grown));

    await expectStopped(harness, /it has another past before pg\/100/);
  });

  it('has the last event at its place again, behind others than before', async () => {
    const all = facts(100);
    await harness.append(...all);
    await harness.projector().catchUp();
    await restoreOlder(harness.pool, 90);
    // A writer that never heard of its success sends its event once more.
    const last = all.at(-1) as NewEvent;
    await harness.append(...facts(9));
    await harness.append(last);

    // What is not looked at is seen when the next page is read.
    await harness.append(...facts(1));
    await expectStopped(harness, /it has another past before pg\/100/);
  });

  it('is another one', async () => {
    await harness.append(...facts(40));
    await harness.projector().catchUp();
    const other = await anotherLog();
    await other.store.append(facts(60));
    const identity = await other.store.identity();

    const why = new RegExp(`it is another log, which begins with event ${identity} and not with`);
    await expect(harness.projector({ store: other.store }).catchUp()).rejects.toMatchObject(stopped(why));
    await expect(harness.projector({ store: other.store }).lag()).rejects.toMatchObject(stopped(why));
  });

  it('is noticed by a leader that was following, and ends it', async () => {
    await harness.append(...facts(20));
    const running = harness.projector().run({ signal: AbortSignal.timeout(60_000) });
    running.catch(() => undefined);
    const projector = harness.projector();
    await until('it has caught up', async () => (await projector.lag()).events === 0);

    await restoreOlder(harness.pool, 15);

    await expect(running).rejects.toMatchObject(stopped(/it ends at pg\/15/));
  });

  it('is noticed however few columns the checkpoint of an older release has', async () => {
    await harness.append(...facts(20));
    await harness.projector().catchUp();
    await harness.pool.query('UPDATE projection_checkpoint SET log_mark = NULL');
    await restoreOlder(harness.pool, 15);

    await expect(harness.projector().catchUp()).rejects.toMatchObject(stopped(/it ends at pg\/15/));
  });

  it('stops a function that waits for its own event, which lies before the checkpoint', async () => {
    await harness.append(...facts(100));
    await harness.projector().catchUp();
    await restoreOlder(harness.pool, 90);
    const { position } = await harness.store.append(facts(1));

    await expect(harness.projector().catchUp({ until: position as never })).rejects.toMatchObject(
      stopped(/it ends at pg\/91/),
    );
  });
});

describe('a log that is the one of the checkpoint', () => {
  it('is gone on with when the read tables are older', async () => {
    await harness.append(...facts(30));
    await harness.projector().catchUp();
    await harness.append(...facts(30));

    expect(await harness.projector({ pageSize: 7 }).catchUp()).toMatchObject({ events: 30, caughtUp: true });
    expect(await harness.projector({ pageSize: 7 }).catchUp()).toMatchObject({ events: 0, caughtUp: true });
  });

  it('is marked by the first success after an upgrade', async () => {
    await harness.append(...facts(20));
    await harness.projector().catchUp();
    await harness.pool.query('UPDATE projection_checkpoint SET log_mark = NULL');

    await harness.projector().catchUp();

    const { rows } = await harness.pool.query(
      `SELECT DISTINCT log_mark->>'log' AS log, log_mark->>'at' AS at FROM projection_checkpoint`,
    );
    expect(rows).toEqual([{ log: await harness.store.identity(), at: 'pg/20' }]);
  });

  it('is known again in a copy, which keeps positions', async () => {
    await harness.append(...facts(150));
    await harness.projector().catchUp();
    const copy = await anotherLog();
    await copyLog({ from: harness.store as TransferableEventStore, to: copy.store });
    await copy.store.append(facts(3));

    expect(await harness.projector({ store: copy.store }).catchUp()).toMatchObject({ events: 3 });
  });

  it('is read by a pool of one connection', async () => {
    await harness.append(...facts(20));
    await harness.projector().catchUp();
    await harness.pool.query('UPDATE projection_checkpoint SET log_mark = NULL');
    const pool = new pg.Pool({ connectionString: harness.url, max: 1 });
    try {
      expect(await harness.projector({ pool }).catchUp()).toMatchObject({ caughtUp: true });
    } finally {
      await pool.end();
    }
  });

  it('costs no round trip more', async () => {
    await harness.append(...facts(20));
    await harness.projector().catchUp();
    await harness.append(...facts(20));
    const calls: string[] = [];
    const store = new Proxy(harness.store, {
      get(target, name: keyof typeof harness.store) {
        // As of a log that lies in another database: in the same one it is read within the page's transaction.
        const value = name === 'logTable' ? undefined : target[name];
        if (typeof value === 'function' && name !== 'compare') calls.push(name);
        return value;
      },
    });
    const projector = harness.projector({ store });
    await projector.catchUp({ until: (await harness.store.head()) as never });
    // Once a process: whether hits were forgotten that its checkpoint has not applied.
    expect(calls).toEqual(['readStream', 'readFrom']);
    await harness.append(...facts(20));
    calls.length = 0;

    await projector.catchUp({ until: (await harness.store.head()) as never });

    expect(calls).toEqual(['readFrom']);
    const { live, expected } = await liveAndExpected(harness);
    expect(live).toEqual(expected);
  });
});

describe('adoptLog', () => {
  it('keeps the rows, says what is given up, and goes on from the end of the log', async () => {
    await harness.append(...facts(100));
    await harness.projector().catchUp();
    await restoreOlder(harness.pool, 90);
    await harness.append(...facts(4));
    const rowsBefore = await harness.rows(connectorStateCache);
    const found = {
      log: 'other',
      applied: { events: 100, position: 'pg/100' },
      inLog: { events: 94, position: 'pg/94' },
    };

    expect(await harness.projector().adoptLog({ apply: false })).toEqual({ ...found, adopted: false });
    await expect(harness.projector().catchUp()).rejects.toMatchObject({ code: 'PROJECTION_FAILED' });
    expect(await harness.projector().adoptLog()).toEqual({ ...found, adopted: true });

    expect(await harness.rows(connectorStateCache)).toEqual(rowsBefore);
    await harness.append(hit({ userId: 'user1', count: 7 }));
    expect(await harness.projector().catchUp()).toMatchObject({ events: 1, caughtUp: true });
    await harness.projector().rebuild();
    const { live, expected } = await liveAndExpected(harness);
    expect(live).toEqual(expected);
  });

  it('goes on in a log that was begun anew', async () => {
    await harness.append(...facts(10));
    await harness.projector().catchUp();
    await restoreOlder(harness.pool, 0);

    expect(await harness.projector().adoptLog()).toMatchObject({ adopted: true });
    await harness.append(...facts(3));
    expect(await harness.projector().catchUp()).toMatchObject({ events: 3, caughtUp: true });
  });

  it('does nothing in the log of the checkpoints', async () => {
    await harness.append(...facts(10));
    await harness.projector().catchUp();

    expect(await harness.projector().adoptLog()).toMatchObject({ log: 'same', adopted: false });
  });
});

describe('over EventStoreDB', () => {
  const givenEventStoreDb = async () => {
    const server = await startTestServer();
    closings.push(server);
    const store = createEventStoreDbStore({ url: server.url });
    closings.push(store);
    return store;
  };

  it('another log is noticed, in which nothing may lie at the checkpoint', async () => {
    const first = await givenEventStoreDb();
    await first.append(facts(50));
    await harness.projector({ store: first }).catchUp();
    const second = await givenEventStoreDb();
    await second.append(facts(80));

    const projector = () => harness.projector({ store: second });
    const why = /it is another log/;
    await expect(projector().catchUp()).rejects.toMatchObject(stopped(why));
    await expect(projector().run({ signal: AbortSignal.timeout(30_000) })).rejects.toMatchObject(
      stopped(why),
    );
    await expect(projector().lag()).rejects.toMatchObject(stopped(why));
    await projector().rebuild();
    expect(await projector().verify()).toMatchObject({ equal: true });
  });

  it('an empty log is noticed, and the right one gone on with', async () => {
    const first = await givenEventStoreDb();
    await first.append(facts(50));
    await harness.projector({ store: first }).catchUp();
    const empty = await givenEventStoreDb();

    await expect(harness.projector({ store: empty }).catchUp()).rejects.toMatchObject(stopped(/it is empty/));
    await first.append(facts(5));
    expect(await harness.projector({ store: first }).catchUp()).toMatchObject({ events: 5, caughtUp: true });
  });
});
