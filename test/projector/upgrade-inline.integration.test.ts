/** Functions that project by themselves, after an upgrade that changed projections: no command, and no standstill. */
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { driftHourly, exchangeClock, type Projection, projections } from '../../projections/index.js';
import { silentLogger } from '../../src/base/logging.js';
import { createPool } from '../../src/postgres/pool.js';
import { hit, synced, T0 } from '../support/facts.js';
import { createHarness, type Harness, liveAndExpected, until } from './harness.js';

let harness: Harness;
beforeEach(async () => {
  harness = await createHarness();
});
afterEach(() => harness.close());

const history = (n: number) =>
  Array.from({ length: n }, (_, i) =>
    i % 3 === 2 ? hit({ userId: `u${i % 7}` }) : synced({ userId: `u${i % 7}`, measuredAt: T0 + i }),
  );
const nextVersionOf = (changed: Projection) =>
  projections.map(each =>
    each.name === changed.name ? ({ ...each, version: each.version + 1 } as Projection) : each,
  );
const makesCurrent = {};

describe('a function after an upgrade', () => {
  it('makes the tables anew by itself, over a pool of one connection', async () => {
    await harness.append(...history(60));
    await harness.projector().catchUp();
    await harness.append(hit());
    const pool = createPool({ connectionString: harness.url, max: 1, log: silentLogger });
    try {
      const upgraded = harness.projector({ pool, projections: nextVersionOf(exchangeClock) });

      expect(await upgraded.catchUp({ makesCurrent })).toMatchObject({ caughtUp: true });

      expect(await upgraded.verify()).toMatchObject({ equal: true });
      expect(await upgraded.catchUp()).toMatchObject({ events: 0, caughtUp: true });
    } finally {
      await pool.end();
    }
  });

  it('fills a table that is new in its release beside the others, which it does not read again', async () => {
    await harness.append(...history(40));
    await harness.projector({ projections: projections.filter(each => each !== driftHourly) }).catchUp();
    await harness.append(hit());
    const upgraded = harness.projector();

    expect(await upgraded.catchUp({ makesCurrent })).toMatchObject({ caughtUp: true });

    const { live, expected } = await liveAndExpected(harness);
    expect(live).toEqual(expected);
  });

  it('is one of many, and nothing is counted twice or left out', async () => {
    await harness.append(...history(60));
    await harness.projector().catchUp();
    const old = harness.projector();
    const upgraded = Array.from({ length: 5 }, () =>
      harness.projector({ projections: nextVersionOf(exchangeClock), pageSize: 7 }),
    );

    // Those of the old release go on until the switch, and are told then.
    const olds = Promise.allSettled(
      Array.from({ length: 5 }, () => harness.append(hit()).then(() => old.catchUp())),
    );
    const caught = await Promise.allSettled(
      upgraded.map(each => harness.append(hit()).then(() => each.catchUp({ makesCurrent }))),
    );
    await olds;

    for (const each of caught) {
      if (each.status === 'rejected') {
        expect(each.reason).toMatchObject({ message: expect.stringContaining('another rebuild is at work') });
      }
    }
    expect(await upgraded[0]?.catchUp({ makesCurrent })).toMatchObject({ caughtUp: true });
    const { live, expected } = await liveAndExpected(harness);
    expect(live).toEqual(expected);
    await expect(old.catchUp()).rejects.toMatchObject({ message: expect.stringContaining('upgrade') });
  });

  it('leaves a log that is too long for it to a command, and says which', async () => {
    await harness.append(...history(30));
    await harness.projector().catchUp();
    await harness.append(hit());
    const upgraded = harness.projector({ projections: nextVersionOf(exchangeClock) });

    await expect(upgraded.catchUp({ makesCurrent: { maxEvents: 30 } })).rejects.toMatchObject({
      code: 'PROJECTION_FAILED',
      message: expect.stringMatching(/exchange_clock.*31 events.*connector-state rebuild/),
    });

    // The old release was not held up.
    expect(await harness.projector().catchUp()).toMatchObject({ events: 1, caughtUp: true });
  });

  it('gives up when it is told to, and leaves nothing', async () => {
    await harness.append(...history(30));
    await harness.projector().catchUp();
    const upgraded = harness.projector({ projections: nextVersionOf(exchangeClock) });
    const closed = new AbortController();
    await harness.asAnother(async other => {
      await other.query('BEGIN; SELECT FROM projection_checkpoint FOR UPDATE');
      const caught = expect(upgraded.catchUp({ makesCurrent, signal: closed.signal })).rejects.toThrow(
        'closed',
      );
      await until('it waits to switch', async () => {
        const { rowCount } = await harness.pool.query(
          `SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%FOR UPDATE%' AND datname = current_database()`,
        );
        return rowCount === 1;
      });
      closed.abort(new Error('closed'));
      await caught;
    });
    expect(await harness.projector().verify()).toMatchObject({ equal: true });
  });
});
