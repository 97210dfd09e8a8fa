/**
 * The primary dies and its standby takes over at the same address, while functions and a worker are at work: nothing
 * acknowledged is lost, nothing stored twice, and who could not know is told by a typed error.
 */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { isConnectorStateError } from '../../src/base/errors.js';
import { silentLogger } from '../../src/base/logging.js';
import { createConnectorState } from '../../src/index.js';
import { reasonOf } from '../../src/postgres/database-error.js';
import { pg } from '../../src/postgres/driver.js';
import { BEGIN } from '../../src/postgres/transactions.js';
import { CLOCK_ID } from '../../src/read-model/lookup.js';
import { migrate } from '../../src/read-model/migrate.js';
import { sampleConnector } from '../contract/sample-events.js';
import { machine } from '../support/clocks.js';
import { type Streaming, startStreaming } from '../support/streaming.js';
import { startTcpProxy } from '../support/tcp-proxy.js';
import { closing, eventually } from '../support/world.js';

const DATABASE = 'postgres';

let streaming: Streaming;
/** Of the standby, from before it takes over. */
let early: InstanceType<typeof pg.Client>;
let earlyName: string | undefined;

beforeAll(async () => {
  streaming = await startStreaming([[]]);
  await migrate(streaming.primary.urlOf(DATABASE));
  // What is acknowledged is on both.
  await streaming.primary.query(`ALTER SYSTEM SET synchronous_standby_names = '*'`);
  await streaming.primary.query('SELECT pg_reload_conf()');
  await eventually(async () => {
    const [row] = await streaming.primary.query<{ state: string }>(
      'SELECT sync_state AS state FROM pg_stat_replication',
    );
    return row?.state === 'sync';
  });
  await streaming.caughtUp(DATABASE);
  early = new pg.Client({ connectionString: streaming.standbys[0]?.urlOf(DATABASE) });
  early.on('error', () => undefined);
  await early.connect();
  earlyName = (await early.query<{ id: string }>(`SELECT ${CLOCK_ID} AS id`)).rows[0]?.id;
});
afterAll(async () => {
  await early?.end();
  await streaming.close();
});

describe('a failover', () => {
  it('to a standby that is still one is a refusal that says read-only, in whatever language', async () => {
    const client = new pg.Client({ connectionString: streaming.standbys[0]?.urlOf(DATABASE) });
    await client.connect();
    const failure = await client.query(BEGIN).catch((error: Error) => error);
    await client.end();

    const inGerman =
      'kann den Transaktionsmodus während der Wiederherstellung nicht auf Lesen/Schreiben setzen';
    expect(reasonOf(failure)).toBe('read-only');
    expect(reasonOf(Object.assign(failure as Error, { message: inGerman }))).toBe('read-only');
  });

  it('loses nothing that was acknowledged, and stores nothing twice', async () => {
    // The address that clients know: whoever is the primary stands behind it.
    const address = closing(await startTcpProxy(streaming.primary.urlOf(DATABASE)));
    const open = (projection: 'inline' | 'worker') =>
      createConnectorState({
        databaseUrl: address.url,
        projection,
        poolSize: 2,
        lookupDeadlineMs: 500,
        breakerResetMs: 50,
        flushIntervalMs: 600_000,
        logger: silentLogger,
        clock: machine(),
      });
    const functions = [
      closing(await open('inline')),
      closing(await open('inline')),
      closing(await open('worker')),
    ];
    const acknowledged: string[] = [];
    const told: unknown[] = [];
    let isOver = false;
    // Appends whose callers repeat what they could not know, with the same ids, until they are told that it is stored.
    const writer = async (state: (typeof functions)[number]) => {
      const store = await state.store();
      const connector = sampleConnector();
      for (let n = 0; n < 200 && !(isOver && n > 20); n++) {
        const events = [connector.fact(), connector.fact()];
        for (let stored = false; !stored; ) {
          stored = await store.append(events, { timeoutMs: 2_000 }).then(
            () => true,
            error => {
              told.push(error);
              return false;
            },
          );
        }
        acknowledged.push(...events.map(({ id }) => id));
        // Never rejects, whatever happens to the server.
        await state.cache.get({ userId: 'u', credentialId: 'c', exchange: 'BYBIT', environment: 'TESTNET' });
        if (state.settings.projection === 'inline') {
          const { catchUp } = await state.projector();
          await catchUp({ timeoutMs: 0 }).catch(error => told.push(error));
        }
      }
    };
    const writing = Promise.all(functions.map(writer));
    await eventually(() => acknowledged.length >= 20);

    await streaming.primary.kill();
    const [standby] = streaming.standbys as [Streaming['primary']];
    address.forwardTo(standby.urlOf(DATABASE));
    await eventually(() => told.length > 0);
    await standby.query('SELECT pg_promote()');
    isOver = true;
    await writing;

    for (const error of told) expect(isConnectorStateError(error)).toBe(true);
    const stored = await standby.query<{ id: string }>(
      'SELECT event_id::text AS id FROM connector_event ORDER BY position',
    );
    const ids = stored.map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
    expect(ids.filter(id => acknowledged.includes(id)).sort()).toEqual([...acknowledged].sort());
    const { catchUp, verify } = await (functions[0] as (typeof functions)[number]).projector();
    await eventually(async () => (await catchUp()).caughtUp);
    expect(await verify()).toMatchObject({ equal: true });
  });

  it('gives the server its new name in sessions that were there before', async () => {
    await early.query(`SELECT pg_promote() WHERE pg_is_in_recovery()`);

    const [fresh] = (await streaming.standbys[0]?.query<{ id: string }>(`SELECT ${CLOCK_ID} AS id`)) ?? [];
    const { rows } = await early.query<{ id: string }>(`SELECT ${CLOCK_ID} AS id`);
    expect(rows[0]?.id).toBe(fresh?.id);
    expect(rows[0]?.id).not.toBe(earlyName);
    expect(earlyName).toMatch(/:standby-127\.0\.0\.1$/);
  });
});
