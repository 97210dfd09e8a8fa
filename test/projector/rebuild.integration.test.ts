import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import {
  cacheUsage,
  connectorStateCache,
  driftHourly,
  driftSample,
  exchangeClock,
  projections,
} from '../../projections/index.js';
import type { EventStore } from '../../src/event-store/event-store.js';
import type { NewEvent, Position } from '../../src/events/event.js';
import { cleaned, hit, id, synced, T0 } from '../support/facts.js';
import { createHarness, type Harness, liveAndExpected, until } from './harness.js';
import { clientThatBreaks, clientThatDoesNotQueue } from './odd-clients.js';

let harness: Harness;
beforeEach(async () => {
  harness = await createHarness();
});
afterEach(() => harness.close());

const MONTH_MS = 31 * 86_400_000;
const aHistory = (n = 60): NewEvent[] =>
  Array.from({ length: n }, (_, i) =>
    i % 3 === 2
      ? hit({ userId: `user${i % 10}` })
      : synced({ userId: `user${i % 10}`, measuredAt: T0 + (i % 4) * MONTH_MS + i, offsetMs: i / 7 }),
  );

const temporaryTables = async () =>
  (await harness.pool.query(`SELECT relname FROM pg_class WHERE relname LIKE 'rebuilt%'`)).rows;

/** How many sessions wait in a statement like this. */
const waiting = async (statement: string) => {
  const { rowCount } = await harness.pool.query(
    `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
      AND query LIKE $1 AND pid <> pg_backend_pid()`,
    [statement],
  );
  return rowCount;
};

const NOTHING_DIFFERS = {
  connector_state_cache: 0,
  exchange_clock: 0,
  drift_sample: 0,
  drift_hourly: 0,
  cache_usage: 0,
  shadow_outcome: 0,
  usage_forecast: 0,
  clock_usage_forecast: 0,
};

describe('rebuild', () => {
  it('promise 2: finds the live rows equal to those made from the first event', async () => {
    await harness.append(...aHistory(), cleaned({ cutoff: T0 + MONTH_MS }));
    const projector = harness.projector({ pageSize: 7 });
    await projector.catchUp();
    const progress: number[] = [];

    const result = await projector.rebuild({ onProgress: ({ done, total }) => progress.push(done / total) });

    expect(result).toMatchObject({ events: 61, differing: NOTHING_DIFFERS, deadLetters: 0 });
    expect(result.rows[driftSample.name]).toBe(40);
    expect(progress.length).toBeGreaterThanOrEqual(9);
    expect(progress.at(-1)).toBe(1);
    expect(await temporaryTables()).toEqual([]);
  });

  it('heals rows that were changed, lost or made up, in every table and partition', async () => {
    await harness.append(...aHistory());
    const projector = harness.projector();
    await projector.catchUp();
    const before = await liveAndExpected(harness);
    await harness.pool.query(`
      UPDATE connector_state_cache SET time_offset = 'NaN', expires_at = 'infinity' WHERE user_id = 'user1';
      DELETE FROM connector_state_cache WHERE user_id = 'user2';
      INSERT INTO connector_state_cache SELECT (jsonb_populate_record(s,
        '{"id": "00000000-0000-7000-8000-00000000dead", "cache_key": "made_up"}')).*
        FROM connector_state_cache s WHERE user_id = 'user3';
      UPDATE exchange_clock SET is_valid = false;
      DELETE FROM drift_sample WHERE sampled_at >= to_timestamp(${T0 / 1000}) + interval '2 months';
      UPDATE cache_usage SET hits = hits + 1;`);
    expect(await projector.verify()).toMatchObject({
      equal: false,
      tables: [
        { name: 'connector_state_cache', differing: 3 },
        { name: 'exchange_clock', differing: 1 },
        { name: 'drift_sample' },
        { name: 'drift_hourly' },
        { name: 'cache_usage' },
        { name: 'shadow_outcome', differing: 0 },
        { name: 'usage_forecast', differing: 0 },
        { name: 'clock_usage_forecast', differing: 0 },
      ],
    });

    const { differing } = await projector.rebuild();

    expect(differing).toMatchObject({ connector_state_cache: 3, exchange_clock: 1 });
    expect(differing.drift_sample).toBeGreaterThan(0);
    expect(await liveAndExpected(harness)).toEqual(before);
    expect(await projector.verify()).toMatchObject({ equal: true });
  });

  it('takes no notice of columns that somebody added to its tables, and of their keys', async () => {
    await harness.append(...aHistory());
    const projector = harness.projector();
    await projector.catchUp();
    const before = await liveAndExpected(harness);
    for (const table of [...projections.map(each => each.table.name), 'projection_dead_letter']) {
      await harness.pool.query(`ALTER TABLE ${table} ADD COLUMN team text NOT NULL DEFAULT 'desk'`);
    }
    await harness.pool.query('ALTER TABLE connector_state_cache ADD COLUMN number bigserial UNIQUE');

    expect(await projector.verify()).toMatchObject({ equal: true });
    expect(await projector.rebuild()).toMatchObject({ differing: NOTHING_DIFFERS, deadLetters: 0 });
    expect(await liveAndExpected(harness)).toEqual(before);
  });

  it('finds what is missing because of a column that somebody added, and changes nothing', async () => {
    await harness.append(synced({ userId: 'a' }));
    const projector = harness.projector();
    await harness.pool.query('ALTER TABLE connector_state_cache ADD COLUMN team text NOT NULL');
    await projector.catchUp();

    expect(await projector.deadLetters()).toMatchObject([{ error: expect.stringContaining('"team"') }]);
    expect(await projector.verify()).toMatchObject({ equal: false });
    await expect(projector.rebuild()).rejects.toThrow('"team"');
    expect(await projector.deadLetters()).toHaveLength(1);
  });

  it('heals rows whose ids were swapped', async () => {
    await harness.append(synced({ id: id(1), userId: 'a' }), synced({ id: id(2), userId: 'b' }));
    const projector = harness.projector();
    await projector.catchUp();
    await harness.pool.query(`
      UPDATE connector_state_cache SET id = '${id(3)}' WHERE id = '${id(1)}';
      UPDATE connector_state_cache SET id = '${id(1)}' WHERE id = '${id(2)}';
      UPDATE connector_state_cache SET id = '${id(2)}' WHERE id = '${id(3)}';`);

    expect((await projector.rebuild()).differing).toMatchObject({ connector_state_cache: 2 });

    expect(await projector.verify()).toMatchObject({ equal: true });
  });

  it('rebuilds only what was asked for', async () => {
    await harness.append(...aHistory());
    const projector = harness.projector();
    await projector.catchUp();
    await harness.pool.query('UPDATE exchange_clock SET epoch = 99; UPDATE cache_usage SET hits = 99');

    const result = await projector.rebuild({ projections: ['exchange_clock'] });

    expect(result.differing).toEqual({ exchange_clock: 1 });
    expect(await harness.rows(cacheUsage)).toContainEqual(expect.objectContaining({ hits: 99 }));
    await expect(projector.rebuild({ projections: ['nonsense'] })).rejects.toMatchObject({
      code: 'INVALID_INPUT',
      message: expect.stringContaining('cache_usage'),
    });
  });

  it('goes on beside a live projector, writers and lookups, and loses nothing', async () => {
    await harness.append(...aHistory(300));
    const live = harness.projector({ pageSize: 10 });
    const stop = new AbortController();
    const running = live.run({ signal: stop.signal });
    await until('the live projector', () => live.counters.events >= 300);
    const seen = new Set<number>();
    const work = async (task: () => Promise<void>) => {
      while (!stop.signal.aborted) await task();
    };
    let appended = 300;
    const writing = work(async () => {
      await harness.append(...aHistory(9));
      appended += 9;
      await until('the live projector', () => live.counters.events >= appended || stop.signal.aborted);
    });
    const reading = work(async () => {
      const { rows } = await harness.pool.query('SELECT count(*)::int AS n FROM connector_state_cache');
      seen.add(rows[0].n);
    });
    try {
      for (let round = 0; round < 3; round++) {
        const { differing } = await harness.projector({ pageSize: 50 }).rebuild();
        expect(differing).toEqual(NOTHING_DIFFERS);
      }
      expect(await harness.projector().verify()).toMatchObject({ equal: true });
    } finally {
      stop.abort();
      await Promise.all([running, writing, reading]);
    }

    expect([...seen]).toEqual([10]);
    await harness.projector().catchUp();
    const { live: rows, expected } = await liveAndExpected(harness);
    expect(rows).toEqual(expected);
  });

  it('two at once end well', async () => {
    await harness.append(...aHistory());
    await harness.projector().catchUp();

    const results = await Promise.all([harness.projector().rebuild(), harness.projector().rebuild()]);

    expect(results.map(({ differing }) => differing)).toEqual([NOTHING_DIFFERS, NOTHING_DIFFERS]);
  });

  it('folds no event twice when another was slower to switch, up to an earlier head', async () => {
    await harness.append(...aHistory());
    for (const { name } of projections) {
      await harness.pool.query(
        'INSERT INTO projection_checkpoint (projection, version, events, updated_at) VALUES ($1, 0, 0, now())',
        [name],
      );
    }
    await harness.asAnother(async holder => {
      await holder.query('BEGIN; LOCK TABLE cache_usage IN SHARE MODE');
      const first = harness.projector().rebuild();
      await until('the first waits to switch', async () => (await waiting('DELETE FROM cache_usage%')) === 1);
      await harness.append(...aHistory());
      // As a rebuild does that does not know of the first: without the queue, and with all of the log folded.
      const second = harness.projector({ createClient: () => clientThatDoesNotQueue(harness.url) }).rebuild();
      await until('the second waits for the checkpoints', async () => (await waiting('%FOR UPDATE%')) === 1);
      await holder.query('COMMIT');
      await Promise.all([first, second]);
    });

    const { rows } = await harness.pool.query('SELECT DISTINCT position FROM projection_checkpoint');
    expect(rows).toEqual([{ position: await harness.store.head() }]);
    await harness.append(hit());
    await harness.projector().catchUp();
    const { live, expected } = await liveAndExpected(harness);
    expect(live).toEqual(expected);
  });

  it.each(['before', 'after'] as const)(
    'leaves the old or the new when its connection breaks %s any statement',
    async when => {
      await harness.append(...aHistory());
      await harness.projector().catchUp();
      let completed = false;
      for (let statement = when === 'before' ? 0 : 2; !completed; statement += 5) {
        await harness.pool.query('UPDATE cache_usage SET hits = hits + 1');
        await harness.append(hit({ count: 1 }));
        completed = await harness
          .projector({ createClient: () => clientThatBreaks(harness.url, statement, when) })
          .rebuild()
          .then(
            () => true,
            () => false,
          );
        // Whoever comes next goes on from a checkpoint and rows that belong together.
        await harness.projector().rebuild();
        expect(await harness.projector().verify()).toMatchObject({ equal: true });
      }
      const { live, expected } = await liveAndExpected(harness);
      expect(live).toEqual(expected);
    },
    120_000,
  );

  it('tells how much there is to do before it folds anything', async () => {
    await harness.append(...aHistory());
    const told: unknown[] = [];
    await harness.projector().rebuild({ onProgress: progress => told.push(progress) });
    expect(told[0]).toEqual({ done: 0, total: aHistory().length });
  });

  it('aborted half-way changes and leaves nothing', async () => {
    await harness.append(...aHistory());
    const projector = harness.projector({ pageSize: 5 });
    await projector.catchUp();
    await harness.pool.query('UPDATE connector_state_cache SET time_offset = 4711');
    const before = await harness.rows(connectorStateCache);
    const stop = new AbortController();

    const rebuilding = projector.rebuild({
      signal: stop.signal,
      onProgress: ({ done }) => done >= 30 && stop.abort(new Error('Ctrl-C')),
    });

    await expect(rebuilding).rejects.toThrow('Ctrl-C');
    expect(await harness.rows(connectorStateCache)).toEqual(before);
    expect(await temporaryTables()).toEqual([]);
  });

  it('aborted while it waits for the checkpoints ends at once', async () => {
    await harness.append(...aHistory());
    const projector = harness.projector();
    await projector.catchUp();
    const stop = new AbortController();

    await harness.asAnother(async other => {
      await other.query('BEGIN; SELECT FROM projection_checkpoint FOR UPDATE');
      const rebuilding = projector.rebuild({ signal: stop.signal });
      const failed = expect(rebuilding).rejects.toThrow('Ctrl-C');
      await until('the wait', async () => {
        const { rows } = await harness.pool.query('SELECT FROM pg_locks WHERE NOT granted');
        return rows.length > 0;
      });
      stop.abort(new Error('Ctrl-C'));
      await failed;
    });
    expect(await projector.verify()).toMatchObject({ equal: true });
  });

  it('fills a table that is new in this release together with one whose version has changed', async () => {
    await harness.append(...aHistory());
    const old = projections.filter(projection => projection !== driftHourly);
    await harness.projector({ projections: old }).catchUp();
    await harness.pool.query(
      `UPDATE projection_checkpoint SET version = 1 WHERE projection = 'drift_sample'`,
    );
    await expect(harness.projector().catchUp()).rejects.toMatchObject({
      code: 'PROJECTION_FAILED',
      message: expect.stringContaining('connector-state rebuild'),
    });

    const { differing } = await harness.projector().rebuild();

    expect(differing).toMatchObject({ ...NOTHING_DIFFERS, drift_hourly: expect.any(Number) });
    expect(differing.drift_hourly).toBeGreaterThan(0);
    const caughtUp = harness.projector();
    expect(await caughtUp.catchUp()).toMatchObject({ events: 0, caughtUp: true });
    expect(await caughtUp.verify()).toMatchObject({ equal: true });
  });

  it('of a new version switches table and version in one step', async () => {
    await harness.append(...aHistory());
    const old = harness.projector();
    await old.catchUp();
    const changed = projections.map(projection =>
      projection.name === exchangeClock.name
        ? {
            ...projection,
            version: projection.version + 1,
            evolve(...args: Parameters<typeof projection.evolve>) {
              const row = projection.evolve(...args);
              return row && { ...row, epoch: 42 };
            },
          }
        : projection,
    );
    const next = harness.projector({ projections: changed });
    await harness.append(hit());
    await expect(next.catchUp()).rejects.toMatchObject({ code: 'PROJECTION_FAILED' });

    expect((await next.rebuild({ projections: ['exchange_clock'] })).differing).toEqual({
      exchange_clock: 1,
    });

    expect(await harness.rows(exchangeClock)).toMatchObject([{ epoch: 42 }]);
    expect(await next.lag()).toMatchObject({ events: 0 });
    await expect(old.catchUp({ until: 'pg/999999' as Position })).rejects.toMatchObject({
      code: 'PROJECTION_FAILED',
      message: expect.stringContaining('upgrade'),
    });
  });

  it('strict gives up at the first event that cannot be projected, and changes nothing', async () => {
    await harness.append(synced({ samples: 3_000_000_000 }), synced({ userId: 'b' }));
    const projector = harness.projector();
    await projector.catchUp();
    await harness.pool.query('DELETE FROM connector_state_cache');

    await expect(projector.rebuild({ strict: true })).rejects.toMatchObject({
      code: 'PROJECTION_FAILED',
      message: expect.stringContaining('sample_count'),
    });

    expect(await harness.rows(connectorStateCache)).toEqual([]);
  });

  it('makes the rows anew from another event store', async () => {
    await harness.append(...aHistory());
    await harness.projector().catchUp();
    const rename = (position: Position | undefined) => position?.replace(/^pg/, 'other') as Position;
    const back = (position: Position | undefined) => position?.replace(/^other/, 'pg') as Position;
    const { store } = harness;
    const other: EventStore = {
      ...store,
      name: 'other',
      readAll: async ({ after, limit }) =>
        (await store.readAll({ after: back(after), limit })).map(event => ({
          ...event,
          position: rename(event.position),
        })),
      readFrom: async ({ after, limit }) => {
        const { at, events } = await store.readFrom({ after: back(after), limit });
        return {
          at: at && { id: at.id, position: rename(at.position) },
          events: events.map(event => ({ ...event, position: rename(event.position) })),
        };
      },
      head: async () => rename(await store.head()),
      last: async () => {
        const last = await store.last();
        return last && { id: last.id, position: rename(last.position) };
      },
      countAfter: position => store.countAfter(back(position)),
      compare(a, b) {
        for (const position of [a, b]) if (position?.startsWith('pg/')) throw new Error('not mine');
        return store.compare(back(a), back(b));
      },
    };
    const projector = harness.projector({ store: other });
    await expect(projector.catchUp()).rejects.toThrow('run `connector-state rebuild`');

    await projector.rebuild();

    expect(await projector.verify()).toMatchObject({ equal: true });
    expect(await projector.catchUp()).toMatchObject({ caughtUp: true, events: 0 });
  });
});

describe('promise 9: a row that holds nonsense', () => {
  it('is healed by the next sync', async () => {
    await harness.append(synced({ measuredAt: T0 }));
    const projector = harness.projector();
    await projector.catchUp();
    await harness.pool.query(`
      UPDATE connector_state_cache SET time_offset = 'NaN', uncertainty_ms = '-Infinity', expires_at = 'infinity',
        last_sync_time = 'infinity', created_at = '-infinity', last_hit_at = 'infinity', ttl_ms = -1, basis = '?';
      UPDATE exchange_clock SET time_offset = 'Infinity', measured_at = 'infinity', expires_at = '-infinity';`);
    await harness.append(
      hit(),
      synced({ trigger: 'corrupt', measuredAt: T0 + 1, offsetMs: 12, syncId: id(2) }),
    );

    await projector.catchUp();

    expect(await projector.deadLetters()).toEqual([]);
    expect(await harness.rows(connectorStateCache)).toMatchObject([
      { timeOffset: 12, syncId: id(2), lastSyncTime: T0 + 1, isValid: true, basis: 'measured' },
    ]);
    expect(await harness.rows(exchangeClock)).toMatchObject([{ timeOffset: 12, measuredAt: T0 + 1 }]);
  });
});
