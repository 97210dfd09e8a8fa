/** A database whose clock is further off than any offset may be: one that started without a battery, say. */
import { describe, expect, it } from '@jest/globals';
import { BOTH, givenWorld, verifications, type World } from '../support/world.js';

async function setDatabaseClock({ databaseUrl, sql }: World, by: string): Promise<void> {
  await sql(`CREATE SCHEMA off; CREATE FUNCTION off.clock_timestamp() RETURNS timestamptz LANGUAGE sql
    AS $$ SELECT pg_catalog.clock_timestamp() + interval '${by}' $$`);
  const name = new URL(databaseUrl).pathname.slice(1);
  await sql(`ALTER DATABASE "${name}" SET search_path = off, public, pg_catalog`);
}

describe.each(['-25 years', '20 days', '40 years'])("a database's clock that is off by %s", by => {
  it.each(['sync-first', 'verify-first'] as const)('is no reference: %s', async firstContact => {
    const world = await givenWorld();
    await setDatabaseClock(world, by);
    const process = await world.process({ firstContact });

    for (const exchange of BOTH) {
      const connector = world.connector(process, exchange);
      const { refusals } = await connector.initialize();

      expect(refusals).toEqual(firstContact === 'sync-first' ? [] : ['wrong']);
      expect(await connector.initialize()).toMatchObject({ contact: 'state', refusals: [] });
      expect(verifications(world, exchange).slice(-2)).toEqual(['0', '0']);
    }

    expect(process.log.lines.filter(({ message }) => message.includes("the database's clock"))).toHaveLength(
      1,
    );
    expect(await process.flush()).toMatchObject({ ok: true });
    expect(await (await process.projector()).verify()).toMatchObject({ equal: true });
  });
});
