/** Lists, analytics and operations over a log of some connectors. */
import { randomUUID } from 'node:crypto';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { DEFAULT_RANGE, toleranceOf } from '../../src/clock/request-window.js';
import { eventually } from '../support/world.js';
import { syncedEvent } from './facts.js';
import { givenServer, type TestServer } from './support.js';

let server: TestServer;
let clockId: string;
const USERS = ['alice', 'alan', 'bob_1', 'bob_2', '100%', 'zoë'];
const HOUR_MS = 3_600_000;

beforeAll(async () => {
  server = await givenServer({ keep: true });
  const { body } = await server.ask('/v1/connectors/BYBIT/TESTNET/x/y/state', 'reader');
  clockId = body.reference.clock;
  const nowMs = Date.now();
  const events = USERS.flatMap((userId, i) =>
    ['main', 'spare'].map((credentialId, k) =>
      syncedEvent(
        { exchange: i % 2 ? 'BINGX' : 'BYBIT', environment: 'TESTNET', userId, credentialId },
        randomUUID(),
        { referenceClock: clockId, offsetMs: 100 + i, measuredAt: nowMs - (i * 2 + k + 1) * 60_000 },
      ),
    ),
  );
  const told = await server.ask({ method: 'POST', url: '/v1/events', payload: { events } }, 'writer');
  expect(told.status).toBe(201);
  await (await server.state.projector()).catchUp();
});

interface Listed {
  readonly userId: string;
  readonly credentialId: string;
}
const list = async (query: string, as = 'analyst'): Promise<string[]> => {
  const { body } = await server.ask(`/v1/connectors?${query}`, as);
  return (body.connectors as Listed[]).map(({ userId, credentialId }) => `${userId}/${credentialId}`);
};

describe('the list of connectors', () => {
  it('is found by the beginnings of ids, whatever is in them', async () => {
    expect(await list('user=al')).toEqual(['alan/main', 'alan/spare', 'alice/main', 'alice/spare']);
    expect(await list('user=bob_')).toHaveLength(4);
    expect(await list('user=100%25')).toEqual(['100%/main', '100%/spare']);
    expect(await list('user=zo%C3%AB')).toHaveLength(2);
    expect(await list('userId=bob_1&credential=sp')).toEqual(['bob_1/spare']);
    expect(await list('credential=ma&exchange=BINGX')).toEqual(['alan/main', 'bob_2/main', 'zoë/main']);
    expect(await list('userId=bob')).toEqual([]);
    expect(await list('user=%27%3B+DROP+TABLE+connector_state_cache%3B--')).toEqual([]);
  });

  it('comes in pages that neither skip nor repeat', async () => {
    const found: string[] = [];
    let cursor = '';
    do {
      const { body } = await server.ask(`/v1/connectors?limit=5${cursor && `&cursor=${cursor}`}`, 'reader');
      found.push(
        ...(body.connectors as Listed[]).map(({ userId, credentialId }) => `${userId}/${credentialId}`),
      );
      cursor = body.next ?? '';
    } while (cursor !== '');
    expect(found).toHaveLength(USERS.length * 2);
    expect(new Set(found).size).toBe(found.length);
  });

  it('has for a bound token its own user and nobody else', async () => {
    expect(await list('', 'reader@alice')).toEqual(['alice/main', 'alice/spare']);
    expect(await list('user=al', 'reader@alice')).toEqual(['alice/main', 'alice/spare']);
    expect(await list('user=bob', 'reader@alice')).toEqual([]);
    expect(await list('userId=bob_1', 'reader@alice')).toEqual([]);
    expect(await list(`cursor=${Buffer.from('a_a').toString('base64url')}`, 'reader@alice')).toEqual([
      'alice/main',
      'alice/spare',
    ]);
  });
});

describe('analytics', () => {
  it('tell the drift in buckets, from samples and from the roll-up alike', async () => {
    const fine = await server.ask('/v1/analytics/drift?from=2h&bucketMs=7200000&exchange=BYBIT', 'analyst');
    const raw = await server.ask('/v1/analytics/drift?from=2h&bucketMs=7199999&exchange=BYBIT', 'analyst');
    const sum = (buckets: { samples: number }[]) => buckets.reduce((n, { samples }) => n + samples, 0);
    expect(sum(fine.body.buckets)).toBe(6);
    expect(sum(raw.body.buckets)).toBe(6);
    expect(fine.body.buckets[0]).toMatchObject({ exchange: 'BYBIT', host: null, referenceClock: clockId });
    for (const { distanceToRefusalMs, uncertaintyMs } of raw.body.buckets) {
      expect(distanceToRefusalMs).toBeCloseTo(toleranceOf(DEFAULT_RANGE) - uncertaintyMs, 6);
    }
    const byHost = await server.ask('/v1/analytics/drift?from=2h&by=host', 'analyst');
    expect(byHost.body.buckets[0].host).toBe('test:writer');
  });

  it('agree on the rate with a line through the samples', async () => {
    const { body } = await server.ask(
      '/v1/analytics/drift?from=2d&bucketMs=86400000&exchange=BINGX',
      'analyst',
    );
    // Every two minutes further back one or two milliseconds more: some 8 ppm down, by all the samples' equal weights.
    const rates = (body.buckets as { ratePpm: number | null; samples: number }[]).filter(
      ({ samples }) => samples > 4,
    );
    for (const { ratePpm } of rates) expect(ratePpm).toBeCloseTo(-8.3, 0);
  });

  it('come as CSV that no spreadsheet evaluates, as NDJSON, and for chrony and Stable32', async () => {
    const csv = await server.ask('/v1/analytics/drift?from=2h&format=csv', 'analyst');
    expect(csv.headers['content-type']).toContain('text/csv');
    expect(csv.body.split('\r\n')[0]).toMatch(
      /^startMs,exchange,environment,scope,referenceClock,host,samples/,
    );
    const lines = await server.ask('/v1/analytics/drift?from=2h&format=ndjson', 'analyst');
    expect(JSON.parse(lines.body.split('\n')[0])).toMatchObject({ environment: 'TESTNET' });
    const chrony = await server.ask('/v1/analytics/drift?from=2h&format=chrony', 'analyst');
    const [first] = chrony.body.split('\n').slice(3);
    expect(first).toMatch(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d BINGX\/TESTNET\/default +1 +-?\d+\.\d{3} /);
    const phase = await server.ask('/v1/analytics/drift?from=2h&format=stable32&exchange=BYBIT', 'analyst');
    expect(phase.body.split('\n')[2]).toMatch(/^\d{5}\.\d{8} {2}1\.0\d+e-1$/);
    const both = await server.ask('/v1/analytics/drift?from=2h&format=stable32', 'analyst');
    expect(both).toMatchObject({ status: 400, body: { code: 'INVALID_INPUT' } });
  });

  it('refuse a range that would be too much, or is none', async () => {
    const many = await server.ask('/v1/analytics/drift?from=2020-01-01&bucketMs=1000', 'analyst');
    expect(many.body.detail).toContain('take a shorter range');
    const none = await server.ask('/v1/analytics/usage?from=2h&until=3h', 'analyst');
    expect(none.body.detail).toContain('behind until');
  });

  it('count what the cache did, and what there is', async () => {
    const usage = await server.ask(`/v1/analytics/usage?from=2h&bucketMs=${24 * HOUR_MS}`, 'analyst');
    const syncs = (usage.body.buckets as { syncs: number }[]).reduce((n, { syncs }) => n + syncs, 0);
    expect(syncs).toBe(USERS.length * 2);
    expect(usage.body.buckets[0]).toMatchObject({ scope: 'default', host: null });
    const byHost = await server.ask('/v1/analytics/usage?from=2h&by=host&scope=default', 'analyst');
    expect(new Set((byHost.body.buckets as { host: string }[]).map(({ host }) => host))).toEqual(
      new Set(['test:writer']),
    );
    const csv = await server.ask('/v1/analytics/usage?from=2h&host=test:writer&format=csv', 'analyst');
    expect(csv.body.split('\r\n')[0]).toMatch(/^startMs,exchange,environment,scope,host,hits/);
    for (const nobody of ['host=nobody', 'scope=https%3A%2F%2Fproxy.example']) {
      const none = await server.ask(`/v1/analytics/usage?from=2h&${nobody}`, 'analyst');
      expect(none.body.buckets).toEqual([]);
    }
    const stats = await server.ask('/v1/stats', 'analyst');
    expect(stats.body).toMatchObject({ total: USERS.length * 2, byExchange: { BYBIT: 6, BINGX: 6 } });
    expect(stats.body.clocks[0].distanceToRefusalMs).toBeGreaterThan(0);
  });
});

describe('operations', () => {
  const post = (url: string, payload?: object) =>
    server.ask({ method: 'POST', url, ...(payload && { payload }) });

  it('show how far the tables are, and rebuild them with progress', async () => {
    const { body } = await server.ask('/v1/projections');
    expect(body).toMatchObject({ events: 0, deadLetters: 0 });
    expect(body.projections.length).toBeGreaterThan(3);

    const begun = await post('/v1/rebuilds', { check: true });
    expect(begun).toMatchObject({
      status: 202,
      body: { kind: 'check', state: 'running', by: 'test:operator' },
    });
    await eventually(async () => {
      const job = await server.ask(`/v1/jobs/${begun.body.id}`);
      expect(job.body).toMatchObject({ state: 'done', result: { equal: true } });
    });
    const replay = await post('/v1/dead-letters/replay');
    expect(replay.status).toBe(202);
    await eventually(async () => {
      expect((await server.ask('/v1/jobs')).body.jobs[0]).toMatchObject({
        state: 'done',
        result: { replayed: 0 },
      });
    });
    expect((await post('/v1/dead-letters/dismiss', { event: 'foreign' })).body).toEqual({ changed: 0 });
    expect((await post('/v1/dead-letters/dismiss', { event: 'all' })).status).toBe(400);
    const twice = await post('/v1/rebuilds', { projections: ['cache_usage', 'cache_usage'] });
    await eventually(async () => {
      expect((await server.ask(`/v1/jobs/${twice.body.id}`)).body).toMatchObject({
        state: 'done',
        error: null,
      });
    });
    expect((await post('/v1/rebuilds', { projections: ['no_such_table'] })).status).toBe(400);
    expect((await server.ask(`/v1/jobs/${randomUUID()}`)).status).toBe(404);
  });

  it('condemn, distrust, clean up, and say who did', async () => {
    const path = '/v1/users/alice/credentials/main';
    expect((await post(`${path}/invalidate`)).body).toEqual({ syncId: expect.any(String) });
    await (await server.state.projector()).catchUp();
    expect(await list('status=invalid')).toEqual(['alice/main']);
    const { body } = await server.ask(`${path}/history?limit=1`);
    expect(body.events[0].data).toMatchObject({ by: 'test:operator', reason: 'manual' });
    expect((await post('/v1/users/nobody/credentials/x/invalidate')).status).toBe(404);
    expect((await post('/v1/distrust', { host: 'liar' })).body.clocks).toBeGreaterThan(0);
    expect((await post('/v1/cleanup')).body).toEqual({ removed: 0 });
    expect((await post('/v1/outbox/relay', {})).body).toEqual({ waiting: 0, dead: 0 });
  });
});
