import { randomBytes, randomUUID } from 'node:crypto';
import { afterEach, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { projections } from '../../../projections/index.js';
import type { TransferableEventStore } from '../../../src/event-store/event-store.js';
import { createPostgresEventStore } from '../../../src/event-store/postgres/index.js';
import { type CopyProgress, copyLog } from '../../../src/event-store/transfer/copy.js';
import { digestLog } from '../../../src/event-store/transfer/log-digest.js';
import type { RawEvent } from '../../../src/events/decode.js';
import type { Position } from '../../../src/events/event.js';
import { pg } from '../../../src/postgres/driver.js';
import { grantPrivileges } from '../../../src/read-model/grants.js';
import { many, sampleConnector } from '../../contract/sample-events.js';
import { createHarness, type Harness } from '../../projector/harness.js';
import { histories } from '../../projector/histories.js';

const opened: Harness[] = [];
afterEach(async () => {
  for (const harness of opened.splice(0)) await harness.close();
});

async function givenLog(): Promise<Harness & { readonly store: TransferableEventStore }> {
  const harness = await createHarness();
  opened.push(harness);
  return harness as Harness & { readonly store: TransferableEventStore };
}

/** A few connectors, in a mixed order, with what other releases wrote among them. */
async function givenSource(count = 60) {
  const source = await givenLog();
  const connectors = many(5, sampleConnector);
  for (let n = 0; n < count; n++) {
    const connector = connectors[(n * 7) % 5] as (typeof connectors)[number];
    await source.append(n % 3 === 0 ? connector.hit() : connector.fact({ correlationId: `init-${n}` }));
    // Aborted appends leave gaps in the numbering.
    if (n % 20 === 10) await source.pool.query(`SELECT nextval('connector_event_position')`);
  }
  const [{ stateStream }] = connectors as [(typeof connectors)[number]];
  await source.appendRaw({
    id: randomUUID(),
    stream: stateStream,
    type: 'FromTomorrow',
    data: { b: 1, a: [null] },
  });
  await source.appendRaw({
    id: randomUUID(),
    stream: stateStream,
    type: 'ConnectorSynced',
    data: { bad: true },
  });
  return source;
}

const all = (store: TransferableEventStore) => store.readRaw({ limit: 100_000 });

/** A store of another kind that holds the same, as far as a copy can see. */
function inOtherClothes(store: TransferableEventStore): TransferableEventStore {
  const disguise = (event: RawEvent): RawEvent => ({
    ...event,
    position: event.position.replace('pg/', 'other/') as Position,
  });
  const undo = (position: Position | undefined) => position?.replace('other/', 'pg/') as Position | undefined;
  return {
    ...store,
    name: 'other',
    async readRaw({ after, limit }) {
      return (await store.readRaw({ after: undo(after), limit })).map(disguise);
    },
    compare: (a, b) => store.compare(undo(a), undo(b)),
    countAfter: position => store.countAfter(undo(position)),
  };
}

describe('a copy', () => {
  it('has everything: ids, order, times, metadata, schema versions, and what nobody here understands', async () => {
    const [source, target] = [await givenSource(), await givenLog()];

    const result = await copyLog({ from: source.store, to: target.store, pageSize: 7 });

    expect(result).toMatchObject({
      copied: 62,
      resumed: false,
      equal: true,
      sameOrder: true,
      events: { from: 62, to: 62 },
      differing: [],
    });
    // From PostgreSQL to PostgreSQL the positions too, gaps included.
    expect(await all(target.store)).toEqual(await all(source.store));
    // And the log goes on behind them.
    const { stateStream, fact } = sampleConnector();
    const { position } = await target.store.append([fact()]);
    expect(target.store.compare(position, await source.store.head())).toBe(1);
    expect(await target.store.readStream(stateStream)).toHaveLength(1);
  });

  it('from another kind of store has positions of its own, in the same order', async () => {
    const [source, target] = [await givenSource(), await givenLog()];

    const result = await copyLog({ from: inOtherClothes(source.store), to: target.store, pageSize: 7 });

    expect(result).toMatchObject({ equal: true, copied: 62 });
    const [a, b] = [await all(source.store), await all(target.store)];
    const withoutPosition = ({ position: _, ...event }: RawEvent) => event;
    expect(b.map(withoutPosition)).toEqual(a.map(withoutPosition));
    expect(b.map(({ position }) => position)).not.toEqual(a.map(({ position }) => position));
  });

  it('that was interrupted goes on where it stopped, without reading all again', async () => {
    const [source, target] = [await givenSource(), await givenLog()];
    const stop = new AbortController();
    const interrupted = copyLog({
      from: source.store,
      to: target.store,
      pageSize: 10,
      signal: stop.signal,
      onProgress: ({ done }) => done >= 30 && stop.abort(new Error('enough')),
    });
    await expect(interrupted).rejects.toThrow('enough');
    expect(await all(target.store)).toHaveLength(30);
    const imported: number[] = [];
    const watched: TransferableEventStore = {
      ...target.store,
      async importRaw(events) {
        imported.push(events.length);
        return target.store.importRaw(events);
      },
    };

    const result = await copyLog({ from: source.store, to: watched, pageSize: 10 });

    expect(imported).toEqual([10, 10, 10, 2]);
    expect(result).toMatchObject({ copied: 32, resumed: true, equal: true, events: { from: 62, to: 62 } });
  });

  it('of a page whose answer was lost stores it once', async () => {
    const [source, target] = [await givenSource(10), await givenLog()];
    const page = await all(source.store);

    await target.store.importRaw(page.slice(0, 8));
    await target.store.importRaw(page);

    expect(await all(target.store)).toEqual(page);
  });

  it('takes along what arrives meanwhile, says how far it is, and repeated has nothing to do', async () => {
    const [source, target] = [await givenSource(30), await givenLog()];
    const { fact } = sampleConnector();
    const seen: CopyProgress[] = [];

    const result = await copyLog({
      from: source.store,
      to: {
        ...target.store,
        async importRaw(events) {
          if (seen.length < 3) await source.store.append([fact(), fact()]);
          return target.store.importRaw(events);
        },
      },
      pageSize: 10,
      onProgress: progress => seen.push(progress),
    });

    expect(result).toMatchObject({ equal: true, copied: 38 });
    expect(seen.filter(({ stage }) => stage === 'copying').at(-1)).toMatchObject({ done: 38, total: 38 });
    expect(seen.at(-1)).toMatchObject({ stage: 'comparing', done: 38 });
    expect(seen.every(({ done, total }) => done <= total)).toBe(true);
    expect(await copyLog({ from: source.store, to: target.store })).toMatchObject({
      copied: 0,
      resumed: true,
      equal: true,
    });
  });

  it('of nothing is equal', async () => {
    const [source, target] = [await givenLog(), await givenLog()];
    expect(await copyLog({ from: source.store, to: target.store })).toMatchObject({ copied: 0, equal: true });
  });
});

describe('the comparison at the end', () => {
  const tampered: readonly [string, string][] = [
    ['data', `data = jsonb_set(data, '{durationMs}', '13')`],
    ['recordedAt', `recorded_at = recorded_at + interval '1 ms'`],
    ['occurredAt', `occurred_at = occurred_at + interval '1 ms'`],
    ['the host', `host = 'elsewhere'`],
    ['the correlation', 'correlation_id = NULL'],
    ['the id', 'event_id = gen_random_uuid()'],
    ['the schema version', 'schema_version = schema_version + 1'],
  ];

  it.each(tampered)('finds the stream in which %s was changed', async (_, change) => {
    const [source, target] = [await givenSource(20), await givenLog()];
    await copyLog({ from: source.store, to: target.store });
    // Not the first, by which logs are told apart beforehand.
    const victim = (await all(source.store)).findLast(({ type }) => type === 'ConnectorSyncFailed');
    await target.pool.query('ALTER TABLE connector_event_kept DISABLE TRIGGER ALL');
    await target.pool.query(`UPDATE connector_event_kept SET ${change} WHERE event_id = $1`, [victim?.id]);

    const result = await copyLog({ from: source.store, to: target.store });

    expect(result.equal).toBe(false);
    expect(result.differing.map(({ stream }) => stream)).toEqual([victim?.stream]);
  });

  it('finds streams that changed places', async () => {
    const [source, target] = [await givenSource(6), await givenLog()];
    const events = await all(source.store);
    // By stream instead of in global order.
    const sorted = [...events].sort((a, b) => (a.stream < b.stream ? -1 : a.stream > b.stream ? 1 : 0));
    await target.store.importRaw(sorted.map(event => ({ ...event, position: 'other/1' as Position })));
    const [from, to] = [
      await digestLog(source.store, { pageSize: 3 }),
      await digestLog(target.store, { pageSize: 5 }),
    ];

    expect(to.streams).toEqual(from.streams);
    expect(to.order).not.toBe(from.order);
  });
});

describe('a target that is something else', () => {
  it('is refused before anything is written', async () => {
    const [source, target] = [await givenSource(5), await givenLog()];
    await target.append(sampleConnector().fact());

    await expect(copyLog({ from: source.store, to: target.store })).rejects.toMatchObject({
      code: 'INVALID_INPUT',
      message: expect.stringContaining('copy into an empty event store'),
    });
    expect(await all(target.store)).toHaveLength(1);
  });

  it('also when it was a copy and has been written to since', async () => {
    const [source, target] = [await givenSource(5), await givenLog()];
    await copyLog({ from: source.store, to: target.store });
    const [known] = await all(source.store);
    const { fact } = sampleConnector();
    await target.append({ ...fact(), stream: known?.stream as string });

    await expect(copyLog({ from: source.store, to: target.store })).rejects.toMatchObject({
      code: 'INVALID_INPUT',
    });
  });
});

describe('a target that has the source’s last event behind another beginning', () => {
  it('is refused before anything is read', async () => {
    const [source, target] = [await givenSource(5), await givenLog()];
    await target.append(sampleConnector().fact());
    const copied = await all(source.store);
    // As after a restore, and writers that repeat what was not acknowledged.
    const last = copied.at(-1) as RawEvent;
    await target.store.importRaw([{ ...last, position: 'other/1' as Position }]);
    await source.append(sampleConnector().fact());

    await expect(copyLog({ from: source.store, to: target.store })).rejects.toMatchObject({
      code: 'INVALID_INPUT',
      message: expect.stringContaining('another log'),
    });
    expect(await all(target.store)).toHaveLength(2);
  });
});

describe('after a copy', () => {
  it('a rebuild from it equals the old read tables, whatever the history', async () => {
    await fc.assert(
      fc.asyncProperty(histories, async history => {
        const [source, target] = [await givenLog(), await givenLog()];
        try {
          for (const events of history) await source.append(...events);
          await source.projector().catchUp();
          await copyLog({ from: source.store, to: target.store, pageSize: 5 });
          await target.projector().rebuild();
          for (const projection of projections) {
            expect(await target.rows(projection)).toEqual(await source.rows(projection));
          }
        } finally {
          for (const harness of opened.splice(0)) await harness.close();
        }
      }),
      { numRuns: 8 },
    );
  });

  it('from another kind of store it equals them but for the positions, whose order is the same', async () => {
    const [source, target] = [await givenLog(), await givenLog()];
    const [history] = fc.sample(histories, { numRuns: 1, seed: 7 });
    for (const events of history ?? []) await source.append(...events);
    await source.projector().catchUp();
    await source.pool.query(`SELECT nextval('connector_event_position')`);
    await copyLog({ from: inOtherClothes(source.store), to: target.store });

    await target.projector().catchUp();

    for (const projection of projections) {
      const [a, b] = [await source.rows(projection), await target.rows(projection)];
      expect(byRank(b, target.store)).toEqual(byRank(a, source.store));
    }
  });
});

/** Positions replaced by their place among the table's own. */
function byRank(rows: readonly object[], { compare }: TransferableEventStore): object[] {
  const positions = rows.map(row => (row as { position?: Position }).position);
  const ranked = [...new Set(positions)].sort(compare);
  return rows.map((row, index) => ({ ...row, position: ranked.indexOf(positions[index]) }));
}

describe('importing', () => {
  it('is for the owner of the tables: no granted role may say when something was recorded', async () => {
    const target = await givenLog();
    const suffix = randomBytes(4).toString('hex');
    const roles = { functionsRole: `functions_${suffix}`, workerRole: `worker_${suffix}` };
    for (const role of Object.values(roles)) {
      await target.pool.query(`CREATE ROLE ${role} LOGIN PASSWORD 'test'`);
    }
    try {
      await grantPrivileges(target.url, roles);
      const [event] = await all((await givenSource(1)).store);
      for (const role of Object.values(roles)) {
        const url = new URL(target.url);
        url.username = role;
        url.password = 'test';
        const pool = new pg.Pool({ connectionString: url.href });
        const store = createPostgresEventStore({ pool });
        await expect(store.importRaw([event as RawEvent])).rejects.toMatchObject({
          code: 'EVENT_STORE_FAILED',
          transient: false,
          message: expect.stringContaining('the role that owns the tables'),
        });
        // What they may: add to the outbox; and the worker alone take from it.
        await pool.query(`SELECT connector_outbox_add('[]', false, 1000)`);
        const taking = pool.query('DELETE FROM connector_outbox');
        if (role === roles.workerRole) await taking;
        else await expect(taking).rejects.toMatchObject({ code: '42501' });
        await expect(
          pool.query(
            `INSERT INTO connector_outbox (event_id, stream, envelope) VALUES (gen_random_uuid(), 'x', '{}')`,
          ),
        ).rejects.toMatchObject({ code: '42501' });
        await pool.end();
      }
    } finally {
      for (const role of Object.values(roles)) {
        await target.pool.query(`DROP OWNED BY ${role}`);
        await target.pool.query(`DROP ROLE ${role}`);
      }
    }
  });

  it('refuses positions that lie before what the log has: readers have gone past them', async () => {
    const [source, target] = [await givenSource(3), await givenLog()];
    await target.append(...many(30, () => sampleConnector().fact()));

    await expect(target.store.importRaw(await all(source.store))).rejects.toMatchObject({
      code: 'EVENT_STORE_FAILED',
      message: expect.stringContaining('is not behind position'),
    });
    expect(await all(target.store)).toHaveLength(30);
  });
});
