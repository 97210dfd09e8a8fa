/**
 * docs/rollout.md, step by step over one database: off, shadow, on for one service while another only watches, back, and on
 * again. Each step is a setting of one process; what each promises is seen at the exchange and in the log.
 */
import { describe, expect, it } from '@jest/globals';
import type { ConnectorStateOptions } from '../../src/composition/connector-state.js';
import { createPool } from '../../src/postgres/pool.js';
import { readShadowOutcomes, summariseShadow } from '../../src/read-model/shadow-queries.js';
import { keptLog } from '../support/log.js';
import { BOTH, closing, givenWorld, measurements, verifications } from '../support/world.js';

const INITS = 6;

describe.each(BOTH)('rolling out, with %s', exchange => {
  it('changes nothing, then only watches, then saves the measurement, and is taken back by a setting', async () => {
    const world = await givenWorld({ knobs: { skewMs: 1_500 } });
    /** So many cold functions, one after the other; what they cost the exchange, and what they found. */
    const run = async (cacheMode: ConnectorStateOptions['cacheMode'], inits = INITS) => {
      const before = {
        measured: measurements(world, exchange),
        signed: verifications(world, exchange).length,
      };
      const results = [];
      for (let n = 0; n < inits; n++) {
        const process = await world.process({ cacheMode });
        results.push(await world.connector(process, exchange).initialize());
        await process.flush();
        await process.close();
      }
      return {
        measured: measurements(world, exchange) - before.measured,
        signed: verifications(world, exchange).length - before.signed,
        hits: results.filter(({ cacheHit }) => cacheHit).length,
        refused: results.reduce((sum, { authFailures }) => sum + authFailures, 0),
      };
    };
    const log = async () => {
      const rows = await world.sql<{ id: string }>(
        'SELECT event_id AS id FROM connector_event ORDER BY position',
      );
      return rows.map(({ id }) => id);
    };
    const asBefore = { measured: INITS, signed: INITS, hits: 0, refused: 0 };

    // Phase 1: in place, trusted for nothing.
    expect(await run('off')).toEqual(asBefore);
    expect(await log()).toEqual([]);
    expect(await run('shadow')).toEqual(asBefore);
    const pool = createPool({ connectionString: world.databaseUrl, max: 1, log: keptLog() });
    closing({ close: () => pool.end() });
    const { outcomes } = await readShadowOutcomes(pool, { since: { agoMs: 7_200_000 } });
    const report = summariseShadow(outcomes);
    // What the table of the phase goes on by; the first had nothing to find.
    expect(report).toMatchObject({ inits: INITS, hits: INITS - 1, refused: 0, beyondBound: 0 });
    expect(report.hitRate).toBeGreaterThan(0.8);

    // Phase 2: one service first; the mode is each process's own.
    expect(await run('on')).toEqual({ measured: 0, signed: INITS, hits: INITS, refused: 0 });
    expect(await run('shadow', 1)).toEqual({ measured: 1, signed: 1, hits: 0, refused: 0 });
    const watching = await world.process();
    expect(await watching.cache.getStats()).toMatchObject({ authFailures: 0, totalHits: INITS });

    // Back, for all: as it was, and nothing is told or lost.
    const told = await log();
    expect(await run('off')).toEqual(asBefore);
    expect(await log()).toEqual(told);

    // And on again, with what the log knew.
    expect(await run('on', 1)).toEqual({ measured: 0, signed: 1, hits: 1, refused: 0 });
    expect((await log()).slice(0, told.length)).toEqual(told);
  });
});
