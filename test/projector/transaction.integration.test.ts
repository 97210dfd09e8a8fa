/** Transactions whose statements wait for nothing. What a bad link does to them: bad-links.integration.test.ts. */
import type { Writable } from 'node:stream';
import { describe, expect, it, jest } from '@jest/globals';
import { silentLogger } from '../../src/base/logging.js';
import type { DriverClient } from '../../src/postgres/cancel.js';
import { createPool } from '../../src/postgres/pool.js';
import { QueryFailure, withPooledSession } from '../../src/projector/session.js';
import { Abandoned, inTransaction } from '../../src/projector/transaction.js';
import { startCountingProxy } from '../support/counting-proxy.js';
import { closing } from '../support/world.js';
import { createHarness } from './harness.js';

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

  it.each([
    ['is one write to the socket', 5, 10, false],
    // The server begins with what there is.
    ['holds nothing back that is large', 3, 100_000, true],
  ])('%s', async (_, statements, bytes, isLarge) => {
    const { url } = await givenHarness();
    const pool = givenPool(url);
    const text = 'x'.repeat(bytes);

    const written = await withPooledSession(pool, true, async (session, client) => {
      const { stream } = (client as DriverClient).connection;
      const writev = jest.spyOn(stream as Required<Writable>, '_writev');
      await inTransaction(session, async ({ query }) => {
        for (let n = 0; n < statements; n++) void query('SELECT length($1)', [text]);
      });
      return writev.mock.calls.length;
    });

    expect(written > 1).toBe(isLarge);
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
