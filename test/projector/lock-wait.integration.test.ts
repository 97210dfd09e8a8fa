/** Locks that other sessions have: who waits says for whom, and not longer than it was told to. */
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { pg } from '../../src/postgres/driver.js';
import { grantPrivileges } from '../../src/read-model/grants.js';
import { hit, synced } from '../support/facts.js';
import { keptLog } from '../support/log.js';
import { createHarness, type Harness, liveAndExpected, until } from './harness.js';
import { clientThatBreaksAt } from './odd-clients.js';

let harness: Harness;
beforeEach(async () => {
  harness = await createHarness();
  await harness.append(synced(), hit());
  await harness.projector().catchUp();
});
afterEach(() => harness.close());

const LEAD = `SELECT pg_advisory_lock('projection_checkpoint'::regclass::oid::integer, 0)`;
const REBUILD = `SELECT pg_advisory_lock('projection_checkpoint'::regclass::oid::integer, 1)`;
const HOLDER = `SET application_name = 'somebody else'`;

describe('a projector', () => {
  it('that stands by says who leads, once, and takes over', async () => {
    const log = keptLog();
    const stop = new AbortController();
    const projector = harness.projector({ log });
    let running: Promise<void> | undefined;
    await harness.asAnother(async other => {
      await other.query(HOLDER);
      await other.query(LEAD);
      running = projector.run({ signal: stop.signal });
      await until('it says so', () => log.messages('warn').length > 0);
    });
    await until('it leads', () => projector.counters.leading === 1);
    stop.abort();
    await running;

    expect(log.messages('warn')).toEqual([
      expect.stringMatching(/^standing by: .*held by pid \d+ \(somebody else, user .*takes over/),
    ]);
  });

  it('that loses its connection while it asks who leads goes on standing by', async () => {
    const stop = new AbortController();
    const makers = [() => clientThatBreaksAt(harness.url, 'pg_locks')];
    const createClient = () => makers.pop()?.() ?? new pg.Client({ connectionString: harness.url });
    const projector = harness.projector({ createClient });
    let running: Promise<void> | undefined;
    await harness.asAnother(async other => {
      await other.query(LEAD);
      running = projector.run({ signal: stop.signal });
      await Promise.race([running, until('it is back', () => projector.counters.reconnects === 1)]);
    });
    await until('it leads', () => projector.counters.leading === 1);
    stop.abort();

    await expect(running).resolves.toBeUndefined();
  });

  it('that was told for how long gives up, and names the leader', async () => {
    await harness.asAnother(async other => {
      await other.query(HOLDER);
      await other.query(LEAD);
      const running = harness.projector().run({ signal: new AbortController().signal, waitMs: 0 });
      await expect(running).rejects.toMatchObject({
        code: 'DATABASE_UNAVAILABLE',
        message: expect.stringMatching(/held by pid \d+ \(somebody else/),
      });
    });
  });

  it('that leads names who has locked its tables, and goes on when they are free', async () => {
    const log = keptLog();
    const stop = new AbortController();
    const projector = harness.projector({ log });
    const running = projector.run({ signal: stop.signal });
    await until('it leads', () => projector.counters.leading === 1);
    await harness.asAnother(async other => {
      await other.query(`${HOLDER}; BEGIN; LOCK TABLE cache_usage IN SHARE MODE`);
      await harness.append(hit());
      await until('it says so', () => log.messages('warn').length > 0);
      await other.query('COMMIT');
    });
    await until('it goes on', async () => (await harness.projector().lag()).events === 0);
    stop.abort();
    await running;

    expect(log.messages('warn')[0]).toMatch(/^the read tables are in use by pid \d+ \(somebody else/);
    const { live, expected } = await liveAndExpected(harness);
    expect(live).toEqual(expected);
  });
});

describe('a role that may make no temporary tables', () => {
  it('is told so by a rebuild, with the remedy', async () => {
    const database = new URL(harness.url).pathname.slice(1);
    const role = `no_temp_${database}`;
    await harness.pool.query(`REVOKE TEMPORARY ON DATABASE "${database}" FROM PUBLIC;
      CREATE ROLE "${role}" LOGIN PASSWORD 'x'`);
    await grantPrivileges(harness.url, { workerRole: role });
    const url = new URL(harness.url);
    [url.username, url.password] = [role, 'x'];
    const createClient = () => new pg.Client({ connectionString: url.href });

    await expect(harness.projector({ createClient }).rebuild()).rejects.toMatchObject({
      code: 'DATABASE_REFUSED',
      reason: 'missing-right',
      message: expect.stringContaining('GRANT TEMPORARY ON DATABASE'),
    });
    await harness.asAnother(client => client.query(`DROP OWNED BY "${role}"; DROP ROLE "${role}"`));
  });
});

describe('a function', () => {
  it('does not wait long for tables that somebody has locked, and can say who', async () => {
    await harness.append(hit());
    const projector = harness.projector();
    await harness.asAnother(async other => {
      await other.query(`${HOLDER}; BEGIN; LOCK TABLE cache_usage IN SHARE MODE`);
      expect(await projector.catchUp({ timeoutMs: 0 })).toMatchObject({ caughtUp: false });
      expect(await projector.holders()).toMatch(/pid \d+ \(somebody else/);
      await other.query('COMMIT');
    });
    expect(await projector.catchUp()).toMatchObject({ caughtUp: true });
    expect(await projector.holders()).toBeUndefined();
  });
});

describe('a rebuild', () => {
  it('that was told for how long waits no longer for another, and names it', async () => {
    await harness.asAnother(async other => {
      await other.query(HOLDER);
      await other.query(REBUILD);
      await expect(harness.projector().rebuild({ waitMs: 100 })).rejects.toMatchObject({
        code: 'DATABASE_UNAVAILABLE',
        message: expect.stringMatching(/another rebuild is at work: pid \d+ \(somebody else/),
      });
    });
    await harness.projector().rebuild({ waitMs: 0 });
  });

  it('waits for a lock as long as it takes otherwise, says for whom, and obeys its signal', async () => {
    const log = keptLog();
    const stop = new AbortController();
    await harness.asAnother(async other => {
      await other.query(HOLDER);
      await other.query(REBUILD);
      const rebuilding = harness.projector({ log }).rebuild({ signal: stop.signal });
      const ended = expect(rebuilding).rejects.toThrow('Ctrl-C');
      await until('it says so', () => log.messages('warn').length > 0);
      stop.abort(new Error('Ctrl-C'));
      await ended;
    });
    expect(log.messages('warn')).toEqual([expect.stringMatching(/^waiting: .*somebody else/)]);
  });
});
