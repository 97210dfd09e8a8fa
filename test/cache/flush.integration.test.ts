/** What `flush()` says where this process projects: nothing that is stored and not projected is called done. */
import { describe, expect, it } from '@jest/globals';
import { closing, givenWorld } from '../support/world.js';

describe('a flush of a process that projects', () => {
  it('is not ok while another session has the read tables, says who, and makes good for it', async () => {
    const world = await givenWorld();
    const process = await world.process();
    await world.connector(process, 'BYBIT').initialize();
    await world.sql(`SET application_name = 'somebody else'`);
    await world.sql('BEGIN');
    await world.sql('LOCK TABLE cache_usage IN SHARE MODE');

    expect(await process.flush()).toMatchObject({
      ok: false,
      pending: 0,
      lost: 0,
      position: expect.stringMatching(/^pg\//),
      unprojected: expect.stringMatching(/locked \(pid \d+ \(somebody else/),
    });

    await world.sql('ROLLBACK');
    // Nothing new is stored by it.
    expect(await process.flush()).toEqual({ ok: true, pending: 0, lost: 0, position: undefined });
    expect(await world.sql('SELECT user_id FROM connector_state_cache')).toEqual([{ user_id: 'user123' }]);
  });

  it('is not ok while the log is another one, and so is no change of an operator', async () => {
    const world = await givenWorld();
    const process = await world.process();
    const connector = world.connector(process, 'BYBIT');
    await connector.initialize();
    expect(await process.flush()).toMatchObject({ ok: true });
    // As if the events had been restored from an older backup.
    await world.sql(`UPDATE projection_checkpoint
      SET position = 'pg/999', log_mark = jsonb_set(log_mark, '{at}', '"pg/999"')`);

    const { userId, credentialId } = connector.ref;
    await expect(process.cache.invalidate(userId, credentialId, 'operator')).rejects.toMatchObject({
      code: 'PROJECTION_FAILED',
      message: expect.stringMatching(/the fact is stored.*not the one that the read tables were made from/),
    });
    expect(await process.flush()).toMatchObject({
      ok: false,
      pending: 0,
      unprojected: expect.stringMatching(/rebuild/),
    });
  });

  it('makes tables of an older release anew, and is ok', async () => {
    const world = await givenWorld();
    const old = await world.process();
    await world.connector(old, 'BYBIT').initialize();
    await old.flush();
    await world.sql(
      'UPDATE projection_checkpoint SET version = version - 1; UPDATE cache_usage SET hits = 99',
    );

    const upgraded = await world.process();
    await world.connector(upgraded, 'BINGX').initialize();
    expect(await upgraded.flush()).toMatchObject({ ok: true, pending: 0 });

    expect(await (await upgraded.projector()).verify()).toMatchObject({ equal: true });
  });

  it('of a process that does not project is ok when it is stored', async () => {
    const world = await givenWorld();
    const process = closing(await world.process({ projection: 'worker' }));
    await world.connector(process, 'BYBIT').initialize();
    expect(await process.flush()).toMatchObject({ ok: true, pending: 0 });
  });
});
