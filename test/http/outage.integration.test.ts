/**
 * The database gone, and back: who is about to sign gets what is in memory, who writes hears 503 and when to come again, and
 * whatever was acknowledged is in the log once.
 */
import { randomUUID } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { runNode, spawnNode } from '../support/run.js';
import { eventually, givenWorld } from '../support/world.js';
import { syncedEvent } from './facts.js';
import { givenServer } from './support.js';

const REF = { exchange: 'BYBIT', environment: 'TESTNET', userId: 'alice', credentialId: 'main' };
const PATH = '/v1/connectors/BYBIT/TESTNET/alice/main/state';

describe('a database that is gone', () => {
  it('leaves lookups what is in memory, costs writes a 503, and loses nothing that was acknowledged', async () => {
    const world = await givenWorld();
    const proxy = await world.proxy();
    const { ask, state } = await givenServer({
      world,
      process: { databaseUrl: proxy.url, lookupDeadlineMs: 2_000, breakerResetMs: 50 },
    });
    const post = (userId: string, id: string) =>
      ask(
        { method: 'POST', url: '/v1/events', payload: { events: [syncedEvent({ ...REF, userId }, id)] } },
        'writer',
      );
    const { body } = await ask(PATH, 'reader');
    const first = syncedEvent(REF, randomUUID(), { referenceClock: body.reference.clock });
    await ask({ method: 'POST', url: '/v1/events', payload: { events: [first] } }, 'writer');
    await (await state.projector()).catchUp();
    expect((await ask(PATH, 'reader')).body).toMatchObject({ hit: true });

    const acknowledged: string[] = [];
    const refused: { status: number; headers: Readonly<Record<string, string | undefined>> }[] = [];
    let isOver = false;
    const load = (async () => {
      for (let i = 0; !isOver || i < 5; i++) {
        const id = randomUUID();
        // As callers do: the same event again until it is taken.
        for (;;) {
          const answer = await post(`user${i % 7}`, id);
          if (answer.status === 201) break;
          refused.push(answer);
        }
        acknowledged.push(id);
      }
    })();
    await eventually(() => acknowledged.length > 3);
    await proxy.refuse();
    await eventually(() => refused.length > 3);

    const [memory, unknown, list] = await Promise.all([
      ask(PATH, 'reader'),
      ask(PATH.replace('alice', 'nobody'), 'reader'),
      ask('/v1/connectors', 'reader'),
    ]);
    expect(memory).toMatchObject({ status: 200, body: { hit: true, tier: 'memory' } });
    expect(unknown).toMatchObject({ status: 200, body: { hit: false } });
    expect(['database', 'timeout']).toContain(unknown.body.reason);
    expect(list).toMatchObject({ status: 503, body: { code: 'DATABASE_UNAVAILABLE' } });
    expect(Number(list.headers['retry-after'])).toBeGreaterThan(0);
    for (const { status, headers } of refused) {
      expect([status, Number(headers['retry-after']) > 0]).toEqual([503, true]);
    }

    await proxy.recover();
    const before = acknowledged.length;
    await eventually(() => acknowledged.length > before + 3);
    isOver = true;
    await load;
    await eventually(async () => {
      expect((await ask(PATH.replace('alice', 'nobody'), 'reader')).body.reason).toBe('absent');
    });
    const stored = await world.sql<{ id: string }>('SELECT event_id::text AS id FROM connector_event');
    const ids = stored.map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
    expect(ids).toEqual(expect.arrayContaining(acknowledged));
  });

  it('does not keep a service from ending', async () => {
    const world = await givenWorld();
    const proxy = await world.proxy();
    const env = { DATABASE_URL: proxy.url, LOG_LEVEL: 'warn' };
    expect((await runNode(['dist/lib/connector-state.js', 'keys', 'list', '--json'], { env })).code).toBe(0);
    const node = spawnNode(['dist/lib/connector-state.js', 'serve', '--port', '0'], { env });
    const line = await node.waitForLine(/listening on/);
    const url = /http:\/\/[^;\s]+:\d+/.exec(line)?.[0];
    expect((await fetch(`${url}${PATH}`)).status).toBe(200);
    proxy.behave('hang');
    const stoppedAtMs = performance.now();
    node.process.kill('SIGTERM');
    expect(await node.ended).toMatchObject({ code: 0 });
    // 3 s on a machine of its own; what a busy one takes says nothing.
    expect(performance.now() - stoppedAtMs).toBeLessThan(30_000);
  });
});
