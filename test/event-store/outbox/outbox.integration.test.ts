import { setTimeout as pause } from 'node:timers/promises';
import { describe, expect, it } from '@jest/globals';
import { inRelayTransaction } from '../../../src/event-store/outbox/relay-transaction.js';
import type { NewEvent } from '../../../src/events/event.js';
import { idsOf } from '../../contract/harness.js';
import { many, sampleConnector } from '../../contract/sample-events.js';
import { eventually } from '../../support/world.js';
import { givenOutbox, type OutboxWorld } from './world.js';

const WAITING = (waiting: number) => ({ events: [], position: undefined, waiting });

describe('while the event store can be reached', () => {
  it('appends go to it, and nothing to the outbox', async () => {
    const world = await givenOutbox();
    const { store } = world.writer();
    const events = many(3, () => sampleConnector().fact());

    const result = await store.append(events);

    expect(idsOf(result.events)).toEqual(idsOf(events));
    const stored = await world.stored();
    expect(idsOf(stored)).toEqual(idsOf(events));
    expect(result.position).toBe(stored.at(-1)?.position);
    expect(await world.table.status()).toMatchObject({ waiting: 0, waitingSeconds: 0, dead: 0 });
  });

  it('what no store takes is refused, and never waits', async () => {
    const world = await givenOutbox();
    const { store } = world.writer();
    const bad = { ...sampleConnector().fact(), type: 'Nonsense' } as unknown as NewEvent;

    await expect(store.append([bad])).rejects.toMatchObject({ code: 'INVALID_EVENT' });
    await world.remoteProxy.refuse();
    await expect(store.append([bad])).rejects.toMatchObject({ code: 'INVALID_EVENT' });

    expect(await world.table.status()).toMatchObject({ waiting: 0 });
  });
});

describe('while the event store cannot be reached', () => {
  const losses: readonly [string, (world: OutboxWorld) => Promise<void> | void][] = [
    ['refuses', world => world.remoteProxy.refuse()],
    ['hangs', world => world.remoteProxy.behave('hang')],
    ['takes events and is not heard any more', world => world.remoteProxy.behave('swallow-answers')],
  ];

  it.each(losses)('and %s, appends are acknowledged and arrive later, once and in order', async (_, lose) => {
    const world = await givenOutbox();
    const { store, relay } = world.writer();
    const { fact, hit } = sampleConnector();
    const before = [fact(), hit()];
    await store.append(before);

    await lose(world);
    const during = many(5, () => [fact(), hit()]);
    for (const events of during) expect(await store.append(events)).toEqual(WAITING(2));
    expect(await world.table.status()).toMatchObject({ waiting: 10 });

    await world.remoteProxy.recover();
    world.remoteProxy.cut();
    await eventually(async () => expect(await relay.drain({ force: true })).toBe('empty'));

    expect(idsOf(await world.stored())).toEqual(idsOf([...before, ...during.flat()]));
    expect(await world.table.status()).toMatchObject({ waiting: 0, dead: 0 });
  });

  it('everything goes behind what waits, and nobody but the relay asks the store', async () => {
    const world = await givenOutbox();
    const [first, second] = [world.writer({ relay: false }), world.writer({ relay: false })];
    const [one, other] = [sampleConnector(), sampleConnector()];
    await first.store.append([one.fact()]);
    await world.remoteProxy.refuse();
    await first.store.append([one.fact()]);
    await world.remoteProxy.recover();

    // Another process and another connector, with the store back: the order of all facts is one order.
    expect(await second.store.append([other.fact()])).toEqual(WAITING(1));

    expect(second.appends()).toBe(0);
    expect(await world.table.status()).toMatchObject({ waiting: 2 });
  });

  it('the next append after its return empties the outbox and has a position', async () => {
    const world = await givenOutbox();
    const { store, relay } = world.writer();
    const { fact } = sampleConnector();
    const events = many(3, () => fact());
    await world.remoteProxy.refuse();
    await store.append([events[0] as NewEvent]);
    await store.append([events[1] as NewEvent]);
    await world.remoteProxy.recover();
    // The relay rests after a failure; a drain by force stands for the time that passes.
    await relay.drain({ force: true });

    const { position } = await store.append([events[2] as NewEvent]);

    expect(position).toMatch(/^pg\/\d+$/);
    expect(idsOf(await world.stored())).toEqual(idsOf(events));
  });

  it('what depends on a version cannot wait', async () => {
    const world = await givenOutbox();
    const { store } = world.writer({ relay: false });
    const { fact, stateStream } = sampleConnector();
    await world.remoteProxy.refuse();
    const conditional = () => store.append([fact()], { expectedVersions: { [stateStream]: 0 } });

    await expect(conditional()).rejects.toMatchObject({ code: 'EVENT_STORE_FAILED' });
    await store.append([fact()]);
    await world.remoteProxy.recover();
    await expect(conditional()).rejects.toMatchObject({
      code: 'EVENT_STORE_FAILED',
      message: expect.stringContaining('wait in the outbox'),
    });

    expect(await world.table.status()).toMatchObject({ waiting: 1 });
  });

  it('a retry of an append waits once', async () => {
    const world = await givenOutbox();
    const { store } = world.writer({ relay: false });
    const events = [sampleConnector().fact()];
    await world.remoteProxy.refuse();

    await store.append(events);
    await store.append(events);

    expect(await world.table.status()).toMatchObject({ waiting: 1 });
  });
});

describe('while PostgreSQL cannot be reached', () => {
  it('appends go to the event store', async () => {
    const world = await givenOutbox();
    const { store } = world.writer();
    const events = [sampleConnector().fact()];
    await world.localProxy.refuse();

    expect(await store.append(events)).toMatchObject({ position: expect.any(String) });

    expect(idsOf(await world.stored())).toEqual(idsOf(events));
  });

  it('and this process knows that something waits, appends fail rather than overtake it', async () => {
    const world = await givenOutbox();
    const { store } = world.writer();
    const { fact } = sampleConnector();
    await world.remoteProxy.refuse();
    await store.append([fact()]);
    await world.remoteProxy.recover();
    await world.localProxy.refuse();

    await expect(store.append([fact()])).rejects.toMatchObject({ code: 'DATABASE_UNAVAILABLE' });
  });

  it('nor the event store, appends fail, say both reasons, and succeed later under the same ids', async () => {
    const world = await givenOutbox();
    const { store } = world.writer();
    const events = [sampleConnector().fact()];
    await world.remoteProxy.refuse();
    await world.localProxy.refuse();

    await expect(store.append(events)).rejects.toMatchObject({
      code: 'EVENT_STORE_FAILED',
      message: expect.stringMatching(/the event store could not .*; and the database cannot be used/s),
    });
    await world.localProxy.recover();
    expect(await store.append(events)).toEqual(WAITING(1));
  });
});

describe('the relay', () => {
  it('works in the background, in batches, and says how far it came', async () => {
    const world = await givenOutbox();
    const { store, relay, forwardedTo, log } = world.writer({ relayOptions: { batchSize: 10 } });
    const { fact } = sampleConnector();
    await world.remoteProxy.refuse();
    const events = many(35, () => fact());
    await store.append(events);
    relay.start();
    await eventually(async () => expect(relay.counters.failures).toBeGreaterThan(1));

    await world.remoteProxy.recover();

    await eventually(async () => expect(await world.table.status()).toMatchObject({ waiting: 0 }));
    expect(idsOf(await world.stored())).toEqual(idsOf(events));
    expect(relay.counters.forwarded).toBe(35);
    await eventually(async () => expect(forwardedTo.at(-1)).toBe((await world.stored()).at(-1)?.position));
    await eventually(async () =>
      expect(log.messages('info')).toContain('events that waited are in the event store now'),
    );
  });

  it('says in the outbox why it could not', async () => {
    const world = await givenOutbox();
    const { store, relay } = world.writer();
    await world.remoteProxy.refuse();
    await store.append([sampleConnector().fact()]);

    expect(await relay.drain({ force: true })).toBe('waiting');

    const status = await world.table.status();
    expect(status).toMatchObject({ waiting: 1, lastError: expect.stringContaining('ECONNREFUSED') });
    expect(status.waitingSince).toBeGreaterThan(Date.now() - 60_000);
  });

  it('is one among many: the others leave the outbox alone', async () => {
    const world = await givenOutbox();
    const writers = many(3, () => world.writer());
    await world.remoteProxy.refuse();
    const { fact } = sampleConnector();
    const events = many(50, () => fact());
    await writers[0]?.store.append(events);
    await world.remoteProxy.recover();

    await eventually(async () => {
      await Promise.all(writers.map(({ relay }) => relay.drain({ force: true })));
      expect(await world.table.status()).toMatchObject({ waiting: 0 });
    });

    expect(idsOf(await world.stored())).toEqual(idsOf(events));
    expect(writers.reduce((sum, { relay }) => sum + relay.counters.forwarded, 0)).toBe(50);
  });

  it('that dies between the store’s answer and its own commit has forwarded once', async () => {
    const world = await givenOutbox();
    const { store, relay, pool } = world.writer();
    const { fact } = sampleConnector();
    await world.remoteProxy.refuse();
    const events = many(4, () => fact());
    await store.append(events);
    await world.remoteProxy.recover();
    // The rows are locked by another session, so that the relay gets stuck where it wants to delete them.
    const blocker = await world.pool.connect();
    await blocker.query('BEGIN');
    await blocker.query('SELECT FROM connector_outbox FOR UPDATE');
    const draining = relay.drain({ force: true });
    await eventually(async () => expect(await world.stored()).toHaveLength(4));
    await world.pool.query(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND query LIKE 'DELETE FROM connector_outbox%'`,
    );
    expect(await draining).toBe('waiting');
    await blocker.query('ROLLBACK');
    blocker.release();
    expect(await world.table.status()).toMatchObject({ waiting: 4 });

    await eventually(async () => expect(await relay.drain({ force: true })).toBe('empty'));

    expect(idsOf(await world.stored())).toEqual(idsOf(events));
    expect(pool.totalCount).toBeLessThanOrEqual(4);
  });

  it('that is frozen in the middle of a batch holds up the others for a while, and not for good', async () => {
    const { pool } = await givenOutbox();
    const frozen = inRelayTransaction(
      pool,
      async queries => {
        await queries.tryLock();
        await queries.keepOthersOut();
        // As a function whose response has been sent: it goes on when it thaws.
        await eventually(async () => expect(await isFree()).toBe(true));
        await queries.oldest(1);
      },
      200,
    );
    const isFree = () => inRelayTransaction(pool, queries => queries.tryLock());

    await expect(frozen).rejects.toThrow(/terminat|connection error/);
    expect(await isFree()).toBe(true);
  });

  it('sets aside what the store calls invalid, and nothing waits for it', async () => {
    const world = await givenOutbox();
    const { store, relay, log } = world.writer();
    const { fact } = sampleConnector();
    await world.remoteProxy.refuse();
    const events = many(9, () => fact());
    await store.append(events);
    const poisoned = [events[0], events[4], events[8]].map(event => event?.id);
    await world.pool.query(
      `UPDATE connector_outbox SET envelope = CASE WHEN event_id = $1
         THEN jsonb_set(envelope, '{data,durationMs}', '"soon"')
         ELSE jsonb_set(envelope, '{type}', '"FromTomorrow"') END
       WHERE event_id = ANY($2::uuid[])`,
      [poisoned[0], poisoned],
    );
    await world.pool.query(
      `INSERT INTO connector_outbox (event_id, stream, envelope) VALUES (gen_random_uuid(), 'connector_state-x', 'null')`,
    );
    await world.remoteProxy.recover();

    expect(await relay.drain({ force: true })).toBe('empty');

    const healthy = events.filter(({ id }) => !poisoned.includes(id));
    expect(idsOf(await world.stored())).toEqual(idsOf(healthy));
    expect(await world.table.status()).toMatchObject({
      waiting: 0,
      dead: 4,
      lastDeadError: expect.any(String),
    });
    expect(relay.counters).toMatchObject({ dead: 4, forwarded: 6 });
    expect(log.messages('error')).toHaveLength(4);
    // Mended, it goes on its way.
    await world.pool.query(
      `UPDATE connector_outbox SET envelope = jsonb_set(envelope, '{data,durationMs}', '12') WHERE event_id = $1`,
      [poisoned[0]],
    );
    expect(await world.table.reviveDead()).toBe(4);
    await relay.drain({ force: true });
    expect(idsOf(await world.stored())).toContain(poisoned[0]);
    expect(await world.table.status()).toMatchObject({ waiting: 0, dead: 3 });
  });

  it('finds what only the store calls invalid by halving the batch', async () => {
    const world = await givenOutbox();
    const { store } = world.writer({ relay: false });
    const { fact, stateStream } = sampleConnector();
    await world.remoteProxy.refuse();
    const events = many(8, () => fact());
    await store.append(events);
    // Valid by its schema, and yet not what a store takes: its stream is not one of ours.
    await world.pool.query(
      `UPDATE connector_outbox SET envelope = jsonb_set(envelope, '{stream}', '"somebody-else"') WHERE event_id = $1`,
      [events[5]?.id],
    );
    await world.remoteProxy.recover();
    const { relay } = world.writer();

    expect(await relay.drain({ force: true })).toBe('empty');

    expect(idsOf(await store.readStream(stateStream))).toEqual(
      idsOf(events.filter((_, index) => index !== 5)),
    );
    expect(relay.counters).toMatchObject({ forwarded: 7, dead: 1 });
  });

  it('gives way to direct appends again although others never cease to append', async () => {
    const world = await givenOutbox();
    const { store, relay } = world.writer();
    const busy = many(3, () => world.writer({ relay: false }));
    await world.remoteProxy.refuse();
    await store.append([sampleConnector().fact()]);
    await world.remoteProxy.recover();
    let isOver = false;
    const appending = busy.map(async writer => {
      const { fact } = sampleConnector();
      while (!isOver) await writer.store.append([fact()]);
    });

    try {
      await eventually(async () => expect(await relay.drain({ force: true })).toBe('empty'));
      await eventually(async () => {
        for (const { appends } of busy) expect(appends()).toBeGreaterThan(0);
      });
    } finally {
      isOver = true;
      await Promise.all(appending);
    }
    expect(await world.table.status()).toMatchObject({ waiting: 0 });
  });

  it('does not hold up every flush while the store hangs', async () => {
    const world = await givenOutbox();
    const { store, relay } = world.writer({
      storeTimeoutMs: 20_000,
      relayOptions: { appendTimeoutMs: 20_000 },
    });
    const { fact } = sampleConnector();
    await store.append([fact()]);
    world.remoteProxy.behave('hang');
    await store.append([fact()]);
    let isTrying = true;
    void relay.drain({ force: true }).finally(() => {
      isTrying = false;
    });
    await pause(600);

    for (let flush = 0; flush < 20; flush++) expect(await store.append([fact()])).toEqual(WAITING(1));

    // The relay's one attempt was still under way, so nobody waited for its end.
    expect(isTrying).toBe(true);
    expect(await world.table.status()).toMatchObject({ waiting: 21 });
  });
});

describe('reading a stream of which a part waits', () => {
  async function givenStream() {
    const world = await givenOutbox();
    const writer = world.writer({ relay: false });
    const { fact, hit, stateStream, hitsStream } = sampleConnector();
    const stored = many(3, () => fact());
    await writer.store.append([...stored, hit()]);
    await world.remoteProxy.refuse();
    const waiting = many(3, () => fact());
    await writer.store.append([hit(), ...waiting]);
    await world.remoteProxy.recover();
    return { ...writer, world, stateStream, hitsStream, ids: idsOf([...stored, ...waiting]), waiting };
  }

  it('shows it behind what is stored, in either direction, in pages', async () => {
    const { store, stateStream, ids } = await givenStream();

    const forwards = await store.readStream(stateStream);
    expect(idsOf(forwards)).toEqual(ids);
    expect(forwards.map(({ version }) => version)).toEqual([1, 2, 3, 4, 5, 6]);
    expect(forwards.every(({ decoded }) => decoded === 'known')).toBe(true);
    const backwards = await store.readStream(stateStream, { direction: 'backwards' });
    expect(idsOf(backwards)).toEqual([...ids].reverse());
    for (const limit of [1, 2, 3, 4, 5, 7]) {
      const paged: string[] = [];
      for (;;) {
        const page = await store.readStream(stateStream, { fromVersion: paged.length + 1, limit });
        paged.push(...idsOf(page));
        if (page.length < limit) break;
      }
      expect(paged).toEqual(ids);
      const top = await store.readStream(stateStream, { direction: 'backwards', fromVersion: 5, limit });
      expect(idsOf(top)).toEqual(ids.slice(0, 5).reverse().slice(0, limit));
    }
  });

  it('its positions sort behind those of the store, in the order of recording', async () => {
    const { store, stateStream, hitsStream, ids } = await givenStream();
    const events = [...(await store.readStream(hitsStream)), ...(await store.readStream(stateStream))];

    const sorted = events.sort((a, b) => store.compare(a.position, b.position));

    expect(idsOf(sorted.filter(({ stream }) => stream === stateStream))).toEqual(ids);
    expect(sorted.map(({ type }) => type === 'ConnectorStateHit')).toEqual([
      false,
      false,
      false,
      true,
      true,
      false,
      false,
      false,
    ]);
    expect(store.compare(undefined, sorted.at(-1)?.position)).toBe(-1);
    expect(store.compare(sorted.at(-1)?.position, undefined)).toBe(1);
  });

  it('shows an event once that is stored already and still waits', async () => {
    const { store, stateStream, ids, world, waiting } = await givenStream();
    const twin = world.writer();
    const { rows } = await world.pool.query('SELECT * FROM connector_outbox ORDER BY id');
    await twin.relay.drain({ force: true });
    for (const { id, event_id, stream, envelope } of rows) {
      await world.pool.query(
        'INSERT INTO connector_outbox (id, event_id, stream, envelope) VALUES ($1, $2, $3, $4)',
        [id, event_id, stream, envelope],
      );
    }
    expect(await world.table.status()).toMatchObject({ waiting: waiting.length + 1 });

    expect(idsOf(await store.readStream(stateStream))).toEqual(ids);
    expect(idsOf(await store.readStream(stateStream, { direction: 'backwards', limit: 2 }))).toEqual(
      ids.slice(-2).reverse(),
    );
  });

  it('of which nothing is stored', async () => {
    const world = await givenOutbox();
    const { store } = world.writer({ relay: false });
    const { fact, stateStream } = sampleConnector();
    await world.remoteProxy.refuse();
    const events = many(2, () => fact());
    await store.append(events);
    await world.remoteProxy.recover();

    expect(idsOf(await store.readStream(stateStream))).toEqual(idsOf(events));
    expect(idsOf(await store.readStream(stateStream, { direction: 'backwards' }))).toEqual(
      idsOf(events).reverse(),
    );
    expect(await store.readStream(stateStream, { fromVersion: 3 })).toEqual([]);
  });
});
