/** Letting old hits go from PostgreSQL, step by step, and with everything else going on. */
import { setTimeout as pause } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { projections } from '../../projections/index.js';
import { isConnectorStateError } from '../../src/base/errors.js';
import type { TransferableEventStore } from '../../src/event-store/event-store.js';
import { createEventStoreDbStore } from '../../src/event-store/eventstoredb/index.js';
import { copyLog } from '../../src/event-store/transfer/copy.js';
import { SCHEMA_VERSIONS } from '../../src/events/catalogue.js';
import type { Position } from '../../src/events/event.js';
import { FORGOTTEN_STREAM } from '../../src/events/streams.js';
import { openReplay } from '../../src/projector/forgotten/replay.js';
import { startTestServer } from '../support/esdb-server/index.js';
import { cleaned, hit, shadowed, synced } from '../support/facts.js';
import { createHarness, type Harness, liveAndExpected, until } from './harness.js';

let harness: Harness;
beforeEach(async () => {
  harness = await createHarness();
});
afterEach(() => harness.close());

const HOUR_MS = 3_600_000;
const everything = () => Date.now() + HOUR_MS;

async function listOf<T>(items: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = [];
  for await (const item of items) list.push(item);
  return list;
}

const types = async () =>
  (await harness.store.readAll({ after: undefined, limit: 100 })).map(({ type }) => type);

describe('forgetting hits', () => {
  it('keeps their sums in their places, and drops them', async () => {
    await harness.append(synced(), hit({ count: 3 }), hit({ count: 4 }), hit({ tier: 'memory' }), shadowed());
    await harness.append(synced(), hit({ count: 5 }));
    const projector = harness.projector();
    await projector.catchUp();
    const { live } = await liveAndExpected(harness);

    const planned = await projector.forgetHits({ before: everything(), by: 'test', dryRun: true });
    expect(planned).toMatchObject({ forgotten: 4, sums: 3, dropped: 0 });
    expect(await types()).toHaveLength(7);
    const result = await projector.forgetHits({ before: everything(), by: 'test' });

    expect(result).toMatchObject({ forgotten: 4, sums: 3, dropped: 4 });
    // What lies behind the last event that is kept waits for the next.
    expect(await types()).toEqual([
      'ConnectorSynced',
      'ConnectorSynced',
      'ConnectorStateHit',
      'HitsForgotten',
    ]);
    expect(await projector.verify()).toMatchObject({ equal: true });
    expect(Object.values((await projector.rebuild()).differing)).toEqual(projections.map(() => 0));
    expect((await liveAndExpected(harness)).live).toEqual(live);
    expect(await projector.forgetHits({ before: everything(), by: 'test' })).toMatchObject({
      forgotten: 1,
      dropped: 1,
    });
    expect(await projector.forgetHits({ before: everything(), by: 'test' })).toMatchObject({
      forgotten: 0,
      dropped: 0,
    });
    expect(await projector.verify()).toMatchObject({ equal: true });
  });

  it('keeps whose hits they were, and of which scope', async () => {
    const by = (host: string, count: number, scope = 'default') => ({ ...hit({ count, scope }), host });
    await harness.append(synced(), by('node-1/1', 1), by('node-2/1', 2), by('node-1/2', 4));
    await harness.append(by('node-1/1', 8, 'https://proxy.example'), synced());
    const projector = harness.projector();
    await projector.catchUp();
    const counted = async () =>
      (
        await harness.pool.query(
          'SELECT scope, machine, hits::int FROM cache_usage WHERE hits > 0 ORDER BY scope, machine',
        )
      ).rows;
    const before = await counted();

    expect(await projector.forgetHits({ before: everything(), by: 'test' })).toMatchObject({ sums: 3 });

    expect(Object.values((await projector.rebuild()).differing)).toEqual(projections.map(() => 0));
    expect(await counted()).toEqual(before);
    expect(before).toEqual([
      { scope: 'default', machine: 'node-1', hits: 5 },
      { scope: 'default', machine: 'node-2', hits: 2 },
      { scope: 'https://proxy.example', machine: 'node-1', hits: 8 },
    ]);
  });

  it('records as many sums at a time as memory is to hold, and leaves the same rows', async () => {
    const before = everything();
    const days = Array.from({ length: 6 }, (_, n) => [synced(), hit({ count: n + 1 })]).flat();
    await (harness.store as TransferableEventStore).importRaw(
      [...days, synced()].map((event, n) => ({
        ...event,
        data: { ...event.data },
        schemaVersion: SCHEMA_VERSIONS[event.type],
        recordedAt: before + (n - 13) * HOUR_MS,
        version: Math.floor(n / 2) + 1,
        position: `pg/${n + 1}` as unknown as Position,
      })),
    );
    const projector = harness.projector();
    await projector.catchUp();
    const { live } = await liveAndExpected(harness);

    const planned = await projector.forgetHits({ before, by: 'test', dryRun: true, sumsAtOnce: 2 });
    const result = await projector.forgetHits({ before, by: 'test', sumsAtOnce: 2 });

    expect(planned).toEqual({ forgotten: 6, sums: 6, before, dropped: 0 });
    expect(result).toEqual({ forgotten: 6, sums: 6, before, dropped: 6 });
    const parts = (await harness.store.readStream(FORGOTTEN_STREAM, {})).map(({ data }) => data);
    expect(parts.map(part => (part as { entries: unknown[] }).entries.length)).toEqual([2, 2, 2]);
    // A server ends a transaction that stands idle for a minute, which millions of sums take.
    let signsOfLife = 0;
    const isAlive = async () => {
      signsOfLife += 1;
    };
    const replay = await openReplay(harness.store, isAlive);
    expect(signsOfLife).toBe(3);
    // A page whose hits are gone may stand for more sums than memory is to hold: slice by slice it is the same.
    const inSlices = await openReplay(harness.store, isAlive, 1);
    const events = await harness.store.readAll({ after: undefined, limit: 100 });
    const page = { after: undefined, events, position: events.at(-1)?.position };
    const [whole] = await listOf(replay.slicesOf(page));
    const slices = await listOf(inSlices.slicesOf(page));
    expect(slices.length).toBe(4);
    expect(Math.max(...slices.map(slice => slice.events.length))).toBeLessThan(whole?.events.length ?? 0);
    expect(slices.flatMap(slice => slice.events)).toEqual(whole?.events);
    expect(slices.flatMap(({ read = [] }) => read)).toEqual(events);
    expect(slices.map(({ after }) => after)).toEqual([
      undefined,
      ...slices.slice(0, -1).map(slice => slice.position),
    ]);
    expect(await projector.verify()).toMatchObject({ equal: true });
    for (const { table } of projections) await harness.pool.query(`DELETE FROM ${table.name}`);
    await harness.projector({ pageSize: 3 }).rebuild();
    expect((await liveAndExpected(harness)).live).toEqual(live);
  });

  it('goes on from a checkpoint whose tail held nothing but hits that were forgotten', async () => {
    await harness.append(synced());
    for (let n = 0; n < 3; n++) await harness.append(...Array.from({ length: 60 }, () => hit()));
    await harness.projector().catchUp();
    await harness.append(cleaned());
    await harness.projector().catchUp();

    await harness.projector().forgetHits({ before: everything(), by: 'test' });

    await harness.append(hit(), synced());
    const another = harness.projector();
    expect(await another.catchUp()).toMatchObject({ caughtUp: true });
    expect((await another.lag()).events).toBe(0);
    expect(await another.verify()).toMatchObject({ equal: true });
  });

  it('refuses to go on from a checkpoint before what is forgotten, until the tables are made anew', async () => {
    await harness.append(synced(), hit(), synced());
    const projector = harness.projector();
    await projector.catchUp();
    const { live } = await liveAndExpected(harness);
    await projector.forgetHits({ before: everything(), by: 'test' });
    await harness.pool.query(`UPDATE projection_checkpoint SET position = 'pg/1', log_mark = NULL`);

    const failure = await harness
      .projector()
      .catchUp()
      .catch((error: unknown) => error);

    expect(isConnectorStateError(failure, 'PROJECTION_FAILED')).toBe(true);
    expect((failure as Error).message).toContain('connector-state rebuild');
    await harness.projector().rebuild();
    expect(await harness.projector().verify()).toMatchObject({ equal: true });
    const after = (await liveAndExpected(harness)).live;
    expect(after).toEqual(live);
  });

  it('a worker over a new database takes the sums into account by itself', async () => {
    await harness.append(synced(), hit({ count: 7 }), synced());
    const projector = harness.projector();
    await projector.forgetHits({ before: everything(), by: 'test' });
    const { live } = await liveAndExpected(harness);
    await harness.pool.query(
      'TRUNCATE projection_checkpoint, connector_state_cache, exchange_clock, cache_usage',
    );
    await harness.pool.query(
      'TRUNCATE drift_sample, drift_hourly, shadow_outcome, usage_forecast, clock_usage_forecast',
    );

    const stop = new AbortController();
    const running = harness.projector().run({ signal: stop.signal });
    await until('the rows are there', async () => {
      const { rows } = await harness.pool.query('SELECT hit_count FROM connector_state_cache');
      return rows[0]?.hit_count === '7';
    });
    stop.abort();
    await running;
    expect((await liveAndExpected(harness)).live).toEqual(live);
  });

  it('does nothing while the read tables have not applied what would go', async () => {
    await harness.append(synced(), hit(), synced());
    const stuck = {
      ...harness.store,
      logTable: undefined,
      readFrom: async () => ({ at: undefined, events: [] }),
    };

    const failure = await harness
      .projector({ store: stuck })
      .forgetHits({ before: everything(), by: 'test' })
      .catch((error: unknown) => error);

    expect(isConnectorStateError(failure, 'PROJECTION_FAILED')).toBe(true);
    expect(await types()).toEqual(['ConnectorSynced', 'ConnectorStateHit', 'ConnectorSynced']);
  });

  it('is what a worker does by itself, once the oldest is half as old again', async () => {
    await harness.append(synced(), hit(), synced());
    const projectorOf = (ends: AbortController, looks: number[]) =>
      harness.projector({
        async sleep(ms, signal) {
          if (ms >= 60_000) looks.push(ms);
          // Each look is made at once; behind the second the worker is stopped.
          if (looks.length === 3) ends.abort();
          signal?.throwIfAborted();
        },
      });
    const [first, young] = [new AbortController(), [] as number[]];
    await projectorOf(first, young).run({ signal: first.signal, hitsMaxAgeMs: HOUR_MS });
    expect(young).toEqual([60_000, HOUR_MS, HOUR_MS]);
    expect(await types()).toEqual(['ConnectorSynced', 'ConnectorStateHit', 'ConnectorSynced']);

    const second = new AbortController();
    await projectorOf(second, []).run({ signal: second.signal, hitsMaxAgeMs: 1 });
    expect(await types()).toEqual(['ConnectorSynced', 'ConnectorSynced', 'HitsForgotten']);
    expect(await harness.projector().forgottenBefore()).toBeGreaterThan(Date.now() - HOUR_MS);
    expect(await harness.projector().verify()).toMatchObject({ equal: true });
  });

  it('is exact with writers, rebuilds and other forgetters at it', async () => {
    const projector = () => harness.projector({ pageSize: 7 });
    let isOver = false;
    const write = async (userId: string) => {
      for (let n = 0; n < 60; n++) {
        await harness.append(
          hit({ userId }),
          hit({ userId, tier: 'memory' }),
          ...(n % 3 ? [] : [synced({ userId })]),
        );
        await projector().catchUp();
        await pause(2);
      }
    };
    const again = async (work: () => Promise<unknown>) => {
      while (!isOver) await work();
    };
    // A rebuild begins anew whenever something is forgotten, and must come to its end some time.
    const forget = async () => {
      await projector().forgetHits({ before: Date.now(), by: 'test' });
      await pause(300);
    };
    const others = Promise.all([
      again(forget),
      again(forget),
      again(() => projector().rebuild()),
      again(async () => expect(await projector().verify()).toMatchObject({ equal: true })),
    ]);
    await Promise.race([Promise.all([write('a'), write('b')]), others]);
    isOver = true;
    await others;

    await projector().catchUp();
    const { rows } = await harness.pool.query(
      'SELECT sum(hits)::int AS hits, (SELECT sum(hit_count)::int FROM connector_state_cache) AS counted FROM cache_usage',
    );
    // The first hits of a connector come before its first row.
    expect(rows).toEqual([{ hits: 240, counted: 240 - 4 }]);
    expect(await projector().verify()).toMatchObject({ equal: true });
    expect((await harness.store.readStream(FORGOTTEN_STREAM)).length).toBeGreaterThan(0);
  });

  // The fold asks what is forgotten, twice, when the checkpoints have been looked at and it has been asked once.
  it.each([2, 3])(
    'is no alarm of a verification whose snapshot is older than what was forgotten meanwhile, at its look %i',
    async look => {
      await harness.append(synced(), hit(), synced());
      await harness.projector().catchUp();
      let looks = 0;
      const meanwhile: Harness['store'] = {
        ...harness.store,
        async readStream(stream, options) {
          if (stream === FORGOTTEN_STREAM && ++looks === look) {
            await harness.append(hit(), hit(), synced());
            await harness.projector().forgetHits({ before: everything(), by: 'test' });
          }
          return harness.store.readStream(stream, options);
        },
      };

      expect(await harness.projector({ store: meanwhile }).verify()).toMatchObject({ equal: true });
      expect(looks).toBeGreaterThan(2 * look);
    },
  );

  it('leaves the partition as it was: immutable, unique, and to be written to', async () => {
    await harness.append(synced(), hit(), synced());
    for (let n = 0; n < 3; n++) {
      await harness.projector().forgetHits({ before: everything(), by: 'test' });
      const fact = hit();
      await harness.append(fact, synced());
      await harness.append(fact);
    }
    const { rows } = await harness.pool.query('SELECT count(*)::int AS count FROM connector_event_hits');
    expect(rows).toEqual([{ count: 1 }]);
    for (const statement of ['DELETE FROM', 'TRUNCATE']) {
      await expect(harness.pool.query(`${statement} connector_event_hits`)).rejects.toMatchObject({
        code: '23001',
      });
    }
    const { rows: constraints } = await harness.pool.query(
      `SELECT contype, count(*)::int AS count FROM pg_constraint
        WHERE conrelid = 'connector_event_hits'::regclass AND contype IN ('p', 'u', 'c') GROUP BY 1 ORDER BY 1`,
    );
    expect(constraints).toEqual([
      { contype: 'c', count: 2 },
      { contype: 'p', count: 1 },
      { contype: 'u', count: 1 },
    ]);
    const { rows: indexes } = await harness.pool.query(
      `SELECT parent.relname FROM pg_index x
         LEFT JOIN pg_inherits i ON i.inhrelid = x.indexrelid LEFT JOIN pg_class parent ON parent.oid = i.inhparent
        WHERE x.indrelid = 'connector_event_hits'::regclass AND x.indisunique ORDER BY 1`,
    );
    expect(indexes.map(({ relname }) => relname)).toEqual([
      'connector_event_id_key',
      'connector_event_pkey',
      'connector_event_stream_version_forgettable_key',
    ]);
  });
});

describe('forgetting hits of EventStoreDB', () => {
  it('is exact before and after a scavenge, whatever was forgotten, and however often', async () => {
    const server = await startTestServer();
    const store = createEventStoreDbStore({ url: server.url });
    try {
      const projector = () => harness.projector({ store, pageSize: 7 });
      const dropped: number[] = [];
      for (let round = 0; round < 4; round++) {
        for (const userId of ['a', 'b']) {
          for (let n = 0; n < 9; n++) {
            await store.append([hit({ userId, count: n + 1 }), hit({ userId, tier: 'memory' })]);
            if (n % 4 === 0) await store.append([synced({ userId }), shadowed({ userId })]);
          }
        }
        await store.append([cleaned()]);
        await projector().catchUp();
        const { live } = await liveAndExpected(harness);
        const result = await projector().forgetHits({ before: everything(), by: 'test' });
        dropped.push(result.dropped);
        expect(await projector().verify()).toMatchObject({ equal: true });
        server.log.scavenge();

        expect(await projector().verify()).toMatchObject({ equal: true });
        expect(Object.values((await projector().rebuild()).differing)).toEqual(projections.map(() => 0));
        expect((await liveAndExpected(harness)).live).toEqual(live);
        expect(await projector().catchUp()).toMatchObject({ caughtUp: true });
      }
      expect(dropped.every(count => count > 0)).toBe(true);
      const { rows } = await harness.pool.query('SELECT sum(hits)::int AS hits FROM cache_usage');
      expect(rows).toEqual([{ hits: 4 * 2 * (45 + 9) }]);
      const left = await store.readAll({ after: undefined, limit: 1_000 });
      expect(left.filter(({ type }) => type === 'ConnectorStateHit').length).toBeLessThan(12);
    } finally {
      await store.close();
      await server.close();
    }
  }, 60_000);

  it('copies to another store with what was forgotten, and folds to the same rows there', async () => {
    await harness.append(synced(), hit({ count: 3 }), hit({ count: 4 }), synced(), hit({ count: 5 }));
    await harness.projector().forgetHits({ before: everything(), by: 'test' });
    await harness.append(hit({ count: 6 }));
    await harness.projector().catchUp();
    const { live } = await liveAndExpected(harness);
    const server = await startTestServer();
    const store = createEventStoreDbStore({ url: server.url });
    try {
      await copyLog({ from: harness.store as TransferableEventStore, to: store });
      await harness.projector({ store }).rebuild();

      const usage = (tables: object) => (tables as { cache_usage: unknown }).cache_usage;
      expect(usage((await liveAndExpected(harness)).live)).toEqual(usage(live));
      const { rows } = await harness.pool.query('SELECT hit_count::int FROM connector_state_cache');
      expect(rows).toEqual([{ hit_count: 18 }]);
      expect(await harness.projector({ store }).verify()).toMatchObject({ equal: true });
    } finally {
      await store.close();
      await server.close();
    }
  });
});
