/**
 * Bad days, one after the other in one database: writers that are killed, functions, workers and rebuilds at once, new
 * releases, read tables and logs restored from backups. After each day, whatever came together in it:
 *
 *  - every acknowledged event is in the log once, but for those that a restored log has lost;
 *  - the read tables are what an independent fold in SQL makes of the log: nothing counted twice, nothing missing;
 *  - the lag tells the truth: before catching up, after it, and when the log is another.
 *
 * 30 days here; `npm run test:bad-days` has 500. A failure prints the seed of its days.
 */
import { afterEach, expect, it } from '@jest/globals';
import { projections as allProjections } from '../../projections/index.js';
import type { NewEvent } from '../../src/events/event.js';
import { seededRandom } from '../../src/exchanges/simulator/random.js';
import { hit, synced, T0 } from '../support/facts.js';
import { createHarness, type Harness } from './harness.js';
import { restoreOlder } from './lost-past.js';

const DAYS = Number(process.env.BAD_DAYS ?? 30);
const SEED = Number(process.env.BAD_DAYS_SEED ?? Math.floor(Math.random() * 2 ** 31));
const TABLES = [
  ...new Set([
    ...allProjections.map(({ table }) => table.name),
    'projection_checkpoint',
    'projection_dead_letter',
  ]),
];

/** Written apart from projections/: what two of the tables must hold, counted by the database itself. */
const USAGE_BY_SQL = `
  SELECT sum(CASE type WHEN 'ConnectorStateHit' THEN (data->>'count')::bigint ELSE 0 END)::int AS hits,
      count(*) FILTER (WHERE type = 'ConnectorSynced')::int AS syncs
    FROM connector_event`;
const USAGE =
  'SELECT coalesce(sum(hits), 0)::int AS hits, coalesce(sum(syncs), 0)::int AS syncs FROM cache_usage';
const HITS_BY_SQL = `
  WITH first AS (SELECT data->>'userId' AS who, min(position) AS at FROM connector_event
      WHERE type = 'ConnectorSynced' GROUP BY 1)
  SELECT first.who, coalesce(sum((h.data->>'count')::bigint), 0)::int AS hits FROM first
    LEFT JOIN connector_event h
      ON h.type = 'ConnectorStateHit' AND h.data->>'userId' = first.who AND h.position > first.at
    GROUP BY 1 ORDER BY 1`;
const HITS = 'SELECT user_id AS who, hit_count::int AS hits FROM connector_state_cache ORDER BY 1';

let harness: Harness | undefined;
afterEach(async () => {
  await harness?.close();
});

it(
  `nothing is lost, nothing counted twice, and the truth is told (seed ${SEED}, ${DAYS} days)`,
  async () => {
    const given = await createHarness();
    harness = given;
    const random = seededRandom(SEED);
    const pick = (n: number) => Math.floor(random() * n);
    const sql = async (text: string) => (await given.pool.query(text)).rows as Record<string, unknown>[];
    const acknowledged = new Set<string>();
    let release = 0;
    let serial = 0;
    const projector = (of = release) =>
      given.projector({
        pageSize: 1 + pick(40),
        projections: allProjections.map(each => ({ ...each, version: each.version + of })),
      });
    const facts = (n: number): NewEvent[] =>
      Array.from({ length: n }, () => {
        const userId = `user${pick(6)}`;
        return pick(3) > 0
          ? hit({ userId, count: 1 + pick(3) })
          : synced({ userId, measuredAt: T0 + ++serial });
      });
    const write = async () => {
      for (let batch = 0; batch < 4; batch++) {
        const events = facts(1 + pick(8));
        await given.store.append(events).then(
          () => {
            for (const { id } of events) acknowledged.add(id);
          },
          () => undefined,
        );
      }
    };
    /** What was under way may fail; what it leaves is looked at afterwards. */
    const attempt = (work: () => Promise<unknown>) => work().then(ignore, ignore);
    const killAll = () =>
      sql(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid()`);
    const work = async (stop: AbortSignal) => attempt(() => projector().run({ signal: stop }));

    async function aDay(): Promise<void> {
      const stop = new AbortController();
      const deeds: (() => Promise<unknown>)[] = [write, write, () => attempt(() => projector().catchUp())];
      if (pick(2) === 0) deeds.push(() => attempt(() => projector().rebuild()));
      if (pick(3) === 0) deeds.push(() => attempt(() => projector().rebuild()));
      if (pick(4) === 0)
        deeds.push(() => attempt(() => projector().rebuild({ projections: ['cache_usage'] })));
      if (pick(5) === 0) {
        // The old release is still at it.
        const old = projector();
        deeds.push(() => attempt(() => old.catchUp()));
        release += 1;
      }
      const workers = Array.from({ length: pick(3) }, () => work(stop.signal));
      const doing = Promise.all(deeds.map(deed => deed()));
      for (let kill = pick(3); kill > 0; kill--) {
        for (let turn = pick(30); turn > 0; turn--) await new Promise(setImmediate);
        await attempt(killAll);
      }
      await doing;
      stop.abort();
      await Promise.all(workers);
    }

    async function backUp(): Promise<number> {
      for (const table of TABLES) {
        await sql(`DROP TABLE IF EXISTS backup_of_${table}`);
        await sql(`CREATE TABLE backup_of_${table} AS SELECT * FROM ${table}`);
      }
      return Number((await sql('SELECT count(*) AS n FROM connector_event'))[0]?.n);
    }

    async function restoreReadTables(): Promise<void> {
      await sql(
        [
          'BEGIN',
          ...TABLES.flatMap(t => [`DELETE FROM ${t}`, `INSERT INTO ${t} SELECT * FROM backup_of_${t}`]),
          'COMMIT',
        ].join(';'),
      );
    }

    async function restoreLog(kept: number): Promise<void> {
      const before = Number((await sql('SELECT count(*) AS n FROM connector_event'))[0]?.n);
      await restoreOlder(given.pool, kept);
      const left = new Set((await sql('SELECT event_id FROM connector_event')).map(row => row.event_id));
      for (const id of acknowledged) if (!left.has(id)) acknowledged.delete(id);
      if (pick(2) === 0) await write();
      if (before > kept) {
        // Whoever looks is told, and nothing moves until somebody decides.
        await expect(projector().lag()).rejects.toMatchObject({ code: 'PROJECTION_FAILED' });
        await expect(projector().catchUp()).rejects.toMatchObject({ code: 'PROJECTION_FAILED' });
      }
      await projector().rebuild();
    }

    async function expectTruth(): Promise<void> {
      const current = projector();
      await current.catchUp().catch(async error => {
        // A release whose tables nobody has made yet.
        expect(error).toMatchObject({
          code: 'PROJECTION_FAILED',
          message: expect.stringContaining('rebuild'),
        });
        await current.rebuild();
      });
      expect(await current.catchUp({ timeoutMs: 60_000 })).toMatchObject({ caughtUp: true });
      expect(await current.lag()).toMatchObject({ events: 0, position: await given.store.head() });
      const ids = (await sql('SELECT event_id FROM connector_event')).map(row => row.event_id as string);
      expect(ids).toHaveLength(new Set(ids).size);
      const stored = new Set(ids);
      expect([...acknowledged].filter(id => !stored.has(id))).toEqual([]);
      expect(await sql(USAGE)).toEqual(await sql(USAGE_BY_SQL));
      expect(await sql(HITS)).toEqual(await sql(HITS_BY_SQL));
      expect(await current.deadLetters()).toEqual([]);
    }

    await given.store.append(facts(20).concat(synced()));
    await projector().catchUp();
    let kept = await backUp();
    let backedUp = release;
    for (let day = 0; day < DAYS; day++) {
      await aDay();
      await expectTruth();
      const deed = pick(6);
      if (deed === 0) {
        kept = await backUp();
        backedUp = release;
      } else if (deed === 1 && backedUp === release) {
        await restoreReadTables();
        expect((await projector().lag()).events).toBeGreaterThanOrEqual(0);
        await expectTruth();
      } else if (deed === 2) {
        await restoreLog(kept);
        kept = await backUp();
        backedUp = release;
        await expectTruth();
      }
    }
    expect(await projector().verify()).toMatchObject({ equal: true });
  },
  Math.max(300_000, DAYS * 10_000),
);

const ignore = () => undefined;
