/** The clock in front of an exchange: measured apart, told, and never signed by. */
import { describe, expect, it } from '@jest/globals';
import { checkEdges } from '../../src/cli/doctor/event-checks.js';
import { openPostgresEventStore } from '../../src/composition/event-stores.js';
import { scopeOf } from '../../src/events/connector.js';
import { createPool } from '../../src/postgres/pool.js';
import { BOTH, closing, eventually, givenWorld, measurements, verifications } from '../support/world.js';

describe.each(BOTH)('an edge in front of %s', exchange => {
  it.each([-10_000, 4_000])(
    'whose clock is %d ms off is found, recorded, and shown by doctor',
    async edgeSkewMs => {
      const world = await givenWorld({ knobs: { edgeSkewMs, skewMs: 300 } });
      // Of many short processes few would say so; this one does.
      const process = await world.process({ firstContact: 'verify-first', random: () => 0 });
      for (const userId of ['a', 'b', 'a']) {
        const result = await world.connector(process, exchange, { userId }).initialize();
        expect(result.authFailures).toBe(0);
        expect(Math.abs(result.offsetMs - 300)).toBeLessThanOrEqual(result.uncertaintyMs);
        await process.flush();
      }

      expect(verifications(world, exchange)).toEqual(['0', '0', '0']);
      expect(process.log.text()).toMatch(/the clock in front of .* ahead of the exchange's/);
      const log = process.log;
      const pool = createPool({ connectionString: world.databaseUrl, max: 1, log });
      closing({ close: () => pool.end() });
      const store = closing(
        await openPostgresEventStore(world.databaseUrl, pool, { log, namedStatements: false } as never),
      );
      const { ref } = world.connector(process, exchange);
      const place = { ...ref, scope: scopeOf(ref) };
      const { message } = await checkEdges(store, [place]);
      const [, ahead, bound] = /: (-?[\d.]+) ± ([\d.]+) ms ahead/.exec(message) ?? [];
      expect(Math.abs(Number(ahead) - edgeSkewMs)).toBeLessThanOrEqual(Number(bound) + 0.1);
      expect(await checkEdges(store, [{ ...place, environment: 'MAINNET' }])).toMatchObject({
        status: 'ok',
        message: expect.stringContaining('none is known to differ'),
      });
    },
  );
});

it('an exchange whose clock steps where its answers do not tell the time is found out by its edge’s', async () => {
  const world = await givenWorld();
  const process = await world.process();
  const connector = world.connector(process, 'BINGX');
  await connector.initialize();
  await connector.fundingRate('BTC-USDT');
  const before = measurements(world, 'BINGX');
  world.simulator.step(3_000, 'BINGX');

  // Nobody refuses a timestamp that is three seconds old; the Date headers moved, though.
  await connector.fundingRate('BTC-USDT');

  // It contradicts what is known, so it is asked twice.
  await eventually(() => expect(measurements(world, 'BINGX')).toBe(before + 2));
  await process.flush();
  const { offsetMs, uncertaintyMs } = await connector.initialize();
  expect(Math.abs(offsetMs - 3_000)).toBeLessThanOrEqual(uncertaintyMs);
});
