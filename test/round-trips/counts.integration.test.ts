/**
 * What each public operation costs in round trips, exactly as docs/benchmarks.md says. Whoever adds a statement that
 * waits sees it here.
 */
import { describe, expect, it } from '@jest/globals';
import { silentLogger } from '../../src/base/logging.js';
import type { ConnectorStateOptions } from '../../src/composition/connector-state.js';
import { createPostgresEventStore } from '../../src/event-store/postgres/index.js';
import { createPool } from '../../src/postgres/pool.js';
import { createProjector } from '../../src/projector/index.js';
import { startCountingProxy } from '../support/counting-proxy.js';
import { createTestDatabase } from '../support/database.js';
import { startTestServer } from '../support/esdb-server/index.js';
import { findPgBouncer, letGo, startPgBouncer } from '../support/pgbouncer.js';
import { closing, eventually, givenWorld, type World } from '../support/world.js';
import { documentedCounts } from './documented.js';
import { OPERATIONS, type Operation, REF, syncFailure } from './operations.js';

async function count(world: World, operation: Operation, options: ConnectorStateOptions, tls = false) {
  const proxy = closing(await startCountingProxy(world.databaseUrl, { tls }));
  const start = (more: ConnectorStateOptions = {}) =>
    world.coldProcess({ databaseUrl: proxy.url, autoMigrate: false, ...options, ...more });
  return OPERATIONS[operation]({ link: proxy, start });
}

const NAMES = Object.keys(OPERATIONS) as Operation[];

async function countAll(world: World, options: ConnectorStateOptions, tls = false) {
  const counts: Record<string, number> = {};
  for (const name of NAMES) counts[name] = await count(world, name, options, tls);
  return counts;
}

const documented = documentedCounts();
const MOST_RUNS = 10;

describe('round trips to the database', () => {
  it('are three for a page of one event of a live projector', async () => {
    const world = await givenWorld();
    const proxy = closing(await startCountingProxy(world.databaseUrl));
    const pool = createPool({ connectionString: proxy.url, max: 2, log: silentLogger });
    closing({ close: () => pool.end() });
    const listen = { connectionString: proxy.url };
    // Longer than any test: it reads when it is told to.
    const store = closing(createPostgresEventStore({ pool, listen, pollIntervalMs: 2 ** 31 - 1 }));
    const projector = createProjector({ store, pool });
    const stop = new AbortController();
    const running = projector.run({ signal: stop.signal });
    closing({
      close() {
        stop.abort();
        return running;
      },
    });
    const elsewhere = await world.process({ projection: 'worker' });
    const recordAndWait = async () => {
      elsewhere.cache.recordSyncFailure(REF, syncFailure);
      const { position } = await elsewhere.flush();
      await eventually(async () => {
        const [row] = await world.sql('SELECT min(position) AS position FROM projection_checkpoint');
        return row?.position === position;
      });
      await proxy.idle();
    };
    await recordAndWait();
    await recordAndWait();

    expect(await proxy.count(recordAndWait)).toBe(3);
  });

  it('are one more for a cold process that may make the tables, and has them when it is there', async () => {
    const world = await givenWorld();
    const documentedCount = documented.inline?.['create + first get'] ?? Number.NaN;

    const counted = await count(world, 'create + first get', { projection: 'inline', autoMigrate: true });

    expect(counted).toBe(documentedCount + 1);
  });

  it('are one for a warm init', async () => {
    const world = await givenWorld();
    const first = await world.process();
    await world.connector(first, 'BYBIT').initialize();
    await first.flush();
    const proxy = closing(await startCountingProxy(world.databaseUrl));
    const second = await world.process({ databaseUrl: proxy.url });
    const connector = world.connector(second, 'BYBIT');

    expect(await proxy.count(() => connector.initialize())).toBe(1);
  });

  it('hold the lock of the projector for one of them', async () => {
    const world = await givenWorld();
    const proxy = closing(await startCountingProxy(world.databaseUrl));
    const state = await world.process({ databaseUrl: proxy.url, projection: 'inline' });
    state.cache.recordSyncFailure(REF, syncFailure);
    await state.flush();
    state.cache.recordSyncFailure(REF, syncFailure);
    proxy.messages();

    await state.flush();

    // Behind the answers to what took the lock, everything up to COMMIT is sent before the next answer.
    const messages = proxy.messages().join(' ');
    const afterAppend = messages.slice(messages.indexOf('>Q'));
    expect(afterAppend.match(/Z(?= >)/g)).toHaveLength(1);
  });

  it.each(['inline', 'worker'] as const)('are those documented, PROJECTION=%s', async projection => {
    const world = await givenWorld();
    expect(await countAll(world, { projection })).toEqual(documented[projection]);
  });

  it('are those documented, over TLS', async () => {
    const world = await givenWorld();
    expect(await countAll(world, { projection: 'inline' }, true)).toEqual(documented['inline, TLS']);
  });

  it('are the same with statements that have no names', async () => {
    const world = await givenWorld();
    const options = { projection: 'inline', namedStatements: false } as const;
    expect(await countAll(world, options)).toEqual(documented.inline);
  });

  (findPgBouncer() ? it : it.skip)(
    `are those documented, through PgBouncer${findPgBouncer() ? '' : " [skipped: Debian's package cannot be had here]"}`,
    async () => {
      const world = await givenWorld();
      closing({ close: () => letGo(world.databaseUrl) });
      const pooler = closing(await startPgBouncer(process.env.TEST_ADMIN_URL as string));
      const options = { projection: 'inline', namedStatements: false } as const;
      const counts = await countAll({ ...world, databaseUrl: pooler.through(world.databaseUrl) }, options);
      expect(counts).toEqual(documented['inline, PgBouncer']);
    },
  );

  // The relay looks at the outbox beside the operation, whenever its time has come: the least of some is the operation.
  async function leastOfSome(world: World, eventStoreUrl: string) {
    const least: Record<string, number> = {};
    for (const name of NAMES) {
      const wanted = documented['inline, events elsewhere']?.[name] ?? 0;
      let counted = Number.POSITIVE_INFINITY;
      for (let run = 0; run < MOST_RUNS && counted > wanted; run++) {
        counted = Math.min(counted, await count(world, name, { projection: 'inline', eventStoreUrl }));
      }
      least[name] = counted;
    }
    return least;
  }

  it('are those documented, with events in another PostgreSQL', async () => {
    const world = await givenWorld();
    const events = await createTestDatabase();
    closing({ close: () => events.drop() });
    expect(await leastOfSome(world, events.url)).toEqual(documented['inline, events elsewhere']);
  });

  it('are the same with events in EventStoreDB', async () => {
    const world = await givenWorld();
    const server = closing(await startTestServer());
    expect(await leastOfSome(world, server.url)).toEqual(documented['inline, events elsewhere']);
  });
});
