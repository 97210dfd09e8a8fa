/** Transactions whose statements wait for nothing, and what a link that dies in the middle of one leaves behind. */
import { describe, expect, it } from '@jest/globals';
import { silentLogger } from '../../src/base/logging.js';
import { createPostgresEventStore } from '../../src/event-store/postgres/index.js';
import { createPool } from '../../src/postgres/pool.js';
import { createProjector } from '../../src/projector/index.js';
import { QueryFailure, withPooledSession } from '../../src/projector/session.js';
import { Abandoned, inTransaction } from '../../src/projector/transaction.js';
import { type CountingProxy, type Fault, startCountingProxy } from '../support/counting-proxy.js';
import { synced, syncFailed } from '../support/facts.js';
import { closing } from '../support/world.js';
import { createHarness, liveAndExpected } from './harness.js';

const givenHarness = async () => closing(await createHarness());

function givenPool(connectionString: string, max = 1) {
  const pool = createPool({ connectionString, max, log: silentLogger });
  closing({ close: () => !pool.ended && pool.end() });
  return pool;
}

const NUMBERS = 'CREATE TABLE number (n integer PRIMARY KEY)';
const insert = (n: number) => `INSERT INTO number VALUES (${n})`;

describe('a transaction of statements that wait for nothing', () => {
  it('costs one round trip', async () => {
    const { url } = await givenHarness();
    const proxy = closing(await startCountingProxy(url));
    const pool = givenPool(proxy.url);
    await pool.query(NUMBERS);

    const trips = await proxy.count(() =>
      withPooledSession(pool, true, session =>
        inTransaction(session, async ({ query }) => {
          for (let n = 0; n < 5; n++) void query(insert(n));
        }),
      ),
    );

    expect(trips).toBe(1);
    expect((await pool.query('SELECT FROM number')).rowCount).toBe(5);
  });

  it('fails by the statement that was refused, whichever it is, and the connection goes on', async () => {
    const { url } = await givenHarness();
    const pool = givenPool(url);
    await pool.query(NUMBERS);

    for (let refused = 0; refused < 4; refused++) {
      const failure = await withPooledSession(pool, true, async session => {
        const failed = await inTransaction(session, async ({ query }) => {
          for (let n = 0; n < 4; n++) {
            // Named and used twice: the second use meets a name that the first did not get to give.
            const text = n === refused ? 'SELECT no_such_column FROM number' : `SELECT ${n}`;
            void query(text, [], `test_${n === refused ? 'refused' : n}_${refused}`);
            void query(text, [], `test_${n === refused ? 'refused' : n}_${refused}`);
          }
        }).catch((error: unknown) => error);
        expect(await session.query('SELECT 1')).toEqual([['1']]);
        return failed;
      });
      expect(failure).toBeInstanceOf(QueryFailure);
      expect(failure).toMatchObject({ sqlState: '42703' });
    }
  });

  it('keeps nothing of what is abandoned, and of what its own work throws', async () => {
    const { url } = await givenHarness();
    const pool = givenPool(url);
    await pool.query(NUMBERS);
    const outcome = await withPooledSession(pool, true, session =>
      inTransaction(session, async ({ query }) => {
        void query(insert(1));
        return new Abandoned('nothing to do');
      }),
    );
    const mistake = await withPooledSession(pool, true, session =>
      inTransaction(session, async ({ query }) => {
        void query(insert(2));
        throw new TypeError('a mistake');
      }),
    ).catch((error: unknown) => error);
    expect(outcome).toBe('nothing to do');
    expect(mistake).toBeInstanceOf(TypeError);
    expect((await pool.query('SELECT FROM number')).rowCount).toBe(0);
  });
});

/** How many messages each side sends in one catch-up that projects `events`. */
async function projectThrough(proxy: CountingProxy, fault: Fault | undefined) {
  const pool = givenPool(proxy.url, 2);
  const store = createPostgresEventStore({ pool });
  const projector = createProjector({ store, pool, log: silentLogger });
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

describe('a link that is cut behind any message of a page', () => {
  it.each(['client', 'server'] as const)('applies each event once or not yet: the %s', async from => {
    const harness = await givenHarness();
    const proxy = closing(await startCountingProxy(harness.url));
    await harness.append(synced());
    const { messages } = await projectThrough(proxy, undefined);
    const ofSide = messages.filter(message => message.startsWith('>') === (from === 'client')).length;

    for (let message = 1; message <= ofSide; message++) {
      await harness.append(syncFailed(), synced());
      const { outcome, retried } = await projectThrough(proxy, { from, message, effect: 'cut' });
      // Told, where it could not be known.
      if ('error' in outcome) expect(outcome.error).toMatchObject({ code: expect.stringMatching(/_/) });
      expect(retried.caughtUp).toBe(true);
    }

    const { live, expected } = await liveAndExpected(harness);
    expect(live).toEqual(expected);
  });
});
